// DistinctRows: which rows of a segment hold a value of its partition for the first time, for
// aggregates with DISTINCT in a window.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/op/window/window_frames.h"
#include "headrace/plan/node.h"

namespace headrace {

/// What is made per row of a segment for a call with DISTINCT.
inline constexpr int64_t kDistinctBytesPerRow = 96;

class DistinctRows {
 public:
  /// By the columns that are arguments of `call`; null is a value. kUnsupported for types that
  /// cannot be keys.
  static Result<DistinctRows> Make(const FunctionCall& call, const WindowSegment& segment,
                                   const arrow::Schema& schema, arrow::MemoryPool* pool);

  /// The rows with the first occurrence of a value in their partition.
  const std::vector<int64_t>& firsts() const { return firsts_; }
  /// Frames that begin with their partition, as ranges of firsts().
  RowRanges AmongFirsts(const RowRanges& frames) const;
  /// The rows of `rows` without those whose value stands before them in it; all of one partition.
  std::vector<int64_t> WithoutRepeats(std::span<const int64_t> rows);

 private:
  std::vector<int64_t> values_;  // a number per row; equal ones are equal in a partition
  std::vector<int64_t> firsts_;
  std::vector<int64_t> firsts_before_;  // num_rows + 1: how many stand before each row
  std::vector<int64_t> seen_;           // by value: the last pass that saw it
  int64_t pass_ = 0;
};

}  // namespace headrace
