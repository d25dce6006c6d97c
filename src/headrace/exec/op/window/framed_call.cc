// Values of one call, and which rows of a segment it still needs.
#include "headrace/exec/op/window/framed_call.h"

#include <algorithm>
#include <limits>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_scalar.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/scalar.h"
#include "headrace/types/encoding.h"

namespace headrace {
FactsCursor::FactsCursor(const WindowSegment& segment, int partition_rows, bool all_are_peers)
    : segment_(&segment),
      partition_(segment.partitions),
      peer_(segment.peers),
      all_are_peers_(all_are_peers) {
  if (partition_rows < 0) return;
  const arrow::Array& sizes = *segment.rows.column(partition_rows);
  partition_rows_ = static_cast<const arrow::Int64Array&>(sizes).raw_values();
}

void FactsCursor::Next(int64_t begin, int64_t end, RowFacts* facts) {
  *facts = RowFacts();
  for (int64_t row = begin; row < end; ++row) {
    partition_.MoveTo(row);
    peer_.MoveTo(row);
    facts->partition_begins.push_back(partition_.begin());
    const bool has_size = partition_rows_ != nullptr;
    const int64_t end = has_size ? partition_.begin() + partition_rows_[row] : partition_.end();
    facts->partition_ends.push_back(end);
    facts->peer_begins.push_back(peer_.begin());
    facts->peer_ends.push_back(has_size && all_are_peers_ ? end : peer_.end());
    if (partition_.run() != partition_seen_) {
      partition_seen_ = partition_.run();
      first_group_ = segment_->FirstGroupOf(partition_seen_);
    }
    facts->peer_groups.push_back(peer_.run() - first_group_);
  }
}

CallRun::CallRun(const FramedCall& framed, const Ordering& order, SchemaPtr schema, int rest,
                 arrow::MemoryPool* pool)
    : framed_(framed), order_(order), schema_(std::move(schema)), rest_(rest), pool_(pool) {}

CallRun::~CallRun() = default;

Result<std::vector<Argument>> CallRun::ArgumentsOf(const Batch& rows) const {
  std::vector<Argument> args;
  for (const ExpressionPtr& arg : framed_.call.args) {
    if (arg->kind != Expression::Kind::kLiteral) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr column, Decode(rows.column(arg->column), pool_));
      args.push_back({std::move(column), false});
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr one, arrow::MakeArrayFromScalar(*arg->literal, 1, pool_));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr constant, Decode(one, pool_));
    args.push_back({std::move(constant), true});
  }
  return args;
}

Status CallRun::Start(const WindowSegment& segment, int64_t rows_gone) {
  ARROW_ASSIGN_OR_RAISE(args_, ArgumentsOf(segment.rows));
  ARROW_ASSIGN_OR_RAISE(FrameCursor frames,
                        FrameCursor::Make(segment, framed_.frame, order_, *schema_, pool_));
  frames_ = std::move(frames);
  ranges_ = {};
  if (framed_.call.function->kind != FunctionKind::kAggregate) return Status::OK();
  return framed_.call.distinct ? StartDistinct(segment) : StartAggregate(segment, rows_gone);
}

Status CallRun::StartAggregate(const WindowSegment& segment, int64_t rows_gone) {
  const int64_t rows = segment.rows.num_rows();
  FindRests(segment);
  if (cut_ != nullptr) {
    cut_->Renew(args_, rows, rows_gone);
  } else if (is_cut()) {
    cut_ = std::make_unique<CutAggregate>(framed_.call, args_, rows, pool_);
  } else if (aggregate_ != nullptr) {
    aggregate_->Renew(args_, rows, rows_gone);
  } else {
    aggregate_ = std::make_unique<FrameAggregate>(framed_.call, args_, rows, pool_);
  }
  return Status::OK();
}

void CallRun::FindRests(const WindowSegment& segment) {
  rest_ends_.clear();
  if (rest_ < 0) return;
  const arrow::Array& rests = *segment.rows.column(rest_);
  for (int64_t row = 0; row < rests.length(); ++row) {
    if (rests.IsValid(row)) rest_ends_.push_back(row + 1);
  }
  rests_ = segment.rows.column(rest_);
}

// Over whole partitions only: nothing is kept of the segment before.
Status CallRun::StartDistinct(const WindowSegment& segment) {
  ARROW_ASSIGN_OR_RAISE(DistinctRows distinct,
                        DistinctRows::Make(framed_.call, segment, *schema_, pool_));
  distinct_ = std::move(distinct);
  begins_with_partition_ = framed_.frame.exclusion == FrameExclusion::kNoOthers &&
                           framed_.frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
  int64_t num_rows = segment.rows.num_rows();
  std::vector<Argument> args = args_;
  if (begins_with_partition_) {
    num_rows = static_cast<int64_t>(distinct_->firsts().size());
    ARROW_ASSIGN_OR_RAISE(args, Gathered(distinct_->firsts()));
  }
  aggregate_ = std::make_unique<FrameAggregate>(framed_.call, std::move(args), num_rows, pool_);
  return Status::OK();
}

Result<ArrayPtr> CallRun::Next(int64_t begin, int64_t end, const RowFacts& facts) {
  const WindowKernel* kernel = framed_.call.overload->window;
  const bool is_aggregate = framed_.call.function->kind == FunctionKind::kAggregate;
  if (is_aggregate || kernel->needs_frame) frames_->Next(begin, end, &ranges_);
  if (is_aggregate) return Aggregated(begin, facts);
  WindowRows rows{begin, end};
  rows.partition_begin = {facts.partition_begins.data(), begin};
  rows.partition_end = {facts.partition_ends.data(), begin};
  rows.peer_begin = {facts.peer_begins.data(), begin};
  rows.peer_end = {facts.peer_ends.data(), begin};
  rows.peer_group = {facts.peer_groups.data(), begin};
  rows.frame_begin = {ranges_.begins.data(), begin};
  rows.frame_end = {ranges_.ends.data(), begin};
  rows.ignore_nulls = framed_.ignore_nulls;
  return kernel->pick == nullptr ? Computed(*kernel, rows) : Picked(*kernel, rows);
}

Result<int64_t> CallRun::FinalRows(const WindowSegment& segment, const CallReach& reach,
                                   int64_t begin) const {
  const int64_t rows = segment.rows.num_rows();
  const int64_t open_begin = segment.partitions[segment.partitions.size() - 2];
  if (reach.whole_partition) return std::max(begin, open_begin);
  int64_t end = rows - reach.rows_after;
  if (reach.to_last_peer) {
    const auto groups = static_cast<int64_t>(segment.peers.size()) - 1;
    const int64_t group = groups - 1 - std::min(reach.peer_groups_after, groups - 1);
    end = std::min(end, segment.peers[static_cast<size_t>(group)]);
  }
  if (reach.to_rest) {
    ARROW_ASSIGN_OR_RAISE(const int64_t known, RowsWithRest(segment, begin));
    end = std::min(end, known);
  }
  if (reach.to_value) {
    ARROW_ASSIGN_OR_RAISE(FrameCursor frames,
                          FrameCursor::Make(segment, framed_.frame, order_, *schema_, pool_));
    RowRanges ranges;
    frames.Next(begin, rows, &ranges);
    const auto past = std::lower_bound(ranges.ends.begin(), ranges.ends.end(), rows);
    end = std::min(end, begin + (past - ranges.ends.begin()));
  }
  return std::max({begin, end, std::min(open_begin, rows)});
}

/// The first row from `begin` on whose frame begins behind the segment, or has no rest in it.
Result<int64_t> CallRun::RowsWithRest(const WindowSegment& segment, int64_t begin) const {
  ARROW_ASSIGN_OR_RAISE(FrameCursor frames,
                        FrameCursor::Make(segment, framed_.frame, order_, *schema_, pool_));
  RowRanges ranges;
  frames.Next(begin, segment.rows.num_rows(), &ranges);
  RunCursor peers(segment.peers);
  const int64_t last = rest_ends_.empty() ? 0 : rest_ends_.back();
  for (int64_t row = begin; row < segment.rows.num_rows(); ++row) {
    peers.MoveTo(row);
    const int64_t frame_begin = ranges.begins[static_cast<size_t>(row - begin)];
    const int64_t out_end = ExclusionOf(row, peers.begin(), peers.end()).end;
    if (frame_begin == segment.rows.num_rows() || last < std::max(row + 1, out_end)) return row;
  }
  return segment.rows.num_rows();
}

int64_t CallRun::NeededFrom(const CallReach& reach, int64_t next) const {
  int64_t from = next - reach.rows_before;
  if (cut_ != nullptr) {
    from = ranges_.ends.empty() ? 0 : std::min(from, cut_from_);
  } else if (!ranges_.ends.empty()) {
    const bool is_endless = framed_.frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
    if (!is_endless) from = std::min(from, ranges_.begins.back());
    from = std::min(from, ranges_.ends.back() - (aggregate_ == nullptr ? 1 : 0));
  }
  return std::max<int64_t>(from, 0);
}

Result<ArrayPtr> CallRun::Aggregated(int64_t begin, const RowFacts& facts) {
  if (begins_with_partition_) return aggregate_->Next(distinct_->AmongFirsts(ranges_));
  if (distinct_.has_value()) return DistinctAggregated(begin, facts);
  return cut_ != nullptr ? CutAggregated(begin, facts) : aggregate_->Next(ranges_);
}

CallRun::Exclusion CallRun::ExclusionOf(int64_t row, int64_t peer_begin, int64_t peer_end) const {
  switch (framed_.frame.exclusion) {
    case FrameExclusion::kNoOthers:
      return {row, row, -1};
    case FrameExclusion::kCurrentRow:
      return {row, row + 1, -1};
    case FrameExclusion::kGroup:
      return {peer_begin, peer_end, -1};
    case FrameExclusion::kTies:
      return {peer_begin, peer_end, row};
  }
  return {};
}

// Frames that reach to the end of the partition end where the rest of it is known.
Result<ArrayPtr> CallRun::CutAggregated(int64_t begin, const RowFacts& facts) {
  CutFrames frames;
  for (size_t i = 0; i < ranges_.begins.size(); ++i) {
    const int64_t row = begin + static_cast<int64_t>(i);
    const Exclusion out = ExclusionOf(row, facts.peer_begins[i], facts.peer_ends[i]);
    const int64_t frame_begin = ranges_.begins[i];
    int64_t frame_end = ranges_.ends[i];
    std::string_view rest;
    if (rest_ >= 0) {
      const int64_t known = std::max({frame_begin, row + 1, out.end});
      frame_end = *std::lower_bound(rest_ends_.begin(), rest_ends_.end(), known);
      rest = static_cast<const arrow::BinaryArray&>(*rests_).GetView(frame_end - 1);
    }
    const int64_t out_begin = std::clamp(out.begin, frame_begin, frame_end);
    const int64_t out_end = std::clamp(out.end, out_begin, frame_end);
    const bool is_kept = out.kept >= out_begin && out.kept < out_end;
    frames.before.begins.push_back(frame_begin);
    frames.before.ends.push_back(out_begin);
    frames.kept.push_back(is_kept ? out.kept : -1);
    frames.behind.begins.push_back(out_end);
    frames.behind.ends.push_back(frame_end);
    frames.rest.push_back(rest);
  }
  const bool is_endless = framed_.frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
  cut_from_ = (is_endless ? frames.before.ends : frames.before.begins).back();
  return cut_->Next(frames);
}

// Looks at every row of every frame.
Result<ArrayPtr> CallRun::DistinctAggregated(int64_t begin, const RowFacts& facts) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool_, framed_.call.type, &builder));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < ranges_.begins.size(); ++i) {
    const Exclusion out =
        ExclusionOf(begin + static_cast<int64_t>(i), facts.peer_begins[i], facts.peer_ends[i]);
    rows.clear();
    for (int64_t row = ranges_.begins[i]; row < ranges_.ends[i]; ++row) {
      if (row < out.begin || row >= out.end || row == out.kept) rows.push_back(row);
    }
    const std::vector<int64_t> distinct = distinct_->WithoutRepeats(rows);
    ARROW_ASSIGN_OR_RAISE(std::vector<Argument> args, Gathered(distinct));
    const auto count = static_cast<int64_t>(distinct.size());
    FrameAggregate one(framed_.call, std::move(args), count, pool_);
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr value, one.Next({{0}, {count}}));
    ARROW_RETURN_NOT_OK(builder->AppendArraySlice(*value->data(), 0, 1));
  }
  return builder->Finish();
}

// The arguments of some rows.
Result<std::vector<Argument>> CallRun::Gathered(const std::vector<int64_t>& rows) const {
  const arrow::Int64Array indices(static_cast<int64_t>(rows.size()),
                                  arrow::Buffer::Wrap(rows.data(), rows.size()));
  arrow::compute::ExecContext compute(pool_);
  compute.set_use_threads(false);
  std::vector<Argument> gathered = args_;
  for (Argument& arg : gathered) {
    if (arg.is_constant) continue;
    ARROW_ASSIGN_OR_RAISE(
        arg.array, arrow::compute::Take(*arg.array, indices,
                                        arrow::compute::TakeOptions::NoBoundsCheck(), &compute));
  }
  return gathered;
}

Result<ArrayPtr> CallRun::Computed(const WindowKernel& kernel, const WindowRows& rows) const {
  KernelContext context{pool_, framed_.call.type};
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool_, framed_.call.type, &builder));
  ARROW_RETURN_NOT_OK(kernel.compute(context, rows, args_, builder.get()));
  return builder->Finish();
}

Result<ArrayPtr> CallRun::Picked(const WindowKernel& kernel, const WindowRows& rows) const {
  std::vector<int64_t> picked;
  ARROW_RETURN_NOT_OK(kernel.pick(rows, args_, &picked));
  arrow::Int64Builder indices(pool_);
  arrow::BooleanBuilder is_none(pool_);
  bool any_none = false;
  for (int64_t row : picked) {
    any_none = any_none || row < 0;
    ARROW_RETURN_NOT_OK(is_none.Append(row < 0));
    ARROW_RETURN_NOT_OK(row < 0 ? indices.AppendNull()
                                : indices.Append(args_[0].is_constant ? 0 : row));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr places, indices.Finish());
  arrow::compute::ExecContext compute(pool_);
  compute.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(
      ArrayPtr values,
      arrow::compute::Take(*args_[0].array, *places, arrow::compute::TakeOptions::NoBoundsCheck(),
                           &compute));
  if (!any_none || args_.size() < 3) return values;
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr none, is_none.Finish());
  return WithDefaults(values, none, rows);
}

// The third argument where there is no row.
Result<ArrayPtr> CallRun::WithDefaults(const ArrayPtr& values, const ArrayPtr& none,
                                       const WindowRows& rows) const {
  const Argument& defaults = args_[2];
  arrow::Datum fallback;
  if (defaults.is_constant) {
    ARROW_ASSIGN_OR_RAISE(const ScalarPtr scalar, defaults.array->GetScalar(0));
    fallback = scalar;
  } else {
    fallback = defaults.array->Slice(rows.begin, rows.end - rows.begin);
  }
  arrow::compute::ExecContext compute(pool_);
  compute.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum chosen,
                        arrow::compute::IfElse(none, fallback, values, &compute));
  return chosen.make_array();
}

}  // namespace headrace
