// TableLock: a lock for one writer and many readers that costs a reader two atomic operations, and
// in which the writer does not starve.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace headrace {

/// Meets the requirements of std::unique_lock and std::shared_lock. A writer that waits keeps new
/// readers out.
class TableLock {
 public:
  void lock() {
    writers_.lock();
    uint32_t state = state_.fetch_or(kWriter, std::memory_order_acquire) | kWriter;
    while (state != kWriter) {
      state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
    }
  }
  void unlock() {
    state_.fetch_and(~kWriter, std::memory_order_release);
    state_.notify_all();
    writers_.unlock();
  }
  void lock_shared() {
    uint32_t state = state_.load(std::memory_order_relaxed);
    while (true) {
      if ((state & kWriter) != 0) {
        state_.wait(state, std::memory_order_relaxed);
        state = state_.load(std::memory_order_relaxed);
      } else if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        return;
      }
    }
  }
  void unlock_shared() {
    const uint32_t before = state_.fetch_sub(1, std::memory_order_release);
    if (before == (kWriter | 1)) state_.notify_all();
  }

 private:
  static constexpr uint32_t kWriter = 1U << 31;  // holds the lock, or waits for readers to leave
  std::atomic<uint32_t> state_{0};               // and the readers that hold it
  std::mutex writers_;
};

}  // namespace headrace
