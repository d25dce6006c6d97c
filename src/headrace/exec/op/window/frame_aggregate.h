// FrameAggregate: an aggregate over frames that only move forward.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "headrace/exec/op/window/aggregate_states.h"
#include "headrace/exec/op/window/window_frames.h"
#include "headrace/function/function.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Two stacks of states: the front holds, for every row up to `middle`, the state of all rows
/// from it to the middle; the back is one state of the rows behind the middle. A frame is the
/// merge of both; a row leaves without being taken out again, so no aggregate need have `remove`,
/// and sums of floating point numbers do not drift. About four merges a row.
class FrameAggregate {
 public:
  /// `args` have `num_rows` rows, or are constants.
  FrameAggregate(const FunctionCall& call, std::vector<Argument> args, int64_t num_rows,
                 arrow::MemoryPool* pool);
  ~FrameAggregate();
  FrameAggregate(const FrameAggregate&) = delete;
  FrameAggregate& operator=(const FrameAggregate&) = delete;

  /// Rows come after those that are there, and the first `rows_gone` go: from now on all rows are
  /// numbered so many lower. `args` are of the rows left and the new ones. REQUIRES: the rows of
  /// the last frame are left, or frames go on to begin where they did, with rows that are there
  /// behind its end.
  void Renew(std::vector<Argument> args, int64_t num_rows, int64_t rows_gone);
  /// One value per frame, in order; `frames` go on from those of the last call.
  Result<ArrayPtr> Next(const RowRanges& frames);
  /// Merges the state of the next frame into another. Its rows follow those that are in there.
  Status MergeNext(int64_t begin, int64_t end, std::byte* into);

 private:
  Status MoveTo(int64_t begin, int64_t end);
  Status Flip(int64_t begin);
  Status AddToBack(int64_t begin, int64_t end);
  Status AddRange(std::byte* state, int64_t begin, int64_t end);
  Status AddEach(AggregateStates& states, int64_t begin, int64_t end);
  Status Merge(std::byte* into, const std::byte* from);

  const AggregateKernel& kernel_;
  const TypePtr type_;
  std::vector<Argument> args_;
  int64_t num_rows_;
  int64_t rows_gone_ = 0;
  KernelContext context_;
  std::unique_ptr<AggregateStates> front_;   // of rows [front_begin_, middle_)
  std::unique_ptr<AggregateStates> back_;    // one
  std::unique_ptr<AggregateStates> leaves_;  // one per row from leaves_begin_ on
  int64_t leaves_begin_ = 0;
  std::unique_ptr<AggregateStates> results_;
  int64_t front_begin_ = 0;
  int64_t middle_ = 0;
  int64_t end_ = 0;  // of the frame in work
};

}  // namespace headrace
