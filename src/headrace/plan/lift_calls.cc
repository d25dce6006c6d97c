// Lifting of ordered calls and callbacks.
#include "headrace/plan/lift_calls.h"

#include <algorithm>
#include <limits>

#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/distinct_frames.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/placed_window.h"
#include "headrace/plan/rolling_window.h"
#include "headrace/plan/row_buffer.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

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

/// Calls that go by a trailing time are over tables that are known to come in its order.
Status CheckSorted(const PlacedWindow& placed, const std::vector<ExpressionPtr>& calls) {
  const PlanNode& plan = *placed.plan;
  for (const ExpressionPtr& call : calls) {
    if (WindowOf(*call).frame.unit != FrameUnit::kTrailing) continue;
    const std::string& name = plan.schema()->field(placed.order.front().column)->name();
    if (SatisfiesWithin(plan.properties().ordering, placed.partition_by, placed.order)) continue;
    return WithSpan(
        Error(ErrorKind::kInvalidArgument,
              "a rolling window over the time {} needs rows that come in its order: put "
              ".sort(\"{}\") in front, or .assume_sorted(\"{}\") where they do",
              name, name, name),
        call->span);
  }
  return Status::OK();
}

/// In the order of the window; over a stream in the order of its event time.
Result<PlanPtr> InOrderOf(const PlacedWindow& placed) {
  const Ordering& have = placed.plan->properties().ordering;
  if (ComesInOrder(have, placed.partition_by, placed.order)) return placed.plan;
  if (!IsEndless(*placed.plan)) {
    return SortedByPartition(placed.plan, placed.partition_by, placed.order);
  }
  ARROW_RETURN_NOT_OK(CheckStreamOrder(*placed.plan, placed.order));
  RowBufferTerms terms;
  terms.partition_by = placed.partition_by;
  terms.time = placed.order.front().column;
  return MakeRowBufferNode(placed.plan, std::move(terms), {});
}

Result<PlanPtr> LiftWindow(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                           std::vector<ExpressionPtr>* expressions) {
  ARROW_ASSIGN_OR_RAISE(PlacedWindow placed, PlaceWindow(std::move(plan), calls));
  ARROW_ASSIGN_OR_RAISE(plan, InOrderOf(placed));
  std::vector<FunctionCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(OverColumns(*call, *plan, &placed.columns).call);
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(
      plan, MakeWindowNode(std::move(plan), std::move(placed.partition_by), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

Result<PlanPtr> LiftFrames(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                           std::vector<ExpressionPtr>* expressions) {
  ARROW_ASSIGN_OR_RAISE(PlacedWindow placed, PlaceWindow(std::move(plan), calls));
  ARROW_RETURN_NOT_OK(CheckSorted(placed, calls));
  ARROW_ASSIGN_OR_RAISE(plan, SortedByPartition(placed.plan, placed.partition_by, placed.order));
  std::vector<FramedCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(OverColumns(*call, *plan, &placed.columns));
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan, MakeFramedWindowNode(std::move(plan), std::move(placed.partition_by),
                                                   std::move(placed.order), std::move(made)));
  ARROW_RETURN_NOT_OK(ReplaceCalls(*plan, calls, first, expressions));
  return plan;
}

RollingCall RollingOver(const FramedCall& framed, const Ordering& order) {
  RollingCall rolling;
  rolling.call = framed.call;
  const FrameBound& start = framed.frame.start;
  if (framed.frame.unit == FrameUnit::kTrailing) {
    rolling.key = order.front().column;
    rolling.bound = start.value->column;
  } else if (start.kind != FrameBound::Kind::kUnboundedPreceding) {
    rolling.rows = std::min(start.count, std::numeric_limits<int64_t>::max() - 1) + 1;
  }
  return rolling;
}

/// Over rows in the order in which they come, where that is the order of the window.
Result<PlanPtr> LiftRolling(PlanPtr plan, const std::vector<ExpressionPtr>& calls,
                            std::vector<ExpressionPtr>* expressions) {
  ARROW_ASSIGN_OR_RAISE(PlacedWindow placed, PlaceWindow(std::move(plan), calls));
  ARROW_RETURN_NOT_OK(CheckSorted(placed, calls));
  ARROW_ASSIGN_OR_RAISE(plan, PutInOrder(placed.plan, placed.partition_by, placed.order));
  std::vector<RollingCall> made;
  for (const ExpressionPtr& call : calls) {
    made.push_back(RollingOver(OverColumns(*call, *plan, &placed.columns), placed.order));
  }
  const int first = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan, MakeRollingWindowNode(std::move(plan), std::move(placed.partition_by),
                                                    std::move(made)));
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
  if (!IsEndless(*plan)) ARROW_RETURN_NOT_OK(CountFirstOccurrences(expressions));
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
