// The builder's aggregate. Group keys and arguments are computed below the node, and the
// expressions around the aggregate calls above it:
//   project(groups, outputs) · filter(having) · aggregate · project(keys, arguments) · input
#include <algorithm>

#include "arrow/type.h"
#include "headrace/expression/key_expression.h"
#include "headrace/function/registry.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/distinct_calls.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// The aggregate calls of a query, without repeats.
class AggregateCalls {
 public:
  Status Collect(const ExpressionPtr& expression) {
    if (IsCallOf(*expression, FunctionKind::kAggregate)) return Add(expression);
    Status status;
    ForEachPart(*expression, [&](const ExpressionPtr& part) {
      if (status.ok()) status = Collect(part);
    });
    return status;
  }

  const std::vector<ExpressionPtr>& calls() const { return calls_; }

  /// REQUIRES: `call` was collected.
  int IndexOf(const Expression& call) const {
    size_t i = 0;
    while (!Equals(*calls_[i], call)) ++i;
    return static_cast<int>(i);
  }

 private:
  Status Add(const ExpressionPtr& call) {
    for (const ExpressionPtr& arg : call->args) {
      ARROW_RETURN_NOT_OK(RefuseAggregates(arg, "the argument of another"));
    }
    for (const ExpressionPtr& known : calls_) {
      if (Equals(*known, *call)) return Status::OK();
    }
    calls_.push_back(call);
    return Status::OK();
  }

  std::vector<ExpressionPtr> calls_;
};

/// Expressions over the input of an aggregate, rewritten over its output.
class AboveAggregate {
 public:
  /// `first_call` is the place of the first call among the columns of `node`.
  AboveAggregate(const PlanNode& node, const std::vector<NamedExpression>& groups,
                 const AggregateCalls& calls, size_t first_call)
      : node_(node), groups_(groups), calls_(calls), first_call_(first_call) {}

  Result<ExpressionPtr> Rewrite(const ExpressionPtr& expression) const {
    return Transform(expression, [&](const ExpressionPtr& part) { return Replace(part); });
  }

 private:
  Result<ExpressionPtr> Replace(const ExpressionPtr& part) const {
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (Equals(*groups_[i].expression, *part)) return Output(static_cast<int>(i));
    }
    if (IsCallOf(*part, FunctionKind::kAggregate)) {
      return Output(static_cast<int>(first_call_) + calls_.IndexOf(*part));
    }
    if (part->kind != Expression::Kind::kColumn) return nullptr;
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "a column beside aggregates must be one of the groups (GROUP BY) or "
                          "stand inside an aggregate: {}",
                          part->name),
                    part->span);
  }

  ExpressionPtr Output(int index) const { return ColumnOf(*node_.schema(), index); }

  const PlanNode& node_;
  const std::vector<NamedExpression>& groups_;
  const AggregateCalls& calls_;
  const size_t first_call_;
};

/// What an aggregate node reads: a plan, its key columns, and calls over its columns.
struct AggregateInput {
  PlanPtr plan;
  std::vector<int> keys;
  std::vector<FunctionCall> calls;
};

bool AllColumns(const std::vector<ExpressionPtr>& expressions) {
  for (const ExpressionPtr& expression : expressions) {
    if (expression->kind != Expression::Kind::kColumn) return false;
  }
  return true;
}

/// Projects exactly `expressions`, each once, unless all of them are columns already.
Result<PlanPtr> ProjectNeeded(PlanPtr plan, const std::vector<ExpressionPtr>& expressions,
                              std::vector<int>* places) {
  if (AllColumns(expressions)) return AppendColumns(std::move(plan), expressions, places);
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (const ExpressionPtr& expression : expressions) {
    size_t place = 0;
    while (place < outputs.size() && !Equals(*outputs[place], *expression)) ++place;
    places->push_back(static_cast<int>(place));
    if (place < outputs.size()) continue;
    outputs.push_back(expression);
    names.push_back(ToString(*expression));
  }
  return MakeProjectNode(std::move(plan), std::move(outputs), names);
}

/// By `keeps_columns` all columns of the input stay.
Result<AggregateInput> PrepareInput(PlanPtr input, const std::vector<NamedExpression>& groups,
                                    const std::vector<ExpressionPtr>& calls,
                                    bool keeps_columns = false) {
  std::vector<ExpressionPtr> needed;
  for (const NamedExpression& group : groups) needed.push_back(group.expression);
  std::vector<std::vector<ExpressionPtr>> args;
  for (const ExpressionPtr& call : calls) {
    args.push_back(FoldedArgs(*call));
    for (const ExpressionPtr& arg : args.back()) {
      if (arg->kind != Expression::Kind::kLiteral) needed.push_back(arg);
    }
  }
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &needed));
  if (keeps_columns) {
    ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), needed, &places));
  } else {
    ARROW_ASSIGN_OR_RAISE(plan, ProjectNeeded(std::move(plan), needed, &places));
  }
  AggregateInput prepared;
  auto place = places.begin();
  for (size_t i = 0; i < groups.size(); ++i) prepared.keys.push_back(*place++);
  for (size_t i = 0; i < calls.size(); ++i) {
    for (ExpressionPtr& arg : args[i]) {
      if (arg->kind != Expression::Kind::kLiteral) arg = ColumnOf(*plan->schema(), *place++);
    }
    prepared.calls.push_back(MakeFunctionCall(*calls[i], std::move(args[i])));
  }
  prepared.plan = std::move(plan);
  return prepared;
}

Result<AggregateCalls> CollectCalls(const std::vector<NamedExpression>& groups,
                                    const std::vector<NamedExpression>& outputs,
                                    const ExpressionPtr& having) {
  for (const NamedExpression& group : groups) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(group.expression, "a group (GROUP BY)"));
  }
  AggregateCalls calls;
  for (const NamedExpression& output : outputs) {
    ARROW_RETURN_NOT_OK(calls.Collect(output.expression));
  }
  if (having != nullptr) ARROW_RETURN_NOT_OK(calls.Collect(having));
  return calls;
}

/// Groups of nested types: the rows are grouped by their keys, and a value of each group stands for
/// the group where outputs speak of it.
class NestedGroups {
 public:
  explicit NestedGroups(std::vector<NamedExpression>* groups) : groups_(groups) {
    for (const NamedExpression& group : *groups) originals_.push_back(group.expression);
  }

  static bool Any(const std::vector<NamedExpression>& groups) {
    return std::any_of(groups.begin(), groups.end(), [](const NamedExpression& group) {
      return IsComparedByKey(*PlainType(group.expression->type));
    });
  }

  void GroupByKeys() {
    for (NamedExpression& group : *groups_) group.expression = AsKey(group.expression);
  }

  /// `expression` over groups with nested values replaced.
  Result<ExpressionPtr> OverGroups(const ExpressionPtr& expression) const {
    return Transform(expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
      if (IsCallOf(*part, FunctionKind::kAggregate)) return part;
      for (size_t i = 0; i < originals_.size(); ++i) {
        if (IsNested(i) && Equals(*originals_[i], *part)) return ValueOf(i);
      }
      return nullptr;
    });
  }

  bool IsNested(size_t group) const { return IsComparedByKey(*PlainType(originals_[group]->type)); }
  /// any_value(group): all values of a group are equal.
  ExpressionPtr ValueOf(size_t group) const {
    static const FunctionDef* const any_value = FindFunctionById("any_value");
    const ExpressionPtr& value = originals_[group];
    return Expression::Call(any_value, any_value->overloads.data(), {value},
                            PlainType(value->type));
  }

 private:
  std::vector<NamedExpression>* groups_;
  std::vector<ExpressionPtr> originals_;
};

/// The filter and the projection over an aggregate node, whose calls begin at `first_call`; columns
/// between the groups and them are kept.
Result<PlanPtr> PlanAbove(const PlanPtr& node, const std::vector<NamedExpression>& groups,
                          std::vector<NamedExpression> outputs, ExpressionPtr having,
                          const AggregateCalls& calls, size_t first_call) {
  const AboveAggregate above(*node, groups, calls, first_call);
  PlanPtr plan = node;
  if (having != nullptr) {
    ARROW_ASSIGN_OR_RAISE(having, above.Rewrite(having));
    ARROW_ASSIGN_OR_RAISE(plan, PlanFilter(std::move(plan), having));
  }
  std::vector<NamedExpression> results;
  for (size_t i = 0; i < first_call; ++i) {
    ExpressionPtr column = ColumnOf(*node->schema(), static_cast<int>(i));
    std::string name = i < groups.size() ? groups[i].name : column->name;
    results.push_back({std::move(column), std::move(name)});
  }
  for (NamedExpression& output : outputs) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr rewritten, above.Rewrite(output.expression));
    results.push_back({std::move(rewritten), std::move(output.name)});
  }
  return PlanProject(std::move(plan), std::move(results));
}

Result<PlanPtr> PlanNestedGroups(PlanPtr input, std::vector<NamedExpression> groups,
                                 std::vector<NamedExpression> outputs, ExpressionPtr having,
                                 AggregateOptions options) {
  NestedGroups nested(&groups);
  std::vector<NamedExpression> extended;
  for (NamedExpression& output : outputs) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr over, nested.OverGroups(output.expression));
    extended.push_back({std::move(over), output.name});
  }
  if (having != nullptr) {
    ARROW_ASSIGN_OR_RAISE(having, nested.OverGroups(having));
  }
  std::vector<int> places;  // of the groups among the columns
  for (size_t i = 0; i < groups.size(); ++i) {
    places.push_back(static_cast<int>(nested.IsNested(i) ? groups.size() + extended.size() : i));
    if (nested.IsNested(i)) extended.push_back({nested.ValueOf(i), groups[i].name});
  }
  for (size_t i = 0; i < outputs.size(); ++i) places.push_back(static_cast<int>(groups.size() + i));
  nested.GroupByKeys();
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan,
                        PlanAggregate(std::move(input), std::move(groups), std::move(extended),
                                      std::move(having), options));
  std::vector<NamedExpression> results;
  for (const int place : places) {
    const ExpressionPtr column = ColumnOf(*plan->schema(), place);
    results.push_back({column, column->name});
  }
  return PlanProject(std::move(plan), std::move(results));
}

}  // namespace

Result<PlanPtr> PlanAggregate(PlanPtr input, std::vector<NamedExpression> groups,
                              std::vector<NamedExpression> outputs, ExpressionPtr having,
                              AggregateOptions options) {
  if (NestedGroups::Any(groups)) {
    return PlanNestedGroups(std::move(input), std::move(groups), std::move(outputs),
                            std::move(having), options);
  }
  const bool may_wait = options.emit != EmitPolicy::kAtEnd || options.waits_for_end;
  if (!may_wait) ARROW_RETURN_NOT_OK(RequireEnd(*input));
  ARROW_ASSIGN_OR_RAISE(const AggregateCalls calls, CollectCalls(groups, outputs, having));
  ARROW_ASSIGN_OR_RAISE(AggregateInput prepared,
                        PrepareInput(std::move(input), groups, calls.calls()));
  const bool gives_before_end = options.emit != EmitPolicy::kAtEnd ||
                                prepared.plan->properties().boundedness == Boundedness::kUnbounded;
  if (gives_before_end) ARROW_RETURN_NOT_OK(KeepDistinctInStates(&prepared.calls));
  Result<PlanPtr> made =
      HasDistinctCall(prepared.calls)
          ? MakeDistinctAggregate(prepared.plan, prepared.keys, prepared.calls, options.order)
          : MakeAggregateNode(std::move(prepared.plan), std::move(prepared.keys),
                              std::move(prepared.calls), options.order, options.emit);
  ARROW_ASSIGN_OR_RAISE(const PlanPtr node, std::move(made));
  return PlanAbove(node, groups, std::move(outputs), std::move(having), calls, groups.size());
}

Result<PlanPtr> PlanWindowAggregate(PlanPtr input, StreamWindowSpec window,
                                    std::vector<NamedExpression> groups,
                                    std::vector<NamedExpression> outputs, ExpressionPtr having,
                                    EmitPolicy emit) {
  if (window.time == nullptr) {
    return Error(ErrorKind::kInvalidArgument, "a window is over a time column, and none is given");
  }
  if (NestedGroups::Any(groups)) {
    return Error(ErrorKind::kUnsupported, "a group of windows cannot be of a nested type");
  }
  ARROW_RETURN_NOT_OK(RefuseAggregates(window.time, "the time of a window"));
  ARROW_ASSIGN_OR_RAISE(const AggregateCalls calls, CollectCalls(groups, outputs, having));
  std::vector<NamedExpression> keys = groups;
  keys.push_back({window.time, ""});
  const bool keeps_rows = window.late == LatePolicy::kAside;
  ARROW_ASSIGN_OR_RAISE(AggregateInput prepared,
                        PrepareInput(std::move(input), keys, calls.calls(), keeps_rows));
  window.time = ColumnOf(*prepared.plan->schema(), prepared.keys.back());
  prepared.keys.pop_back();
  ARROW_RETURN_NOT_OK(KeepDistinctInStates(&prepared.calls));
  ARROW_ASSIGN_OR_RAISE(
      const PlanPtr node,
      MakeWindowAggregateNode(std::move(prepared.plan), std::move(window), std::move(prepared.keys),
                              std::move(prepared.calls), emit));
  return PlanAbove(node, groups, std::move(outputs), std::move(having), calls, groups.size() + 2);
}

}  // namespace headrace
