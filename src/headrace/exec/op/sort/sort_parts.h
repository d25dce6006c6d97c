// SortParts: the sorted runs of a sort, cut at sampled keys into parts that lanes put in order side
// by side. Where there are runs on disk, splitters are starts of keys: their blocks know no more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/exec/op/sort/sort_merge.h"

namespace headrace {

/// The rows of a part, run by run.
struct SortPart {
  std::vector<MemoryRun> memory;
  std::vector<SpilledRange> spilled;
};

/// Parts [begin, end).
struct PartRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool empty() const { return begin == end; }
};

/// Not thread safe. Ranges that it gave out refer to it.
class SortParts {
 public:
  /// How many bytes of a key, from its start, say what rows are to be in one group of parts.
  using WholeBytes = std::function<size_t(std::string_view key)>;

  /// About as many parts; some may be empty. Without `whole` each is a group.
  SortParts(std::vector<MemoryRun> memory, std::vector<SpilledRunPtr> spilled, int64_t num_parts,
            const WholeBytes& whole = nullptr);

  int64_t num_parts() const { return static_cast<int64_t>(splitters_.size()) + 1; }
  int64_t num_groups() const { return static_cast<int64_t>(groups_.size()); }
  PartRange PartsOf(int64_t group) const;
  /// Every part is taken once, in any order.
  SortPart Take(int64_t part);

  /// Some rows are in memory and in no part that was cut off for a lane.
  bool has_memory() const;
  /// Cuts rows in memory off that belong to the last parts, about `bytes` of them if there are so
  /// many. They are to come back as a spilled run before one of those parts is taken.
  std::vector<MemoryRun> CutBack(int64_t bytes);
  /// May be changed while no part was taken, as long as the rows stay the same.
  std::vector<SpilledRunPtr>& spilled() { return spilled_; }
  const std::vector<SpilledRunPtr>& spilled() const { return spilled_; }

 private:
  KeyRange RangeOf(int64_t part) const;
  void Sample(int64_t num_parts, const WholeBytes& whole);
  void Split(std::string_view key, const WholeBytes& whole);
  void CutNext();
  static int64_t CutTail(MemoryRun& run, std::string_view begin, MemoryRun* tail);

  std::vector<MemoryRun> memory_;
  std::vector<SpilledRunPtr> spilled_;
  std::vector<std::string> splitters_;  // splitters_[i] is the least key that part i + 1 may have
  std::vector<int64_t> groups_ = {0};   // the first part of each
  int64_t next_cut_ = 0;                // parts before it were cut off the fronts of memory_
  int64_t end_cut_ = 0;                 // parts from it on were cut off the backs
  std::map<int64_t, std::vector<MemoryRun>> cut_;  // parts that were cut but not taken
};

}  // namespace headrace
