// RangeChain: what the readers of byte ranges of one file tell each other, so that each may start
// in the middle of it and still know whether it starts inside quotes, and on which line.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "headrace/table/source.h"

namespace headrace::csv {

/// What is true where a range begins, which is behind a line end (inside quotes or not).
struct RangeEntry {
  int64_t line = 1;  // from 1
  bool quoted = false;
};

/// What a range does to what was true before it.
struct RangeEffect {
  int64_t lines = 0;
  bool quoted_after_plain = false;   // inside quotes at its end when it began outside of them
  bool quoted_after_quoted = false;  // … and when it began inside
  bool operator==(const RangeEffect&) const = default;
};

/// Facts of an unchanging file: whoever finds them may tell them, more than once. Thread safe.
class RangeChain {
 public:
  explicit RangeChain(RangeEntry first) { entries_.push_back(first); }

  void Tell(int64_t range, const RangeEffect& effect);
  /// What is true at the start of `range`; nothing until all ranges before it were told. `waker` is
  /// then woken.
  std::optional<RangeEntry> EntryOf(int64_t range, const Waker& waker);

 private:
  std::mutex mutex_;
  std::vector<RangeEntry> entries_;         // of the first ranges
  std::map<int64_t, RangeEffect> waiting_;  // of ranges whose entry is not known yet
  std::vector<Waker> wakers_;
};

}  // namespace headrace::csv
