// Stopwatch: the time of a step, for the figures of EXPLAIN ANALYZE.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace headrace {

/// Adds the time it lives to a counter.
class Stopwatch {
 public:
  explicit Stopwatch(std::atomic<int64_t>& micros) : micros_(micros) {}
  ~Stopwatch() {
    const auto passed = std::chrono::steady_clock::now() - begin_;
    const int64_t nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count();
    micros_.fetch_add((nanos + 500) / 1000, std::memory_order_relaxed);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::atomic<int64_t>& micros_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace headrace
