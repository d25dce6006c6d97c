// Entries follow from the first one, effect by effect.
#include "headrace/format/csv/range_chain.h"

namespace headrace::csv {

void RangeChain::Tell(int64_t range, const RangeEffect& effect) {
  std::lock_guard lock(mutex_);
  if (range + 1 < static_cast<int64_t>(entries_.size())) return;
  waiting_[range] = effect;
  const size_t known = entries_.size();
  for (auto next = waiting_.begin();
       next != waiting_.end() && next->first + 1 == static_cast<int64_t>(entries_.size());
       next = waiting_.erase(next)) {
    const RangeEntry& entry = entries_.back();
    const bool quoted =
        entry.quoted ? next->second.quoted_after_quoted : next->second.quoted_after_plain;
    entries_.push_back({entry.line + next->second.lines, quoted});
  }
  if (entries_.size() == known) return;
  for (const Waker& waker : wakers_) waker.Wake();
  wakers_.clear();
}

std::optional<RangeEntry> RangeChain::EntryOf(int64_t range, const Waker& waker) {
  std::lock_guard lock(mutex_);
  if (range < static_cast<int64_t>(entries_.size())) return entries_[static_cast<size_t>(range)];
  wakers_.push_back(waker);
  return std::nullopt;
}

}  // namespace headrace::csv
