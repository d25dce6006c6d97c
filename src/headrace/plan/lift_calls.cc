// Lifting of ordered calls and callbacks.
#include "headrace/plan/lift_calls.h"

#include <algorithm>
#include <limits>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/interval_bounds.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rolling_window.h"
#include "headrace/plan/row_buffer.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

bool IsLifted(const Expression& expression) {
  return expression.kind == Expression::Kind::kCallback || IsWindowCall(expression);
}

/// Appends to `ready` every call to lift that has none inside itself.
void CollectReady(const ExpressionPtr& expression, std::vector<ExpressionPtr>* ready) {
  const size_t before = ready->size();
  ForEachPart(*expression, [&](const ExpressionPtr& part) { CollectReady(part, ready); });
  if (ready->size() == before && IsLifted(*expression)) ready->push_back(expression);
}

std::vector<ExpressionPtr> ReadyCalls(const std::vector<ExpressionPtr>& expressions) {
  std::vector<ExpressionPtr> ready;
  for (const ExpressionPtr& expression : expressions) CollectReady(expression, &ready);
  return ready;
}

bool SameExpressions(const std::vector<ExpressionPtr>& left,
                     const std::vector<ExpressionPtr>& right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (!Equals(*left[i], *right[i])) return false;
  }
  return true;
}

const WindowSpec& WindowOf(const Expression& call) {
  static const WindowSpec kWholeInput;
  return call.window == nullptr ? kWholeInput : *call.window;
}

bool SameWindow(const WindowSpec& left, const WindowSpec& right) {
  if (left.buffer != right.buffer) return false;
  if (!SameExpressions(left.partition_by, right.partition_by)) return false;
  if (left.order_by.size() != right.order_by.size()) return false;
  for (size_t i = 0; i < left.order_by.size(); ++i) {
    const WindowSpec::Key& a = left.order_by[i];
    const WindowSpec::Key& b = right.order_by[i];
    if (a.descending != b.descending || a.nulls != b.nulls) return false;
    if (!Equals(*a.expression, *b.expression)) return false;
  }
  return true;
}

/// The call looks ahead or back in its sorted partition; others run over rows as they come.
bool NeedsFrames(const Expression& call) {
  return call.function->kind == FunctionKind::kAggregate || call.overload->ordered == nullptr ||
         call.ignore_nulls;
}

bool MayHaveFrames(const Expression& call) {
  return call.function->kind == FunctionKind::kAggregate || call.overload->window != nullptr;
}

/// The calls of `ready` over the window of the first of them, without repeats.
std::vector<ExpressionPtr> CallsOfOneWindow(const std::vector<ExpressionPtr>& ready) {
  std::vector<ExpressionPtr> calls;
  for (const ExpressionPtr& call : ready) {
    if (!IsWindowCall(*call)) continue;
    bool fits = calls.empty() || SameWindow(WindowOf(*call), WindowOf(*calls.front()));
    for (const ExpressionPtr& known : calls) fits = fits && !Equals(*call, *known);
    if (fits) calls.push_back(call);
  }
  return calls;
}

/// Those of `calls` that have frames or can have them, if one must.
std::vector<ExpressionPtr> FramedOf(const std::vector<ExpressionPtr>& calls) {
  std::vector<ExpressionPtr> framed;
  bool any_needs = false;
  for (const ExpressionPtr& call : calls) {
    any_needs = any_needs || NeedsFrames(*call);
    if (MayHaveFrames(*call)) framed.push_back(call);
  }
  return any_needs ? framed : std::vector<ExpressionPtr>();
}

/// Those that cannot run over rows as they come.
std::vector<ExpressionPtr> NeedFramesOf(const std::vector<ExpressionPtr>& calls) {
  std::vector<ExpressionPtr> found;
  for (const ExpressionPtr& call : calls) {
    if (NeedsFrames(*call)) found.push_back(call);
  }
  return found;
}

Status CheckBuffered(const std::vector<ExpressionPtr>& calls) {
  for (const ExpressionPtr& call : calls) {
    if (MayHaveFrames(*call)) continue;
    return WithSpan(
        Error(ErrorKind::kUnsupported, "{} does not work over ROWS WINDOW BUFFER", ToString(*call)),
        call->span);
  }
  return Status::OK();
}

/// Replaces what equals calls[i] by column first + i of `plan`.
Status ReplaceCalls(const PlanNode& plan, const std::vector<ExpressionPtr>& calls, int first,
                    std::vector<ExpressionPtr>* expressions) {
  const Visit visit = [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    if (!IsLifted(*part)) return nullptr;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (part == calls[i] || (part->kind == Expression::Kind::kCall && Equals(*part, *calls[i]))) {
        return ColumnOf(*plan.schema(), first + static_cast<int>(i));
      }
    }
    return nullptr;
  };
  for (ExpressionPtr& expression : *expressions) {
    ARROW_ASSIGN_OR_RAISE(expression, Transform(expression, visit));
  }
  return Status::OK();
}

/// Hands out the columns made for a list of parts, in the order the parts were listed.
class ColumnQueue {
 public:
  explicit ColumnQueue(std::vector<int> columns) : columns_(std::move(columns)) {}
  int Next() { return columns_[next_++]; }

 private:
  std::vector<int> columns_;
  size_t next_ = 0;
};

/// The keys of ORDER BY over columns of the plan.
Ordering OrderOf(const WindowSpec& window, ColumnQueue* columns) {
  Ordering keys;
  for (const WindowSpec::Key& key : window.order_by) {
    keys.push_back({columns->Next(), key.descending, key.nulls});
  }
  return keys;
}

bool IsEventTime(const PlanNode& plan, const Ordering& order) {
  if (order.size() != 1 || order.front().descending) return false;
  const std::vector<int> times = plan.EventTimes();
  return std::find(times.begin(), times.end(), order.front().column) != times.end();
}

/// Rows of a stream can be put in the order of its event time, and in no other.
Status CheckStreamOrder(const PlanNode& plan, const Ordering& order) {
  if (IsEventTime(plan, order)) return Status::OK();
  return Error(ErrorKind::kUnsupported, "{}",
               plan.EventTimes().empty()
                   ? "over a stream OVER (ORDER BY …) goes by its event time, and it has none: "
                     "declare it with WATERMARK FOR"
                   : "over a stream OVER (ORDER BY …) goes by its event time, ascending; rows are "
                     "ranked by other columns within ROWS WINDOW BUFFER n ROWS");
}

/// An order by the partition alone asks for partitions that stand together.
bool ComesInOrder(const Ordering& have, const std::vector<int>& partition_by,
                  const Ordering& order) {
  const bool only_groups = !order.empty() && SatisfiesWithin({}, partition_by, order);
  return only_groups ? SatisfiesByGroup(have, partition_by, {})
                     : SatisfiesWithin(have, partition_by, order);
}

/// Sorts by partition, then order.
Result<PlanPtr> SortedByPartition(PlanPtr plan, const std::vector<int>& partition_by,
                                  const Ordering& order) {
  Ordering keys;
  const auto add = [&](const SortKey& key) {
    for (const SortKey& known : keys) {
      if (known.column == key.column) return;
    }
    keys.push_back(key);
  };
  for (int column : partition_by) add({column, false, NullPlacement::kLast});
  for (const SortKey& key : order) add(key);
  if (SatisfiesByGroup(plan->properties().ordering, partition_by, order)) return plan;
  return MakeSortNode(std::move(plan), std::move(keys));
}

Result<PlanPtr> SortedBy(PlanPtr plan, const WindowSpec& window,
                         const std::vector<int>& partition_by, ColumnQueue* columns) {
  const Ordering keys = OrderOf(window, columns);
  if (ComesInOrder(plan->properties().ordering, partition_by, keys)) return plan;
  if (!IsEndless(*plan)) return SortedByPartition(std::move(plan), partition_by, keys);
  ARROW_RETURN_NOT_OK(CheckStreamOrder(*plan, keys));
  RowBufferTerms terms;
  terms.partition_by = partition_by;
  terms.time = keys.front().column;
  return MakeRowBufferNode(std::move(plan), std::move(terms), {});
}

FunctionCall OverColumns(const Expression& call, const PlanNode& plan, ColumnQueue* columns) {
  std::vector<ExpressionPtr> args = FoldedArgs(call);
  for (ExpressionPtr& arg : args) {
    if (arg->kind != Expression::Kind::kLiteral) arg = ColumnOf(*plan.schema(), columns->Next());
  }
  return MakeFunctionCall(call, std::move(args));
}

Result<PlanPtr> LiftWindow(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                           std::vector<ExpressionPtr>* expressions) {
  const WindowSpec& window = WindowOf(*calls.front());
  std::vector<ExpressionPtr> needed = window.partition_by;
  for (const WindowSpec::Key& key : window.order_by) needed.push_back(key.expression);
  for (const ExpressionPtr& call : calls) {
    for (const ExpressionPtr& arg : FoldedArgs(*call)) {
      if (arg->kind != Expression::Kind::kLiteral) needed.push_back(arg);
    }
  }
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), needed, &places));
  ColumnQueue columns(std::move(places));
  std::vector<int> partition_by;
  for (size_t i = 0; i < window.partition_by.size(); ++i) partition_by.push_back(columns.Next());
  ARROW_ASSIGN_OR_RAISE(plan, SortedBy(std::move(plan), window, partition_by, &columns));
  std::vector<FunctionCall> made;
  for (const ExpressionPtr& call : calls) made.push_back(OverColumns(*call, *plan, &columns));
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan,
                        MakeWindowNode(std::move(plan), std::move(partition_by), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

/// Expressions that the framed node needs as columns, in the order in which they are taken again.
std::vector<ExpressionPtr> NeededByFrames(const std::vector<ExpressionPtr>& calls) {
  const WindowSpec& window = WindowOf(*calls.front());
  std::vector<ExpressionPtr> needed = window.partition_by;
  for (const WindowSpec::Key& key : window.order_by) needed.push_back(key.expression);
  for (const ExpressionPtr& call : calls) {
    const WindowFrame& frame = WindowOf(*call).frame;
    for (const ExpressionPtr& value : {frame.start.value, frame.end.value}) {
      if (value != nullptr) needed.push_back(value);
    }
    for (const ExpressionPtr& arg : FoldedArgs(*call)) {
      if (arg->kind != Expression::Kind::kLiteral) needed.push_back(arg);
    }
  }
  return needed;
}

FramedCall FramedOverColumns(const Expression& call, const PlanNode& plan, ColumnQueue* columns) {
  FramedCall framed;
  framed.frame = WindowOf(call).frame;
  for (ExpressionPtr* value : {&framed.frame.start.value, &framed.frame.end.value}) {
    if (*value != nullptr) *value = ColumnOf(*plan.schema(), columns->Next());
  }
  framed.call = OverColumns(call, plan, columns);
  framed.ignore_nulls = call.ignore_nulls;
  return framed;
}

/// Calls that go by a trailing time are over tables that are known to come in its order.
Status CheckSorted(const PlanNode& plan, const std::vector<ExpressionPtr>& calls,
                   const std::vector<int>& partition_by, const Ordering& order) {
  for (const ExpressionPtr& call : calls) {
    if (WindowOf(*call).frame.unit != FrameUnit::kTrailing) continue;
    const std::string& name = plan.schema()->field(order.front().column)->name();
    if (SatisfiesWithin(plan.properties().ordering, partition_by, order)) continue;
    return WithSpan(
        Error(ErrorKind::kInvalidArgument,
              "a rolling window over the time {} needs rows that come in its order: put "
              ".sort(\"{}\") in front, or .assume_sorted(\"{}\") where they do",
              name, name, name),
        call->span);
  }
  return Status::OK();
}

Result<PlanPtr> LiftFrames(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                           std::vector<ExpressionPtr>* expressions) {
  const WindowSpec& window = WindowOf(*calls.front());
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), NeededByFrames(calls), &places));
  ColumnQueue columns(std::move(places));
  std::vector<int> partition_by;
  for (size_t i = 0; i < window.partition_by.size(); ++i) partition_by.push_back(columns.Next());
  Ordering order;
  for (const WindowSpec::Key& key : window.order_by) {
    order.push_back({columns.Next(), key.descending, key.nulls});
  }
  ARROW_RETURN_NOT_OK(CheckSorted(*plan, calls, partition_by, order));
  ARROW_ASSIGN_OR_RAISE(plan, SortedByPartition(std::move(plan), partition_by, order));
  std::vector<FramedCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(FramedOverColumns(*call, *plan, &columns));
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan, MakeFramedWindowNode(std::move(plan), std::move(partition_by),
                                                   std::move(order), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

/// Over rows in the order in which they come, where that is the order of the window.
Result<PlanPtr> LiftRolling(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                            std::vector<ExpressionPtr>* expressions) {
  const WindowSpec& window = WindowOf(*calls.front());
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), NeededByFrames(calls), &places));
  ColumnQueue columns(std::move(places));
  std::vector<int> partition_by;
  for (size_t i = 0; i < window.partition_by.size(); ++i) partition_by.push_back(columns.Next());
  const Ordering order = OrderOf(window, &columns);
  ARROW_RETURN_NOT_OK(CheckSorted(*plan, calls, partition_by, order));
  if (!ComesInOrder(plan->properties().ordering, partition_by, order)) {
    ARROW_ASSIGN_OR_RAISE(plan, SortedByPartition(std::move(plan), partition_by, order));
  }
  std::vector<RollingCall> made;
  for (const ExpressionPtr& call : calls) {
    const FramedCall framed = FramedOverColumns(*call, *plan, &columns);
    RollingCall& rolling = made.emplace_back();
    rolling.call = framed.call;
    const FrameBound& start = framed.frame.start;
    if (framed.frame.unit == FrameUnit::kTrailing) {
      rolling.key = order.front().column;
      rolling.bound = start.value->column;
    } else if (start.kind != FrameBound::Kind::kUnboundedPreceding) {
      rolling.rows = std::min(start.count, std::numeric_limits<int64_t>::max() - 1) + 1;
    }
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(
      plan, MakeRollingWindowNode(std::move(plan), std::move(partition_by), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

std::vector<ExpressionPtr> RollingOf(const std::vector<ExpressionPtr>& calls) {
  std::vector<ExpressionPtr> rolling;
  for (const ExpressionPtr& call : calls) {
    if (CanRoll(*call)) rolling.push_back(call);
  }
  return rolling;
}

/// n of lag(x, n), where it is no other function.
std::optional<int64_t> LagOf(const Expression& call) {
  if (call.function->id != std::string_view("lag") || call.ignore_nulls) return std::nullopt;
  if (call.args.size() < 2) return 1;
  const ExpressionPtr offset = FoldConstants(call.args[1]);
  const bool is_count = offset->kind == Expression::Kind::kLiteral && offset->literal->is_valid &&
                        offset->type->id() == arrow::Type::INT64;
  if (!is_count) return std::nullopt;
  return static_cast<const arrow::Int64Scalar&>(*offset->literal).value;
}

/// How far back a frame of a stream reaches.
struct FrameReach {
  int64_t rows = 0;                    // with the row itself
  std::optional<int64_t> keep_micros;  // of a frame of RANGE
};

Result<FrameReach> ReachOf(const Expression& call) {
  if (const std::optional<int64_t> offset = LagOf(call))
    return FrameReach{*offset + 1, std::nullopt};
  const WindowFrame& frame = WindowOf(call).frame;
  const bool looks_back = frame.end.kind <= FrameBound::Kind::kCurrentRow &&
                          frame.exclusion == FrameExclusion::kNoOthers;
  const bool has_start = frame.start.kind == FrameBound::Kind::kPreceding ||
                         frame.start.kind == FrameBound::Kind::kCurrentRow;
  const bool sees_frame =
      call.function->kind == FunctionKind::kAggregate || call.overload->window->needs_frame;
  if (looks_back && has_start && sees_frame) {
    if (frame.unit == FrameUnit::kRows) return FrameReach{frame.start.count + 1, std::nullopt};
    if (frame.unit != FrameUnit::kGroups && frame.start.value != nullptr) {
      const std::optional<int64_t> micros = MicrosBefore(*frame.start.value);
      if (micros.has_value()) return FrameReach{0, micros};
    }
  }
  return WithSpan(
      Error(ErrorKind::kUnsupported,
            "over a stream a frame has a beginning and sees no later rows: ROWS BETWEEN "
            "10 PRECEDING AND CURRENT ROW, or RANGE BETWEEN INTERVAL '1' MINUTE "
            "PRECEDING AND CURRENT ROW; rank, lead and their kin take ROWS WINDOW "
            "BUFFER n ROWS: {}",
            ToString(call)),
      call.span);
}

/// The frame within the rows in front of a row, where that is what it sees of its buffer.
void Narrow(int64_t rows, WindowFrame* frame) {
  if (frame->unit != FrameUnit::kRows) return;
  if (frame->end.kind > FrameBound::Kind::kCurrentRow) {
    frame->end = {FrameBound::Kind::kCurrentRow, 0, nullptr};
  }
  if (frame->start.kind == FrameBound::Kind::kUnboundedPreceding) {
    frame->start = {FrameBound::Kind::kPreceding, rows - 1, nullptr};
  } else if (frame->start.kind == FrameBound::Kind::kPreceding) {
    frame->start.count = std::min(frame->start.count, rows - 1);
  }
}

bool IsTimestamp(const PlanNode& plan, int column) {
  return PlainType(plan.schema()->field(column)->type())->id() == arrow::Type::TIMESTAMP;
}

/// In which order the rows of `plan` go into their buffers: by one ascending time, else as they
/// come.
Result<PlanPtr> InOrderOfTime(PlanPtr plan, RowBufferTerms* terms) {
  const Ordering& order = terms->order;
  const bool by_time =
      order.size() == 1 && !order.front().descending && IsTimestamp(*plan, order.front().column);
  terms->comes_in_order = by_time || order.empty();
  if (!by_time) return plan;
  terms->clock = order.front().column;
  if (!IsEndless(*plan)) {
    if (Satisfies(plan->properties().ordering, order)) return plan;
    return MakeSortNode(std::move(plan), order);
  }
  ARROW_RETURN_NOT_OK(CheckStreamOrder(*plan, order));
  terms->time = order.front().column;
  return plan;
}

Status SetClock(const PlanNode& plan, RowBufferTerms* terms) {
  if (!terms->expire_micros.has_value() || terms->clock >= 0) return Status::OK();
  const std::vector<int> times = plan.EventTimes();
  if (times.empty()) {
    return Error(ErrorKind::kInvalidArgument,
                 "EXPIRE AFTER counts by the event time of a stream, or by the time of ORDER BY, "
                 "and there is none");
  }
  terms->clock = times.front();
  return Status::OK();
}

/// Frames of the window over the last rows of a stream, or calls over ROWS WINDOW BUFFER.
Result<PlanPtr> LiftBuffer(PlanPtr plan, std::vector<ExpressionPtr> calls,
                           std::vector<ExpressionPtr>* expressions) {
  const WindowSpec& window = WindowOf(*calls.front());
  RowBufferTerms terms;
  if (window.buffer.has_value()) {
    terms.rows = window.buffer->rows;
    terms.only_full = window.buffer->only_full;
    terms.expire_micros = window.buffer->expire_micros;
  } else {
    ARROW_ASSIGN_OR_RAISE(FrameReach reach, ReachOf(*calls.front()));
    std::erase_if(calls, [&](const ExpressionPtr& call) {
      return WindowOf(*call).frame.unit != window.frame.unit;
    });
    for (const ExpressionPtr& call : calls) {
      ARROW_ASSIGN_OR_RAISE(const FrameReach other, ReachOf(*call));
      reach.rows = std::max(reach.rows, other.rows);
      if (other.keep_micros > reach.keep_micros) reach.keep_micros = other.keep_micros;
    }
    terms.rows = reach.rows;
    terms.keep_micros = reach.keep_micros;
  }
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), NeededByFrames(calls), &places));
  ColumnQueue columns(std::move(places));
  for (size_t i = 0; i < window.partition_by.size(); ++i) {
    terms.partition_by.push_back(columns.Next());
  }
  terms.order = OrderOf(window, &columns);
  ARROW_ASSIGN_OR_RAISE(plan, InOrderOfTime(std::move(plan), &terms));
  ARROW_RETURN_NOT_OK(SetClock(*plan, &terms));
  std::vector<FramedCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(FramedOverColumns(*call, *plan, &columns));
    const bool sees_frame =
        call->function->kind == FunctionKind::kAggregate || call->overload->window->needs_frame;
    if (terms.comes_in_order && terms.rows > 0 && sees_frame) {
      Narrow(terms.rows, &made.back().frame);
    }
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan,
                        MakeRowBufferNode(std::move(plan), std::move(terms), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

Result<PlanPtr> LiftCallback(PlanPtr plan, const ExpressionPtr& callback,
                             std::vector<ExpressionPtr>* expressions) {
  std::vector<int> args;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), callback->args, &args));
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan, MakeCallbackNode(std::move(plan), callback->callback_id,
                                               std::move(args), "callback", callback->type));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, {callback}, first, expressions));
  return plan;
}

}  // namespace

std::vector<ExpressionPtr> FoldedArgs(const Expression& call) {
  std::vector<ExpressionPtr> args;
  for (const ExpressionPtr& arg : call.args) args.push_back(FoldConstants(arg));
  return args;
}

FunctionCall MakeFunctionCall(const Expression& call, std::vector<ExpressionPtr> args) {
  FunctionCall made;
  made.function = call.function;
  made.overload = call.overload;
  made.args = std::move(args);
  made.type = call.type;
  made.name = ToString(call);
  made.distinct = call.distinct;
  return made;
}

Result<PlanPtr> PutInOrder(PlanPtr plan, const std::vector<int>& partition_by,
                           const Ordering& order) {
  if (ComesInOrder(plan->properties().ordering, partition_by, order)) return plan;
  return SortedByPartition(std::move(plan), partition_by, order);
}

Result<PlanPtr> AppendColumns(PlanPtr plan, const std::vector<ExpressionPtr>& expressions,
                              std::vector<int>* columns) {
  const int width = plan->schema()->num_fields();
  std::vector<ExpressionPtr> outputs = AllColumnsOf(*plan->schema());
  std::vector<std::string> names = plan->schema()->field_names();
  for (const ExpressionPtr& expression : expressions) {
    size_t place = outputs.size();
    if (expression->kind == Expression::Kind::kColumn) {
      place = static_cast<size_t>(expression->column);
    }
    for (size_t i = static_cast<size_t>(width); i < outputs.size(); ++i) {
      if (Equals(*outputs[i], *expression)) place = i;
    }
    columns->push_back(static_cast<int>(place));
    if (place < outputs.size()) continue;
    outputs.push_back(expression);
    names.push_back(ToString(*expression));
  }
  if (outputs.size() == static_cast<size_t>(width)) return plan;
  return MakeProjectNode(std::move(plan), std::move(outputs), names);
}

Result<PlanPtr> LiftCalls(PlanPtr plan, std::vector<ExpressionPtr>* expressions) {
  while (true) {
    const std::vector<ExpressionPtr> ready = ReadyCalls(*expressions);
    if (ready.empty()) return plan;
    const std::vector<ExpressionPtr> calls = CallsOfOneWindow(ready);
    if (calls.empty()) {
      ARROW_ASSIGN_OR_RAISE(plan, LiftCallback(std::move(plan), ready.front(), expressions));
    } else if (WindowOf(*calls.front()).buffer.has_value()) {
      ARROW_RETURN_NOT_OK(CheckBuffered(calls));
      ARROW_ASSIGN_OR_RAISE(plan, LiftBuffer(std::move(plan), calls, expressions));
    } else if (const auto rolling = RollingOf(calls); !rolling.empty() && !IsEndless(*plan)) {
      ARROW_ASSIGN_OR_RAISE(plan, LiftRolling(std::move(plan), rolling, expressions));
    } else if (const auto framed = FramedOf(calls); !framed.empty()) {
      ARROW_ASSIGN_OR_RAISE(
          plan, IsEndless(*plan) ? LiftBuffer(std::move(plan), NeedFramesOf(framed), expressions)
                                 : LiftFrames(std::move(plan), framed, expressions));
    } else {
      ARROW_ASSIGN_OR_RAISE(plan, LiftWindow(std::move(plan), calls, expressions));
    }
  }
}

Status RefuseAggregates(const ExpressionPtr& expression, const char* place) {
  if (IsCallOf(*expression, FunctionKind::kAggregate)) {
    return WithSpan(Error(ErrorKind::kInvalidArgument, "an aggregate cannot stand in {}: {}", place,
                          ToString(*expression)),
                    expression->span);
  }
  Status status;
  ForEachPart(*expression, [&](const ExpressionPtr& part) {
    if (status.ok()) status = RefuseAggregates(part, place);
  });
  return status;
}

}  // namespace headrace
