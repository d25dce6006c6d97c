// Counted keys are a histogram of the rows seen: what lies above those that are wanted is let go.
#include "headrace/exec/op/sort/sort_bound.h"

namespace headrace {

void SortBound::TightenLocked(std::string_view key) {
  if (version_.load(std::memory_order_relaxed) > 0 && key_ <= key) return;
  key_ = key;
  version_.fetch_add(1, std::memory_order_release);
}

void SortBound::Tighten(std::string_view key) {
  std::lock_guard lock(mutex_);
  TightenLocked(key);
}

void SortBound::Count(std::vector<RankedKey> keys) {
  std::lock_guard lock(mutex_);
  for (RankedKey& ranked : keys) {
    if (rows_counted_ >= rows_wanted_ && counted_.top().first <= ranked.first) continue;
    rows_counted_ += ranked.second;
    counted_.push(std::move(ranked));
    while (rows_counted_ - counted_.top().second >= rows_wanted_) {
      rows_counted_ -= counted_.top().second;
      counted_.pop();
    }
  }
  if (rows_counted_ >= rows_wanted_) TightenLocked(counted_.top().first);
}

void SortBound::Read(int64_t* version, std::string* key) const {
  if (version_.load(std::memory_order_acquire) == *version) return;
  std::lock_guard lock(mutex_);
  *version = version_.load(std::memory_order_relaxed);
  *key = key_;
}

}  // namespace headrace
