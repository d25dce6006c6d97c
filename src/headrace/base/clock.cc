// The machine's clock with its timer thread, and the clock of simulations.
#include "headrace/base/clock.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <thread>
#include <utility>

namespace headrace {
namespace {

template <typename ChronoClock>
int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             ChronoClock::now().time_since_epoch())
      .count();
}

/// One thread that sleeps until the earliest call is due. Calls run without the lock.
class Timer {
 public:
  ~Timer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void CallAt(int64_t micros, std::function<void()> call) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
    const auto it = calls_.emplace(micros, std::move(call));
    if (it == calls_.begin()) changed_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (calls_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const int64_t wait = calls_.begin()->first - NowMicros<std::chrono::steady_clock>();
      if (wait > 0) {
        // A long sleep is cut, so that the sum below cannot overflow.
        changed_.wait_for(lock, std::chrono::microseconds(std::min(wait, kSleepMicrosMax)));
        continue;
      }
      const std::function<void()> call = std::move(calls_.extract(calls_.begin()).mapped());
      lock.unlock();
      call();
      lock.lock();
    }
  }

  static constexpr int64_t kSleepMicrosMax = 3'600'000'000;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<int64_t, std::function<void()>> calls_;
  bool stopping_ = false;
  std::thread thread_;
};

class MachineClock final : public Clock {
 public:
  int64_t WallMicros() const override { return NowMicros<std::chrono::system_clock>(); }
  int64_t MonotonicMicros() const override { return NowMicros<std::chrono::steady_clock>(); }
  void CallAt(int64_t monotonic_micros, std::function<void()> call) override {
    timer_.CallAt(monotonic_micros, std::move(call));
  }

 private:
  Timer timer_;
};

}  // namespace

Clock& SystemClock() {
  static MachineClock clock;
  return clock;
}

void SimulatedClock::CallAt(int64_t monotonic_micros, std::function<void()> call) {
  std::lock_guard lock(mutex_);
  calls_.emplace(monotonic_micros, std::move(call));
}

void SimulatedClock::AdvanceMicros(int64_t micros) {
  const int64_t target = now_.load(std::memory_order_relaxed) + micros;
  for (;;) {
    std::function<void()> call;
    {
      std::lock_guard lock(mutex_);
      if (calls_.empty() || calls_.begin()->first > target) break;
      now_.store(std::max(now_.load(std::memory_order_relaxed), calls_.begin()->first),
                 std::memory_order_relaxed);
      call = std::move(calls_.extract(calls_.begin()).mapped());
    }
    call();
  }
  now_.store(target, std::memory_order_relaxed);
}

std::optional<int64_t> SimulatedClock::NextCallMicros() const {
  std::lock_guard lock(mutex_);
  if (calls_.empty()) return std::nullopt;
  return calls_.begin()->first;
}

}  // namespace headrace
