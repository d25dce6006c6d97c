// Time comes through a seam: a real clock for production, a simulated one for deterministic runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

namespace headrace {

/// Thread safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since the Unix epoch.
  virtual int64_t WallMicros() const = 0;
  /// Microseconds of a clock that never goes back.
  virtual int64_t MonotonicMicros() const = 0;
  /// Runs `call` once, soon after MonotonicMicros() reached `monotonic_micros`, on a thread of the
  /// clock. It must be short, must not throw and cannot be taken back: let it only wake.
  virtual void CallAt(int64_t monotonic_micros, std::function<void()> call) = 0;
};

/// The machine's clock; lives as long as the process. Its timer thread starts with the first CallAt
/// and ends with the process.
Clock& SystemClock();

/// A clock that moves only when told; calls that became due run inside AdvanceMicros, in time
/// order.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(int64_t start_micros = 0) : now_(start_micros) {}
  int64_t WallMicros() const override { return now_.load(std::memory_order_relaxed); }
  int64_t MonotonicMicros() const override { return WallMicros(); }
  void CallAt(int64_t monotonic_micros, std::function<void()> call) override;
  void AdvanceMicros(int64_t micros);
  /// When the next call is due; nothing when none is waiting.
  std::optional<int64_t> NextCallMicros() const;

 private:
  std::atomic<int64_t> now_;
  mutable std::mutex mutex_;
  std::multimap<int64_t, std::function<void()>> calls_;
};

}  // namespace headrace
