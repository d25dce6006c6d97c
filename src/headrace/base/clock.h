// Time comes through a seam: a real clock for production, a simulated one for deterministic runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace headrace {

/// Thread safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since the Unix epoch.
  virtual int64_t WallMicros() const = 0;
  /// Microseconds of a clock that never goes back.
  virtual int64_t MonotonicMicros() const = 0;
};

/// The machine's clock; lives as long as the process.
Clock& SystemClock();

/// A clock that moves only when told.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(int64_t start_micros = 0) : now_(start_micros) {}
  int64_t WallMicros() const override { return now_.load(std::memory_order_relaxed); }
  int64_t MonotonicMicros() const override { return WallMicros(); }
  void AdvanceMicros(int64_t micros) { now_.fetch_add(micros, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_;
};

}  // namespace headrace
