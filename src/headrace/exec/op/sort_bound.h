// SortBound: the key above which no row is wanted any more by a sort of which the first rows are.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace headrace {

/// Shared by the lanes of a sort; only falls. Thread safe.
class SortBound {
 public:
  /// As many rows as are wanted have keys of at most `key`.
  void Tighten(std::string_view key) {
    std::lock_guard lock(mutex_);
    if (version_.load(std::memory_order_relaxed) > 0 && key_ <= key) return;
    key_ = key;
    version_.fetch_add(1, std::memory_order_release);
  }
  /// Updates a reader's copy; `key` is empty while there is no bound.
  void Read(int64_t* version, std::string* key) const {
    if (version_.load(std::memory_order_acquire) == *version) return;
    std::lock_guard lock(mutex_);
    *version = version_.load(std::memory_order_relaxed);
    *key = key_;
  }

 private:
  std::atomic<int64_t> version_{0};
  mutable std::mutex mutex_;
  std::string key_;  // guarded by mutex_
};

}  // namespace headrace
