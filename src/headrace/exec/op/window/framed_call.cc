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

CallRun::CallRun(const FramedCall& framed, const Ordering& order, SchemaPtr schema,
                 arrow::MemoryPool* pool)
    : framed_(framed), order_(order), schema_(std::move(schema)), pool_(pool) {}

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
  if (framed_.call.distinct) return StartDistinct(segment);
  if (aggregate_ == nullptr) {
    aggregate_ =
        std::make_unique<FrameAggregate>(framed_.call, args_, segment.rows.num_rows(), pool_);
  } else {
    aggregate_->Renew(args_, segment.rows.num_rows(), rows_gone);
  }
  return Status::OK();
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
  if (aggregate_ != nullptr || kernel->needs_frame) frames_->Next(begin, end, &ranges_);
  if (aggregate_ != nullptr) return Aggregated(begin, facts);
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
    end = segment.peers[static_cast<size_t>(group)];
  } else if (reach.to_value) {
    ARROW_ASSIGN_OR_RAISE(FrameCursor frames,
                          FrameCursor::Make(segment, framed_.frame, order_, *schema_, pool_));
    RowRanges ranges;
    frames.Next(begin, rows, &ranges);
    const auto past = std::lower_bound(ranges.ends.begin(), ranges.ends.end(), rows);
    end = begin + (past - ranges.ends.begin());
  }
  return std::max({begin, end, std::min(open_begin, rows)});
}

int64_t CallRun::NeededFrom(const CallReach& reach, int64_t next) const {
  int64_t from = next - reach.rows_before;
  if (!ranges_.ends.empty()) {
    const bool is_endless = framed_.frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
    if (!is_endless) from = std::min(from, ranges_.begins.back());
    from = std::min(from, ranges_.ends.back() - (aggregate_ == nullptr ? 1 : 0));
  }
  return std::max<int64_t>(from, 0);
}

Result<ArrayPtr> CallRun::Aggregated(int64_t begin, const RowFacts& facts) {
  const FrameExclusion exclusion = framed_.frame.exclusion;
  if (begins_with_partition_) return aggregate_->Next(distinct_->AmongFirsts(ranges_));
  if (exclusion == FrameExclusion::kNoOthers && !distinct_.has_value()) {
    return aggregate_->Next(ranges_);
  }
  if (exclusion == FrameExclusion::kNoOthers) {
    return DistinctAggregated({ranges_.ends, ranges_.ends},
                              std::vector<int64_t>(ranges_.ends.size(), -1));
  }
  RowRanges excluded{facts.peer_begins, facts.peer_ends};
  std::vector<int64_t> kept(facts.peer_begins.size(), -1);
  for (size_t i = 0; i < kept.size(); ++i) {
    const int64_t row = begin + static_cast<int64_t>(i);
    if (exclusion == FrameExclusion::kTies) kept[i] = row;
    if (exclusion != FrameExclusion::kCurrentRow) continue;
    excluded.begins[i] = row;
    excluded.ends[i] = row + 1;
  }
  if (distinct_.has_value()) return DistinctAggregated(excluded, kept);
  return aggregate_->NextExcluding(ranges_, excluded, kept);
}

// Looks at every row of every frame.
Result<ArrayPtr> CallRun::DistinctAggregated(const RowRanges& excluded,
                                             const std::vector<int64_t>& kept) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool_, framed_.call.type, &builder));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < ranges_.begins.size(); ++i) {
    rows.clear();
    for (int64_t row = ranges_.begins[i]; row < ranges_.ends[i]; ++row) {
      const bool is_out = row >= excluded.begins[i] && row < excluded.ends[i] && row != kept[i];
      if (!is_out) rows.push_back(row);
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
