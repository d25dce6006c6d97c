// Frames by two stacks of states.
#include "headrace/exec/op/window/frame_aggregate.h"

#include <algorithm>
#include <numeric>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"

namespace headrace {
namespace {

// From so many rows on, slicing the arguments costs less than a state per row.
constexpr int64_t kRowsToSlice = 32;
// States made at a time.
constexpr int64_t kLeaves = 1024;

}  // namespace

FrameAggregate::FrameAggregate(const FunctionCall& call, std::vector<Argument> args,
                               int64_t num_rows, arrow::MemoryPool* pool)
    : kernel_(*call.overload->aggregate),
      type_(call.type),
      args_(std::move(args)),
      num_rows_(num_rows),
      context_{pool, call.type},
      front_(std::make_unique<AggregateStates>(kernel_)),
      back_(std::make_unique<AggregateStates>(kernel_)),
      leaves_(std::make_unique<AggregateStates>(kernel_)),
      results_(std::make_unique<AggregateStates>(kernel_)) {
  back_->Reset(1);
}

FrameAggregate::~FrameAggregate() = default;

void FrameAggregate::Renew(std::vector<Argument> args, int64_t num_rows, int64_t rows_gone) {
  args_ = std::move(args);
  num_rows_ = num_rows;
  rows_gone_ += rows_gone;
  front_begin_ -= rows_gone;
  middle_ -= rows_gone;
  end_ -= rows_gone;
  leaves_->Reset(0);
}

Status FrameAggregate::Merge(std::byte* into, const std::byte* from) {
  return kernel_.merge(context_, into, from);
}

Status FrameAggregate::AddRange(std::byte* state, int64_t begin, int64_t end) {
  if (begin >= end) return Status::OK();
  const std::vector<Argument> slice = SliceArguments(args_, begin, end);
  return kernel_.add_all(context_, state, {slice, end - begin, {0, rows_gone_ + begin}});
}

/// A state per row, each of its row alone.
Status FrameAggregate::AddEach(AggregateStates& states, int64_t begin, int64_t end) {
  states.Reset(end - begin);
  const std::vector<Argument> slice = SliceArguments(args_, begin, end);
  return kernel_.add(context_, states.pointers(), 0, {slice, end - begin, {0, rows_gone_ + begin}});
}

Status FrameAggregate::AddToBack(int64_t begin, int64_t end) {
  if (end - begin >= kRowsToSlice) return AddRange((*back_)[0], begin, end);
  for (int64_t row = begin; row < end; ++row) {
    if (row < leaves_begin_ || row >= leaves_begin_ + leaves_->size()) {
      leaves_begin_ = row;
      const int64_t last = std::min(row + kLeaves, num_rows_);
      ARROW_RETURN_NOT_OK(AddEach(*leaves_, row, last));
    }
    ARROW_RETURN_NOT_OK(Merge((*back_)[0], (*leaves_)[row - leaves_begin_]));
  }
  return Status::OK();
}

/// All rows of the frame go to the front.
Status FrameAggregate::Flip(int64_t begin) {
  ARROW_RETURN_NOT_OK(AddEach(*front_, begin, end_));
  for (int64_t i = front_->size() - 1; i > 0; --i) {
    ARROW_RETURN_NOT_OK(Merge((*front_)[i - 1], (*front_)[i]));
  }
  front_begin_ = begin;
  middle_ = end_;
  back_->Reset(1);
  return Status::OK();
}

Status FrameAggregate::MoveTo(int64_t begin, int64_t end) {
  if (begin >= end_) {  // nothing is left of the frame before
    front_->Reset(0);
    back_->Reset(1);
    front_begin_ = middle_ = end_ = begin;
  } else if (begin > middle_) {
    ARROW_RETURN_NOT_OK(Flip(begin));
  }
  ARROW_RETURN_NOT_OK(AddToBack(end_, end));
  end_ = std::max(end, begin);
  return Status::OK();
}

Result<ArrayPtr> FrameAggregate::Next(const RowRanges& frames) {
  const size_t count = frames.begins.size();
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context_.pool, type_, &builder));
  // A frame that equals the one before it has the same value.
  std::vector<int64_t> value_of(count);
  int64_t values = 0;
  const bool owns_memory = kernel_.destroy != nullptr;
  results_->Reset(owns_memory ? 1 : static_cast<int64_t>(count));
  for (size_t i = 0; i < count; ++i) {
    const int64_t begin = frames.begins[i];
    const int64_t end = frames.ends[i];
    if (i > 0 && begin == frames.begins[i - 1] && end == frames.ends[i - 1]) {
      value_of[i] = values - 1;
      continue;
    }
    value_of[i] = values++;
    ARROW_RETURN_NOT_OK(MoveTo(begin, end));
    const bool has_front = begin < middle_;
    if (owns_memory && !has_front) {
      ARROW_RETURN_NOT_OK(kernel_.finish(context_, back_->pointers(), 0, 1, builder.get()));
      continue;
    }
    if (owns_memory) results_->Reset(1);
    std::byte* const result = (*results_)[owns_memory ? 0 : values - 1];
    if (has_front) ARROW_RETURN_NOT_OK(Merge(result, (*front_)[begin - front_begin_]));
    ARROW_RETURN_NOT_OK(Merge(result, (*back_)[0]));
    if (!owns_memory) continue;
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, results_->pointers(), 0, 1, builder.get()));
  }
  if (!owns_memory) {
    ARROW_RETURN_NOT_OK(kernel_.finish(context_, results_->pointers(), 0, values, builder.get()));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr distinct, builder->Finish());
  if (values == static_cast<int64_t>(count)) return distinct;
  const arrow::Int64Array indices(static_cast<int64_t>(count),
                                  arrow::Buffer::Wrap(value_of.data(), count));
  arrow::compute::ExecContext compute(context_.pool);
  compute.set_use_threads(false);
  return arrow::compute::Take(*distinct, indices, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &compute);
}

Status FrameAggregate::MergeNext(int64_t begin, int64_t end, std::byte* into) {
  ARROW_RETURN_NOT_OK(MoveTo(begin, end));
  if (begin >= end) return Status::OK();
  if (begin < middle_) ARROW_RETURN_NOT_OK(Merge(into, (*front_)[begin - front_begin_]));
  return Merge(into, (*back_)[0]);
}

}  // namespace headrace
