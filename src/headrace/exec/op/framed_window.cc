// Rows are kept until their partition is whole; then a segment of whole partitions is computed and
// given out some rows at a time.
#include "headrace/exec/op/framed_window.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_scalar.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/op/distinct_rows.h"
#include "headrace/exec/op/frame_aggregate.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/window_frames.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {
namespace {

// Whole partitions are computed when there are this many rows of them.
constexpr int64_t kSegmentRows = 16384;
// What is made per row beside a copy of the rows: keys and runs.
constexpr int64_t kBytesPerRow = 48;

bool SameKey(const EncodedKeys& keys, int64_t a, int64_t b) {
  if (!keys.is_fixed) return keys.Bytes(a) == keys.Bytes(b);
  const auto left = static_cast<size_t>(a);
  const auto right = static_cast<size_t>(b);
  return keys.values[left] == keys.values[right] && keys.nulls[left] == keys.nulls[right];
}

/// Rows that differ from the one before them in some columns.
class RunFinder {
 public:
  static Result<RunFinder> Make(const arrow::Schema& schema, const std::vector<int>& columns) {
    RunFinder finder;
    if (columns.empty()) return finder;
    ARROW_ASSIGN_OR_RAISE(finder.encoder_, KeyEncoder::Make(KeyColumnsOf(schema, columns)));
    return finder;
  }

  /// starts[row] = 1 where row begins a run; the first row does.
  Status Find(const Batch& rows, arrow::MemoryPool* pool, std::vector<uint8_t>* starts) {
    starts->assign(static_cast<size_t>(rows.num_rows()), 0);
    if (!starts->empty()) starts->front() = 1;
    if (!encoder_.has_value()) return Status::OK();
    ARROW_RETURN_NOT_OK(encoder_->EncodeWithoutHashes(rows, pool, &keys_));
    for (int64_t row = 1; row < rows.num_rows(); ++row) {
      (*starts)[static_cast<size_t>(row)] = SameKey(keys_, row - 1, row) ? 0 : 1;
    }
    return Status::OK();
  }

 private:
  std::optional<KeyEncoder> encoder_;
  EncodedKeys keys_;
};

RunBegins BeginsOf(const std::vector<uint8_t>& starts) {
  RunBegins begins;
  for (size_t row = 0; row < starts.size(); ++row) {
    if (starts[row] != 0) begins.push_back(static_cast<int64_t>(row));
  }
  begins.push_back(static_cast<int64_t>(starts.size()));
  return begins;
}

std::vector<int> ColumnsOf(const Ordering& order) {
  std::vector<int> columns;
  for (const SortKey& key : order) columns.push_back(key.column);
  return columns;
}

Result<std::vector<Argument>> ArgumentsOf(const FunctionCall& call, const Batch& rows,
                                          arrow::MemoryPool* pool) {
  std::vector<Argument> args;
  for (const ExpressionPtr& arg : call.args) {
    if (arg->kind != Expression::Kind::kLiteral) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr column, Decode(rows.column(arg->column), pool));
      args.push_back({std::move(column), false});
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr one, arrow::MakeArrayFromScalar(*arg->literal, 1, pool));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr constant, Decode(one, pool));
    args.push_back({std::move(constant), true});
  }
  return args;
}

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
  explicit FactsCursor(const WindowSegment& segment)
      : partition_(segment.partitions), peer_(segment.peers) {}

  void Next(int64_t begin, int64_t end, RowFacts* facts) {
    *facts = RowFacts();
    for (int64_t row = begin; row < end; ++row) {
      partition_.MoveTo(row);
      peer_.MoveTo(row);
      if (partition_.begin() == row) first_group_ = peer_.run();
      facts->partition_begins.push_back(partition_.begin());
      facts->partition_ends.push_back(partition_.end());
      facts->peer_begins.push_back(peer_.begin());
      facts->peer_ends.push_back(peer_.end());
      facts->peer_groups.push_back(peer_.run() - first_group_);
    }
  }

 private:
  RunCursor partition_;
  RunCursor peer_;
  int64_t first_group_ = 0;
};

/// One call over one segment.
class CallRun {
 public:
  static Result<std::unique_ptr<CallRun>> Make(const FramedCall& framed,
                                               const WindowSegment& segment, const Ordering& order,
                                               const arrow::Schema& schema,
                                               arrow::MemoryPool* pool) {
    auto run = std::unique_ptr<CallRun>(new CallRun(framed, pool));
    ARROW_ASSIGN_OR_RAISE(run->args_, ArgumentsOf(framed.call, segment.rows, pool));
    ARROW_ASSIGN_OR_RAISE(FrameCursor frames,
                          FrameCursor::Make(segment, framed.frame, order, schema, pool));
    run->frames_ = std::move(frames);
    if (framed.call.function->kind != FunctionKind::kAggregate) return run;
    int64_t num_rows = segment.rows.num_rows();
    std::vector<Argument> args = run->args_;
    if (framed.call.distinct) {
      ARROW_ASSIGN_OR_RAISE(DistinctRows distinct,
                            DistinctRows::Make(framed.call, segment, schema, pool));
      run->distinct_ = std::move(distinct);
      run->begins_with_partition_ =
          framed.frame.exclusion == FrameExclusion::kNoOthers &&
          framed.frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
    }
    if (run->begins_with_partition_) {
      const std::vector<int64_t>& firsts = run->distinct_->firsts();
      num_rows = static_cast<int64_t>(firsts.size());
      ARROW_ASSIGN_OR_RAISE(args, run->Gathered(firsts));
    }
    run->aggregate_ =
        std::make_unique<FrameAggregate>(framed.call, std::move(args), num_rows, pool);
    return run;
  }

  /// Values of rows [begin, end), which go on from the last.
  Result<ArrayPtr> Next(int64_t begin, int64_t end, const RowFacts& facts) {
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

 private:
  CallRun(const FramedCall& framed, arrow::MemoryPool* pool) : framed_(framed), pool_(pool) {}

  Result<ArrayPtr> Aggregated(int64_t begin, const RowFacts& facts) {
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

  /// Looks at every row of every frame.
  Result<ArrayPtr> DistinctAggregated(const RowRanges& excluded, const std::vector<int64_t>& kept) {
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

  /// The arguments of some rows.
  Result<std::vector<Argument>> Gathered(const std::vector<int64_t>& rows) const {
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

  Result<ArrayPtr> Computed(const WindowKernel& kernel, const WindowRows& rows) const {
    KernelContext context{pool_, framed_.call.type};
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool_, framed_.call.type, &builder));
    ARROW_RETURN_NOT_OK(kernel.compute(context, rows, args_, builder.get()));
    return builder->Finish();
  }

  Result<ArrayPtr> Picked(const WindowKernel& kernel, const WindowRows& rows) const {
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

  /// The third argument where there is no row.
  Result<ArrayPtr> WithDefaults(const ArrayPtr& values, const ArrayPtr& none,
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

  const FramedCall& framed_;
  arrow::MemoryPool* const pool_;
  std::vector<Argument> args_;
  std::optional<FrameCursor> frames_;
  std::unique_ptr<FrameAggregate> aggregate_;
  std::optional<DistinctRows> distinct_;  // of a call with DISTINCT
  bool begins_with_partition_ = false;    // every frame: only first occurrences count
  RowRanges ranges_;
};

class FramedWindow final : public Operator {
 public:
  explicit FramedWindow(const FramedWindowSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    ARROW_ASSIGN_OR_RAISE(partitions_, RunFinder::Make(*spec_.schema, spec_.partition_by));
    std::vector<int> peers = spec_.partition_by;
    for (int column : ColumnsOf(spec_.order)) peers.push_back(column);
    ARROW_ASSIGN_OR_RAISE(peers_, RunFinder::Make(*spec_.schema, peers));
    for (const FramedCall& framed : spec_.calls) {
      if (framed.call.distinct) bytes_per_row_ += kDistinctBytesPerRow;
      const bool excludes = framed.frame.exclusion != FrameExclusion::kNoOthers;
      if (excludes && framed.call.function->kind != FunctionKind::kAggregate) {
        return Error(ErrorKind::kUnsupported, "EXCLUDE works with aggregates only, not with {}",
                     framed.call.function->id);
      }
    }
    return Status::OK();
  }

  /// What is held for rows.
  int64_t BytesFor(const Batch& rows) const {
    return 2 * rows.num_bytes() + bytes_per_row_ * rows.num_rows();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (segment_.has_value()) {
      ARROW_RETURN_NOT_OK(EmitSome(out));
      return segment_.has_value() ? Flow::MoreOutput() : Flow::NeedInput();
    }
    if (!pending_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(pending_, batch.Compact(context().pool));
      ARROW_ASSIGN_OR_RAISE(pending_, DecodeBatch(*pending_, context().pool));
    }
    // The rows, a copy of them in one piece, and what is known of them.
    const int64_t bytes = BytesFor(*pending_);
    if (!reservation_.TryGrow(bytes)) return Flow::NeedMemory(bytes);
    ARROW_RETURN_NOT_OK(Append());
    if (whole_rows_ < kSegmentRows) return Flow::NeedInput();
    ARROW_RETURN_NOT_OK(StartSegment());
    return Flow::MoreOutput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (!segment_.has_value()) {
      whole_rows_ = held_rows_;
      if (whole_rows_ == 0) return Flow::NeedInput();
      ARROW_RETURN_NOT_OK(StartSegment());
    }
    ARROW_RETURN_NOT_OK(EmitSome(out));
    return segment_.has_value() ? Flow::MoreOutput() : Flow::NeedInput();
  }

 private:
  /// Adds the pending rows to those held, and finds the last partition that begins among them.
  Status Append() {
    std::vector<uint8_t> starts;
    Batch with_last = *pending_;
    const bool has_last = !held_.empty();
    if (has_last) {
      const Batch& before = held_.back();
      ARROW_ASSIGN_OR_RAISE(
          with_last,
          ConcatenateBatches({before.Slice(before.num_rows() - 1, 1), *pending_}, context().pool));
    }
    ARROW_RETURN_NOT_OK(partitions_.Find(with_last, context().pool, &starts));
    const int64_t offset = has_last ? 1 : 0;
    for (int64_t row = with_last.num_rows() - 1; row >= 1; --row) {
      if (starts[static_cast<size_t>(row)] == 0) continue;
      whole_rows_ = held_rows_ + row - offset;
      break;
    }
    held_rows_ += pending_->num_rows();
    held_.push_back(*std::move(pending_));
    pending_.reset();
    return Status::OK();
  }

  /// Takes the whole partitions from the rows held.
  Result<Batch> TakeWhole() {
    std::vector<Batch> taken;
    int64_t left = whole_rows_;
    while (left > 0) {
      Batch& front = held_.front();
      const int64_t rows = front.num_rows();
      if (rows <= left) {
        taken.push_back(std::move(front));
        held_.pop_front();
      } else {
        taken.push_back(front.Slice(0, left));
        front = front.Slice(left, rows - left);
      }
      left -= std::min(rows, left);
    }
    held_rows_ -= whole_rows_;
    whole_rows_ = 0;
    return taken.size() == 1 ? taken.front() : ConcatenateBatches(taken, context().pool);
  }

  Status StartSegment() {
    WindowSegment segment;
    ARROW_ASSIGN_OR_RAISE(segment.rows, TakeWhole());
    std::vector<uint8_t> starts;
    ARROW_RETURN_NOT_OK(partitions_.Find(segment.rows, context().pool, &starts));
    segment.partitions = BeginsOf(starts);
    ARROW_RETURN_NOT_OK(FindPeers(segment, std::move(starts)));
    segment_ = std::move(segment);
    for (const FramedCall& framed : spec_.calls) {
      ARROW_ASSIGN_OR_RAISE(runs_.emplace_back(), CallRun::Make(framed, *segment_, spec_.order,
                                                                *spec_.schema, context().pool));
    }
    facts_.emplace(*segment_);
    next_row_ = 0;
    return Status::OK();
  }

  /// Without ORDER BY all rows of a partition are peers.
  Status FindPeers(WindowSegment& segment, std::vector<uint8_t> partition_starts) {
    if (spec_.order.empty()) {
      segment.peers = segment.partitions;
      return Status::OK();
    }
    std::vector<uint8_t> starts;
    ARROW_RETURN_NOT_OK(peers_.Find(segment.rows, context().pool, &starts));
    for (size_t row = 0; row < starts.size(); ++row) starts[row] |= partition_starts[row];
    segment.peers = BeginsOf(starts);
    return Status::OK();
  }

  Status EmitSome(Out& out) {
    const Batch& rows = segment_->rows;
    const int64_t end = std::min(rows.num_rows(), next_row_ + context().batch_rows);
    RowFacts facts;
    facts_->Next(next_row_, end, &facts);
    const Batch given = rows.Slice(next_row_, end - next_row_);
    std::vector<ArrayPtr> columns = given.columns();
    for (const auto& run : runs_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), run->Next(next_row_, end, facts));
    }
    out.Emit(given.WithColumns(std::move(columns)));
    next_row_ = end;
    if (next_row_ == rows.num_rows()) EndSegment();
    return Status::OK();
  }

  void EndSegment() {
    runs_.clear();
    facts_.reset();
    segment_.reset();
    int64_t bytes = 0;
    for (const Batch& batch : held_) {
      bytes += BytesFor(batch);
    }
    reservation_.TryResize(std::min(bytes, reservation_.bytes()));
  }

  const FramedWindowSpec spec_;
  RunFinder partitions_;
  RunFinder peers_;
  Reservation reservation_;
  int64_t bytes_per_row_ = kBytesPerRow;
  std::optional<Batch> pending_;
  std::deque<Batch> held_;
  int64_t held_rows_ = 0;
  int64_t whole_rows_ = 0;  // of those held: rows of partitions that have ended
  // The segment in work.
  std::optional<WindowSegment> segment_;
  std::vector<std::unique_ptr<CallRun>> runs_;
  std::optional<FactsCursor> facts_;
  int64_t next_row_ = 0;
};

}  // namespace

std::unique_ptr<Operator> FramedWindowSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<FramedWindow>(*this);
}

Status LowerFramedWindow(const PlanNode& node, Lowering& lowering) {
  const auto& window = static_cast<const FramedWindowNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<FramedWindowSpec>(node.input()->schema(), window.partition_by,
                                                     window.order, window.calls));
  return Status::OK();
}

}  // namespace headrace
