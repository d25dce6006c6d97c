// One lane of a window aggregate. A batch is cleaned of rows without a time, its rows find their
// states, are added or taken back, and what is to be seen of it goes to an outbox that leaves in
// pieces. Watermarks make the state give and drop windows.
#include "headrace/exec/op/stream/window_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate/aggregate_slice.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/stream/stream_rows.h"
#include "headrace/exec/op/stream/stream_state.h"
#include "headrace/exec/op/stream/window_state.h"
#include "headrace/exec/physical.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

const SchemaPtr& LaneWatermarkSchema() {
  static const auto* schema = new SchemaPtr(WatermarkSchemaOf({"watermark"}));
  return *schema;
}

Result<WindowTerms> TermsOf(const WindowAggregateSpec& spec) {
  const TypePtr time_type = PlainType(spec.schema->field(spec.window.time->column)->type());
  ARROW_ASSIGN_OR_RAISE(WindowTimes times, WindowTimes::Make(spec.window, *time_type));
  WindowTerms terms{nullptr, times, time_type, spec.emit, spec.window.late};
  const bool removes = spec.change_mode == ChangeMode::kRetract;
  const GroupFields fields{.rows = removes || (terms.shows_changes() && !times.is_session())};
  ARROW_ASSIGN_OR_RAISE(terms.aggregates,
                        AggregateTerms::Make(spec.schema, spec.keys, spec.calls, fields, removes));
  return terms;
}

class WindowAggregate final : public Operator {
 public:
  explicit WindowAggregate(const WindowAggregateSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    if (spec_.window.late == LatePolicy::kAside && context.aside == nullptr) {
      return Error(ErrorKind::kUnsupported,
                   "late rows are to be put aside, and this query has no place for them");
    }
    ARROW_ASSIGN_OR_RAISE(terms_, TermsOf(spec_));
    contexts_ = terms_->aggregates->ContextsOf(context.pool);
    const WindowMemory memory{context.budget, context.pool,
                              std::max<int64_t>(context.batch_rows, 1)};
    state_ = terms_->times.is_session() ? MakeWindowSessions(*terms_, memory)
                                        : MakeWindowPanes(*terms_, memory);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (stage_ == Stage::kPrepare) ARROW_RETURN_NOT_OK(Prepare(batch));
    while (stage_ != Stage::kEmit) {
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, RunStage());
      if (refused > 0) return Flow::NeedMemory(refused);
    }
    if (EmitFromOutbox(out)) return Flow::MoreOutput();
    stage_ = Stage::kPrepare;
    return Flow::NeedInput();
  }

  Result<Flow> Advance(int, Watermark watermark, Out& out) override {
    watermark_ = std::max(watermark_, watermark);
    ARROW_ASSIGN_OR_RAISE(const std::optional<Flow> more,
                          CloseSome(terms_->times.TicksOf(watermark_), out));
    if (more.has_value()) return *more;
    const Watermark promise = Promise();
    if (promise > promised_) out.EmitWatermark(promised_ = promise);
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    ARROW_ASSIGN_OR_RAISE(const std::optional<Flow> more, CloseSome(Watermark::kEnd, out));
    return more.value_or(Flow::NeedInput());
  }

  Result<int64_t> Reclaim(int64_t) override { return state_->FreeMerged(); }

  Status Save(StateWriter& writer) override {
    ARROW_RETURN_NOT_OK(state_->Save([&](int key_group, const arrow::RecordBatch& batch) {
      return writer.Write(key_group, batch);
    }));
    return SaveWatermarks(LaneWatermarkSchema(), {&watermark_.micros, 1}, writer, context().pool);
  }

  // Lanes were quiescent: their watermarks are the same, except those that no row ever came to.
  Status Load(StateReader& reader) override {
    ARROW_RETURN_NOT_OK(LoadStreamState(
        reader, context(), LaneWatermarkSchema(), {&watermark_.micros, 1},
        [this](int key_group, const arrow::RecordBatch& groups) -> Status {
          ARROW_ASSIGN_OR_RAISE(const int64_t refused, state_->Load(key_group, groups));
          return refused > 0 ? context().budget->OverLimit(refused) : Status::OK();
        }));
    if (watermark_.micros != Watermark::kNone) {
      state_->SetWatermark(terms_->times.TicksOf(watermark_));
    }
    return Status::OK();
  }

 private:
  // What is still to be done with the batch that is pushed.
  enum class Stage : uint8_t { kPrepare, kAssign, kLookBefore, kAdd, kSettle, kLookAfter, kEmit };

  // -- Rows in --

  Status Prepare(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(batch_, batch.Compact(context().pool));
    ARROW_RETURN_NOT_OK(TakeTimes());
    stage_ = Stage::kEmit;
    if (batch_.num_rows() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(rows_, StreamRows::Make(batch_, *terms_->aggregates, context().pool));
    stage_ = Stage::kAssign;
    return Status::OK();
  }

  // The times of batch_, which keeps the rows that have one.
  Status TakeTimes() {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr column,
                          Decode(batch_.column(spec_.window.time->column), context().pool));
    const int64_t* ticks = column->data()->GetValues<int64_t>(1);
    times_.assign(ticks, ticks + column->length());
    std::vector<uint32_t> kept;
    const bool has_nulls = column->null_count() > 0;
    for (int64_t row = 0; row < column->length(); ++row) {
      const bool is_valid = !has_nulls || column->IsValid(row);
      if (is_valid && terms_->times.HasWindow(ticks[row])) {
        if (!kept.empty() || num_null_ > 0) kept.push_back(static_cast<uint32_t>(row));
        continue;
      }
      ARROW_RETURN_NOT_OK(CheckNullTime(*column, row));
      if (num_null_++ > 0) continue;
      for (uint32_t before = 0; before < row; ++before) kept.push_back(before);
    }
    if (num_null_ == 0) return Status::OK();
    Count(&OperatorMetrics::null_time_rows, std::exchange(num_null_, 0));
    ARROW_ASSIGN_OR_RAISE(batch_, TakeRows(kept));
    for (size_t i = 0; i < kept.size(); ++i) times_[i] = times_[kept[i]];
    times_.resize(kept.size());
    return Status::OK();
  }

  Status CheckNullTime(const arrow::Array& column, int64_t row) const {
    if (spec_.window.null_time == NullTimePolicy::kDrop) return Status::OK();
    return Error(ErrorKind::kBadData, "the time of a window, {}, is expected in every row, got {}",
                 spec_.schema->field(spec_.window.time->column)->name(), FormatValue(column, row));
  }

  Result<Batch> TakeRows(const std::vector<uint32_t>& rows) const {
    arrow::UInt32Builder builder(context().pool);
    ARROW_RETURN_NOT_OK(builder.AppendValues(rows));
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr indices, builder.Finish());
    return batch_.Take(*indices, context().pool);
  }

  // Gives the bytes that were refused; then it is to be repeated.
  Result<int64_t> RunStage() {
    switch (stage_) {
      case Stage::kAssign:
        return Assign();
      case Stage::kLookBefore:
        return Look(/*is_before=*/true, &before_);
      case Stage::kAdd:
        ARROW_RETURN_NOT_OK(Add());
        stage_ = Stage::kSettle;
        return 0;
      case Stage::kSettle:
        return Settle();
      case Stage::kLookAfter:
        return Look(/*is_before=*/false, &after_);
      default:
        return 0;
    }
  }

  Result<int64_t> Assign() {
    const AggregateSlice all(*terms_->aggregates, rows_->arguments, 0, rows_->keys.num_rows);
    ARROW_ASSIGN_OR_RAISE(const int64_t refused,
                          state_->Assign(rows_->keys, times_, all.extra_bytes()));
    if (refused == 0) stage_ = terms_->shows_changes() ? Stage::kLookBefore : Stage::kAdd;
    return refused;
  }

  Result<int64_t> Look(bool is_before, WindowState::Image* image) {
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, state_->Look(is_before, image));
    if (refused > 0) return refused;
    if (is_before) {
      stage_ = Stage::kAdd;
      return 0;
    }
    ARROW_ASSIGN_OR_RAISE(outbox_, Changes());
    EndBatch();
    return 0;
  }

  Result<Batch> Changes() {
    if (before_.order.empty() && after_.order.empty()) return Batch();
    if (spec_.emit == EmitPolicy::kAtEnd && spec_.window.late == LatePolicy::kRepeat) {
      return after_.rows;
    }
    return InterleaveUpdates(before_.rows, before_.order, after_.rows, after_.order,
                             context().pool);
  }

  Status Add() {
    ARROW_RETURN_NOT_OK(state_->Merge());
    const std::vector<std::byte*>& states = state_->states();
    const auto late = std::count(states.begin(), states.end(), nullptr);
    if (late > 0) {
      Count(&OperatorMetrics::late_rows, late);
      if (spec_.window.late == LatePolicy::kAside) ARROW_RETURN_NOT_OK(PutAside(states));
      rows_->LeaveOut(states);
    }
    return rows_->AddAndRemove(*terms_->aggregates, states, contexts_, context().pool);
  }

  Status PutAside(const std::vector<std::byte*>& states) const {
    std::vector<uint32_t> late;
    for (uint32_t row = 0; row < states.size(); ++row) {
      if (states[row] == nullptr) late.push_back(row);
    }
    ARROW_ASSIGN_OR_RAISE(const Batch rows, TakeRows(late));
    return context().aside->Put(spec_.schema, rows, "late");
  }

  // What states grew by is known only now.
  int64_t Settle() {
    const int64_t refused = state_->Settle();
    if (refused > 0) return refused;
    if (terms_->shows_changes()) {
      stage_ = Stage::kLookAfter;
    } else {
      EndBatch();
    }
    return 0;
  }

  void EndBatch() {
    state_->EndBatch();
    rows_.reset();
    batch_ = Batch();
    stage_ = Stage::kEmit;
  }

  void Count(std::atomic<int64_t> OperatorMetrics::* counter, int64_t rows) const {
    if (context().metrics == nullptr) return;
    (context().metrics->*counter).fetch_add(rows, std::memory_order_relaxed);
  }

  // -- Rows out --

  bool EmitFromOutbox(Out& out) {
    if (outbox_.num_rows() == 0) return false;
    const int64_t count = std::min(outbox_.num_rows(), std::max<int64_t>(context().batch_rows, 1));
    out.Emit(outbox_.Slice(0, count));
    outbox_ =
        count == outbox_.num_rows() ? Batch() : outbox_.Slice(count, outbox_.num_rows() - count);
    return true;
  }

  // Nothing: all is closed that can be.
  Result<std::optional<Flow>> CloseSome(int64_t ticks, Out& out) {
    ARROW_ASSIGN_OR_RAISE(WindowState::Closed closed, state_->Close(ticks));
    if (closed.refused > 0) return Flow::NeedMemory(closed.refused);
    if (closed.rows.num_rows() > 0) out.Emit(std::move(closed.rows));
    return closed.is_done && out.empty() ? std::optional<Flow>() : Flow::MoreOutput();
  }

  Watermark Promise() {
    Watermark promise = terms_->times.PromiseAt(terms_->times.TicksOf(watermark_));
    const int64_t open = state_->LeastStart();
    if (open != WindowTimes::kNever) {
      promise = std::min(promise, terms_->times.WatermarkOf(open));
    }
    return promise;
  }

  // -- State --

  const WindowAggregateSpec spec_;
  std::optional<WindowTerms> terms_;
  std::vector<KernelContext> contexts_;
  std::unique_ptr<WindowState> state_;
  Watermark watermark_;
  Watermark promised_;

  // The batch that is pushed.
  Stage stage_ = Stage::kPrepare;
  Batch batch_;
  std::vector<int64_t> times_;
  int64_t num_null_ = 0;
  std::optional<StreamRows> rows_;
  WindowState::Image before_;
  WindowState::Image after_;
  Batch outbox_;
};

}  // namespace

std::string WindowAggregateSpec::Describe() const {
  static constexpr const char* kKinds[] = {"tumbling", "sliding", "cumulate", "session"};
  std::string text = DescribeAggregate(*schema, keys, calls);
  text += emit == EmitPolicy::kAtEnd ? ", emit=at_end" : ", emit=changes";
  text +=
      fmt::format(", window={} {}us", kKinds[static_cast<size_t>(window.kind)], window.size_micros);
  return text;
}

std::unique_ptr<Operator> WindowAggregateSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<WindowAggregate>(*this);
}

Status LowerWindowAggregate(const PlanNode& node, Lowering& lowering) {
  const auto& aggregate = static_cast<const WindowAggregateNode&>(node);
  if (aggregate.window.late == LatePolicy::kAside) {
    ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  } else {
    std::vector<int> read = aggregate.keys;
    read.push_back(aggregate.window.time->column);
    for (const FunctionCall& call : aggregate.calls) {
      for (const ExpressionPtr& arg : call.args) {
        for (int column : ColumnsOf(*arg)) read.push_back(column);
      }
    }
    ARROW_RETURN_NOT_OK(lowering.Lower(*node.input(), {std::move(read)}));
  }
  lowering.ExchangeByHash(aggregate.keys);
  lowering.Append(std::make_shared<WindowAggregateSpec>(
      node.input()->schema(), aggregate.window, aggregate.keys, aggregate.calls, aggregate.emit,
      node.input()->properties().change_mode));
  return Status::OK();
}

}  // namespace headrace
