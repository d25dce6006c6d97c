// Subqueries joined to the plan whose expressions use them.
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/coerce.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {
namespace {

/// Columns of a subquery while the columns of the query around are moved to their places.
constexpr int kInnerBase = 1 << 24;

ExpressionPtr Moved(const Expression& column, int index) {
  auto moved = std::make_shared<Expression>(column);
  moved->column = index;
  return moved;
}

/// Marked columns at their places behind `first` columns of the query around.
ExpressionPtr WithInnerColumns(const ExpressionPtr& expression, int first) {
  return ReplaceColumns(expression, [&](const Expression& column) -> ExpressionPtr {
    const bool inner = column.column >= kInnerBase;
    return Moved(column, inner ? column.column - kInnerBase + first : column.column);
  });
}

bool IsNegation(const Unbound& expression) {
  return expression.kind == Unbound::Kind::kCall && expression.name == "not" &&
         expression.args.size() == 1;
}

}  // namespace

Result<ExpressionPtr> CallOf(const char* name, const std::vector<ExpressionPtr>& args) {
  Scope scope;
  std::vector<UnboundPtr> columns;
  for (const ExpressionPtr& arg : args) {
    const std::string column = std::to_string(columns.size());
    scope.Add("", column, arg->type);
    columns.push_back(Unbound::Column({column}, arg->span));
  }
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr call,
                        headrace::Bind(*Unbound::Call(name, columns), scope, Dialect::kSql));
  return ReplaceColumns(
      call, [&](const Expression& column) { return args[static_cast<size_t>(column.column)]; });
}

bool SelectBinder::HasOuter(const Expression& expression) const {
  const size_t width = relation_.scope.entries().size();
  for (const int column : ColumnsOf(expression)) {
    const auto index = static_cast<size_t>(column);
    if (index >= width && extras_[index - width].is_outer) return true;
  }
  return false;
}

/// One term of WHERE: a join with a subquery, a term that ties this subquery to the query around,
/// or a filter.
Status SelectBinder::AddCondition(const UnboundPtr& term) {
  ARROW_ASSIGN_OR_RAISE(const bool joined, JoinBySubquery(term));
  if (joined) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const UnboundPtr prepared, Prepare(term));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, headrace::Bind(*prepared, scope_, Dialect::kSql));
  if (HasOuter(*bound)) {
    correlated_.push_back(std::move(bound));
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition, Attached(bound, &relation_.plan));
  return PlanFilter(relation_.plan, std::move(condition)).Value(&relation_.plan);
}

/// [NOT] EXISTS (…) and x IN (…) as a whole term of WHERE need no mark: rows stay or go.
Result<bool> SelectBinder::JoinBySubquery(const UnboundPtr& term) {
  const bool negated = IsNegation(*term);
  const UnboundPtr& query = negated ? term->args.front() : term;
  if (query->kind != Unbound::Kind::kQuery) return false;
  const bool exists = query->name == "exists";
  if (!exists && (negated || query->name != "= any")) return false;
  ARROW_RETURN_NOT_OK(PrepareQuery(*query).status());
  const size_t extra = extras_.size() - 1;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition,
                        ConditionOf(extra, /*with_operand=*/true, &relation_.plan));
  return PlanJoin(relation_.plan, extras_[extra].subquery.plan,
                  negated ? JoinKind::kAnti : JoinKind::kSemi, std::move(condition))
      .Map([&](PlanPtr plan) {
        relation_.plan = std::move(plan);
        return true;
      });
}

/// Over the columns of `*plan`, then those of the subquery; null: no condition.
Result<ExpressionPtr> SelectBinder::ConditionOf(size_t extra, bool with_operand, PlanPtr* plan) {
  std::vector<ExpressionPtr> terms;
  const BoundSubquery& subquery = extras_[extra].subquery;
  ExpressionPtr comparison;
  if (with_operand && !extras_[extra].operands.empty()) {
    ARROW_ASSIGN_OR_RAISE(comparison, OperandComparison(extra, plan));
  }
  if (subquery.condition != nullptr) {
    const auto width = static_cast<int>(subquery.outer_width);
    ExpressionPtr marked =
        ReplaceColumns(subquery.condition, [&](const Expression& column) -> ExpressionPtr {
          return Moved(column,
                       column.column >= width ? column.column - width + kInnerBase : column.column);
        });
    ARROW_ASSIGN_OR_RAISE(marked, Attached(marked, plan));
    terms.push_back(std::move(marked));
  }
  if (comparison != nullptr) terms.push_back(std::move(comparison));
  if (terms.empty()) return nullptr;
  return WithInnerColumns(MakeConjunction(terms), (*plan)->schema()->num_fields());
}

/// Operands op the first columns of the subquery, whose columns are marked.
Result<ExpressionPtr> SelectBinder::OperandComparison(size_t extra, PlanPtr* plan) {
  const std::string op = extras_[extra].use.substr(0, extras_[extra].use.find(' '));
  std::vector<ExpressionPtr> terms;
  for (size_t i = 0; i < extras_[extra].operands.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr operand, Attached(extras_[extra].operands[i], plan));
    const auto index = static_cast<int>(i);
    const ExpressionPtr column = ColumnOf(*extras_[extra].subquery.plan->schema(), index);
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(),
                          CallOf(op.c_str(), {operand, Moved(*column, kInnerBase + index)}));
  }
  return MakeConjunction(std::move(terms));
}

Result<ExpressionPtr> SelectBinder::Attached(const ExpressionPtr& expression, PlanPtr* plan) {
  const size_t width = relation_.scope.entries().size();
  for (const int column : ColumnsOf(*expression)) {
    const auto index = static_cast<size_t>(column);
    if (index < width || column >= kInnerBase || attached_.contains(index - width)) continue;
    ARROW_ASSIGN_OR_RAISE(const int place, Attach(index - width, plan));
    attached_[index - width] = place;
  }
  return OverPlan(expression, **plan);
}

/// Gives the place of the subquery's result in `*plan`.
Result<int> SelectBinder::Attach(size_t extra, PlanPtr* plan) {
  const std::string use = extras_[extra].use;
  if (use == "scalar") return AttachScalar(extra, plan);
  if (use == "once") {
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr value, Attached(extras_[extra].operands.front(), plan));
    return AttachValue(std::move(value), plan);
  }
  if (use.starts_with("window_")) {
    return Error(
        ErrorKind::kInvalidArgument,
        "the bounds of a window are known when its rows are grouped: in SELECT, HAVING and "
        "ORDER BY, not in WHERE, in GROUP BY expressions or inside aggregates");
  }
  if (use == "aggregate" || use == "grouping" || use == "unnest") {
    const char* const what = use == "unnest" ? "unnest" : "an aggregate";
    return WithSpan(Error(ErrorKind::kInvalidArgument, "{} cannot stand here: {}", what,
                          ToString(*extras_[extra].operands.front())),
                    extras_[extra].operands.front()->span);
  }
  ExpressionPtr in;
  if (use != "exists") {
    ARROW_ASSIGN_OR_RAISE(in, OperandComparison(extra, plan));
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition, ConditionOf(extra, false, plan));
  if (in != nullptr) in = WithInnerColumns(in, (*plan)->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(*plan, PlanMarkJoin(*plan, extras_[extra].subquery.plan,
                                            std::move(condition), std::move(in), "mark"));
  return (*plan)->schema()->num_fields() - 1;
}

Result<int> SelectBinder::AttachScalar(size_t extra, PlanPtr* plan) {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr condition, ConditionOf(extra, false, plan));
  const BoundSubquery subquery = extras_[extra].subquery;
  const int first = (*plan)->schema()->num_fields();
  const JoinKind kind = subquery.is_single ? JoinKind::kLeft : JoinKind::kSingle;
  ARROW_ASSIGN_OR_RAISE(*plan, PlanJoin(*plan, subquery.plan, kind, std::move(condition)));
  if (subquery.value_of_none == nullptr) return first;
  const auto at = [&](int column) { return ColumnOf(*(*plan)->schema(), first + column); };
  // The column after the items is a key of the join: null only where nothing was found.
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr none,
                        CallOf("is_null", {at(static_cast<int>(subquery.num_items))}));
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr value, CallOf("case", {none, subquery.value_of_none, at(0)}));
  return AttachValue(std::move(value), plan);
}

/// A column behind those of `*plan`.
Result<int> SelectBinder::AttachValue(ExpressionPtr value, PlanPtr* plan) {
  std::vector<NamedExpression> outputs;
  for (const ExpressionPtr& column : AllColumnsOf(*(*plan)->schema())) {
    outputs.push_back({column, column->name});
  }
  outputs.push_back({std::move(value), "value"});
  ARROW_ASSIGN_OR_RAISE(*plan, PlanProject(*plan, std::move(outputs)));
  return (*plan)->schema()->num_fields() - 1;
}

/// unnest(…) of the items, in lockstep: a row per element.
Status SelectBinder::AttachUnnested(PlanPtr* plan) {
  std::vector<NamedExpression> lists;
  std::vector<size_t> places;
  for (size_t i = 0; i < extras_.size(); ++i) {
    if (extras_[i].use != "unnest" || attached_.contains(i)) continue;
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr list, Attached(extras_[i].operands.front(), plan));
    lists.push_back({std::move(list), "unnest"});
    places.push_back(i);
  }
  if (lists.empty()) return Status::OK();
  int place = (*plan)->schema()->num_fields();
  for (const size_t extra : places) attached_[extra] = place++;
  return PlanUnnest(std::move(*plan), std::move(lists)).Value(plan);
}

/// REQUIRES: what `expression` uses beside FROM is attached.
Result<ExpressionPtr> SelectBinder::OverPlan(const ExpressionPtr& expression,
                                             const PlanNode& plan) const {
  const auto width = static_cast<int>(relation_.scope.entries().size());
  return Transform(expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    if (grouped_) {
      int place = 0;
      for (const auto* list : {&groups_, &calls_}) {
        for (const NamedExpression& known : *list) {
          if (Equals(*known.expression, *part)) return ColumnOf(*plan.schema(), place);
          ++place;
        }
      }
    }
    if (part->kind != Expression::Kind::kColumn || part->column >= kInnerBase) return nullptr;
    const auto extra = static_cast<size_t>(part->column - width);
    if (part->column >= width && !(grouped_ && below_groups_.contains(extra))) {
      return ColumnOf(*plan.schema(), attached_.at(extra));
    }
    if (!grouped_) return part;
    return WithSpan(Error(ErrorKind::kInvalidArgument,
                          "a column beside aggregates must be one of the groups (GROUP BY) or "
                          "stand inside an aggregate: {}",
                          part->name),
                    part->span);
  });
}

}  // namespace headrace::sql
