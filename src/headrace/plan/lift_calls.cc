// Lifting of ordered calls and callbacks.
#include "headrace/plan/lift_calls.h"

#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"

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

Result<PlanPtr> SortedBy(PlanPtr plan, const WindowSpec& window, ColumnQueue* columns) {
  Ordering keys;
  for (const WindowSpec::Key& key : window.order_by) {
    keys.push_back({columns->Next(), key.descending, key.nulls});
  }
  if (keys.empty() || Satisfies(plan->properties().ordering, keys)) return plan;
  return MakeSortNode(std::move(plan), std::move(keys));
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
  ARROW_ASSIGN_OR_RAISE(plan, SortedBy(std::move(plan), window, &columns));
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
  if (keys.empty() || Satisfies(plan->properties().ordering, keys)) return plan;
  return MakeSortNode(std::move(plan), std::move(keys));
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
    } else if (const auto framed = FramedOf(calls); !framed.empty()) {
      ARROW_ASSIGN_OR_RAISE(plan, LiftFrames(std::move(plan), framed, expressions));
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
