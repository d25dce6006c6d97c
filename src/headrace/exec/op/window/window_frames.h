// Frames: which rows of whole, sorted partitions each row sees.
#pragma once

#include <optional>
#include <vector>

#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/expression/expression.h"
#include "headrace/types/batch.h"

namespace headrace {

/// Where runs of rows begin, by row; the last entry is the number of rows.
using RunBegins = std::vector<int64_t>;

/// Where the first row of a segment stands in a partition whose first rows are gone.
struct PartitionCut {
  int64_t rows = 0;         // of its partition before it; 0: it begins one
  int64_t peers = 0;        // of those: its peers
  int64_t peer_groups = 0;  // of its partition before its own
};

/// Partitions and groups of peers of some rows. The first begins where it did before its rows were
/// cut off: at a row below 0.
struct WindowSegment {
  Batch rows;
  RunBegins partitions;
  RunBegins peers;
  PartitionCut cut;

  /// The number of the group of peers at which a partition begins: below 0 where it was cut.
  int64_t FirstGroupOf(int64_t partition) const;
  /// The cut that `row` is the first one behind.
  PartitionCut CutAt(int64_t row) const;
};

/// Of rows [begin, end), an entry each.
struct RowRanges {
  std::vector<int64_t> begins;
  std::vector<int64_t> ends;
};

/// Walks the rows of a segment in order: partition and peers of each.
class RunCursor {
 public:
  explicit RunCursor(const RunBegins& begins) : begins_(&begins) {}
  /// REQUIRES: rows come in order.
  void MoveTo(int64_t row) {
    while ((*begins_)[run_ + 1] <= row) ++run_;
  }
  int64_t begin() const { return (*begins_)[run_]; }
  int64_t end() const { return (*begins_)[run_ + 1]; }
  int64_t run() const { return static_cast<int64_t>(run_); }

 private:
  const RunBegins* begins_;
  size_t run_ = 0;
};

/// The frames of one call, row after row. Their begins and ends never go back.
class FrameCursor {
 public:
  /// `order` is the sort key that bounds by value are compared with.
  static Result<FrameCursor> Make(const WindowSegment& segment, const WindowFrame& frame,
                                  const Ordering& order, const arrow::Schema& schema,
                                  arrow::MemoryPool* pool);
  /// Frames of rows [begin, end), without exclusion. REQUIRES: calls go on where the last ended.
  void Next(int64_t begin, int64_t end, RowRanges* frames);

 private:
  /// Sort keys of the column, and of the values that a bound has.
  struct Values {
    SortKeys keys;
    SortKeys bounds;
    ArrayPtr bound_nulls;  // the column of bounds
    ArrayPtr key_nulls;
    int64_t next = 0;  // the first row not before the bound of the last row
  };

  FrameCursor(const WindowSegment& segment, const WindowFrame& frame)
      : segment_(&segment), frame_(frame), partition_(segment.partitions), peer_(segment.peers) {}
  Result<std::optional<Values>> ValuesOf(const FrameBound& bound, const Ordering& order,
                                         const arrow::Schema& schema, arrow::MemoryPool* pool);
  bool CountsRows() const {
    return frame_.unit == FrameUnit::kRows || frame_.unit == FrameUnit::kTrailing;
  }
  int64_t BeginOf(int64_t row);
  int64_t TrailingBegin(int64_t row);
  int64_t EndOf(int64_t row);
  int64_t GroupBegin(int64_t group) const;
  int64_t ByValue(Values& values, int64_t row, bool is_end);

  const WindowSegment* segment_;
  WindowFrame frame_;
  RunCursor partition_;
  RunCursor peer_;
  int64_t first_group_ = 0;  // of the partition, see FirstGroupOf
  int64_t end_group_ = 0;
  int64_t partition_seen_ = -1;
  std::optional<Values> start_values_;
  std::optional<Values> end_values_;
};

}  // namespace headrace
