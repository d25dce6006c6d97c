// FramedCall over rows: one aggregate or window function of a framed window, segment by segment.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "headrace/exec/op/window/cut_aggregate.h"
#include "headrace/exec/op/window/distinct_rows.h"
#include "headrace/exec/op/window/frame_aggregate.h"
#include "headrace/exec/op/window/window_frames.h"
#include "headrace/plan/call_reach.h"
#include "headrace/plan/node.h"

namespace headrace {

/// What window functions read of the rows [begin, end) of a segment.
struct RowFacts {
  std::vector<int64_t> partition_begins;
  std::vector<int64_t> partition_ends;
  std::vector<int64_t> peer_begins;
  std::vector<int64_t> peer_ends;
  std::vector<int64_t> peer_groups;
};

/// Walks partitions and peers of a segment.
class FactsCursor {
 public:
  /// `partition_rows` is a column of the segment that says how many rows the partition of a row
  /// has, or −1; then by `all_are_peers` those are its peers.
  FactsCursor(const WindowSegment& segment, int partition_rows, bool all_are_peers);
  /// REQUIRES: calls go on where the last ended, or behind.
  void Next(int64_t begin, int64_t end, RowFacts* facts);

 private:
  const WindowSegment* segment_;
  RunCursor partition_;
  RunCursor peer_;
  const int64_t* partition_rows_ = nullptr;  // by row; null: not said
  const bool all_are_peers_;
  int64_t partition_seen_ = -1;
  int64_t first_group_ = 0;  // of the partition, see WindowSegment::FirstGroupOf
};

/// One call over segments that follow one another.
class CallRun {
 public:
  /// `rest`: the column of states of the rows behind, see PartitionRests, to which the frames
  /// reach; −1: there is none.
  CallRun(const FramedCall& framed, const Ordering& order, SchemaPtr schema, int rest,
          arrow::MemoryPool* pool);
  ~CallRun();
  CallRun(const CallRun&) = delete;
  CallRun& operator=(const CallRun&) = delete;

  /// The next segment, which lives until the one after it: the last one without its first
  /// `rows_gone` rows, and with rows behind it. The first one: 0.
  Status Start(const WindowSegment& segment, int64_t rows_gone);
  /// Values of rows [begin, end), which go on from the last.
  Result<ArrayPtr> Next(int64_t begin, int64_t end, const RowFacts& facts);

  /// Rows from `begin` on whose values rows behind the segment cannot change, where its last
  /// partition may go on; as the first row that they may change.
  Result<int64_t> FinalRows(const WindowSegment& segment, const CallReach& reach,
                            int64_t begin) const;
  /// The first row of the segment that later rows look at, once those before `next` have values.
  int64_t NeededFrom(const CallReach& reach, int64_t next) const;

 private:
  /// Rows left out of a frame, but one of them.
  struct Exclusion {
    int64_t begin = 0;
    int64_t end = 0;
    int64_t kept = -1;
  };

  bool is_cut() const { return rest_ >= 0 || framed_.frame.exclusion != FrameExclusion::kNoOthers; }
  Exclusion ExclusionOf(int64_t row, int64_t peer_begin, int64_t peer_end) const;
  Status StartAggregate(const WindowSegment& segment, int64_t rows_gone);
  void FindRests(const WindowSegment& segment);
  Result<int64_t> RowsWithRest(const WindowSegment& segment, int64_t begin) const;
  Result<ArrayPtr> CutAggregated(int64_t begin, const RowFacts& facts);
  Result<std::vector<Argument>> ArgumentsOf(const Batch& rows) const;
  Status StartDistinct(const WindowSegment& segment);
  Result<ArrayPtr> Aggregated(int64_t begin, const RowFacts& facts);
  Result<ArrayPtr> DistinctAggregated(int64_t begin, const RowFacts& facts);
  Result<std::vector<Argument>> Gathered(const std::vector<int64_t>& rows) const;
  Result<ArrayPtr> Computed(const WindowKernel& kernel, const WindowRows& rows) const;
  Result<ArrayPtr> Picked(const WindowKernel& kernel, const WindowRows& rows) const;
  Result<ArrayPtr> WithDefaults(const ArrayPtr& values, const ArrayPtr& none,
                                const WindowRows& rows) const;

  const FramedCall& framed_;
  const Ordering order_;
  const SchemaPtr schema_;
  const int rest_;
  arrow::MemoryPool* const pool_;
  std::vector<Argument> args_;
  std::optional<FrameCursor> frames_;
  std::unique_ptr<FrameAggregate> aggregate_;
  std::unique_ptr<CutAggregate> cut_;     // instead of it, see is_cut
  std::vector<int64_t> rest_ends_;        // the rows of the segment behind those with a rest
  ArrayPtr rests_;                        // the column
  int64_t cut_from_ = 0;                  // the first row that cut frames still look at
  std::optional<DistinctRows> distinct_;  // of a call with DISTINCT
  bool begins_with_partition_ = false;    // every frame: only first occurrences count
  RowRanges ranges_;                      // of the rows last given values
};

}  // namespace headrace
