// SortParts: the sorted runs of a sort that is all in memory, cut at sampled keys into parts that
// lanes put in order side by side.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "headrace/exec/op/sort_merge.h"

namespace headrace {

/// Rows [begin, end) of a block.
struct BlockSlice {
  SortedBlockPtr block;
  int64_t begin = 0;
  int64_t end = 0;
};

/// Not thread safe.
class SortParts {
 public:
  /// About as many parts; some may be empty. Takes the runs' blocks over.
  SortParts(std::vector<MemoryRun> runs, int64_t num_parts);

  int64_t num_parts() const { return static_cast<int64_t>(splitters_.size()) + 1; }
  /// The rows of a part, run by run; every part is taken once, in any order.
  std::vector<BlockSlice> Take(int64_t part);
  /// Parts from this one on are whole: none of their rows were cut off for anyone.
  int64_t first_whole() const { return next_cut_; }
  /// Their rows. They are gone from here.
  std::vector<MemoryRun> TakeWhole() { return std::exchange(runs_, {}); }

 private:
  void Sample(int64_t num_parts);
  void CutNext();

  std::vector<MemoryRun> runs_;
  std::vector<std::string> splitters_;  // splitters_[i] is the least key that part i + 1 may have
  int64_t next_cut_ = 0;
  std::map<int64_t, std::vector<BlockSlice>> cut_;  // parts that were cut but not taken
};

}  // namespace headrace
