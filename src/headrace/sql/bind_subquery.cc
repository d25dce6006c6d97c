// A SELECT inside an expression. Terms of its WHERE over columns of the query around become the
// condition of a join with it; an aggregate is then computed once per value of the inner sides.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/select_binder.h"

namespace headrace::sql {

Result<Relation> SelectBinder::BindBeside(Relation relation, const UnboundPtr& expression,
                                          const std::string& name) {
  relation_ = std::move(relation);
  scope_ = NamesOf(relation_);
  ARROW_ASSIGN_OR_RAISE(const ExpressionPtr bound, BindPrepared(expression));
  PlanPtr plan = relation_.plan;
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr value, Attached(bound, &plan));
  std::vector<NamedExpression> outputs;
  for (size_t i = 0; i < relation_.scope.entries().size(); ++i) {
    const ExpressionPtr column = ColumnOf(*plan->schema(), static_cast<int>(i));
    outputs.push_back({column, column->name});
  }
  relation_.scope.Add(kValueQualifier, name, value->type, /*qualified_only=*/true);
  outputs.push_back({std::move(value), name});
  ARROW_ASSIGN_OR_RAISE(relation_.plan, PlanProject(std::move(plan), std::move(outputs)));
  return relation_;
}

Result<BoundSubquery> SelectBinder::BindAsSubquery(std::string_view use) {
  ARROW_RETURN_NOT_OK(BindFromAndWhere());
  ARROW_RETURN_NOT_OK(BindClauses());
  BoundSubquery subquery;
  subquery.num_items = num_items_;
  subquery.outer_width = outer_->entries().size();
  const bool aggregates = IsAggregate();
  subquery.is_single = aggregates && groups_.empty();
  if (correlated_.empty()) {
    ARROW_ASSIGN_OR_RAISE(subquery.plan, PlanAll());
    return subquery;
  }
  if (subquery.is_single && (having_ != nullptr || use != "scalar")) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a row of aggregates is not supported here in a subquery that uses "
                          "columns of the query around"),
                    query_.span);
  }
  if (query_.limit != nullptr || query_.offset != nullptr) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "LIMIT is not supported in a subquery that uses columns of the query "
                          "around"),
                    query_.span);
  }
  if (subquery.is_single) subquery.value_of_none = ValueOfNone();
  outputs_.resize(num_items_);
  std::vector<ExpressionPtr> terms;
  for (const ExpressionPtr& term : correlated_) {
    ARROW_ASSIGN_OR_RAISE(terms.emplace_back(), Tie(term, aggregates));
  }
  subquery.condition = MakeConjunction(std::move(terms));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, PlanOutputs());
  return Distinct(std::move(plan)).Map([&](PlanPtr distinct) {
    subquery.plan = std::move(distinct);
    return subquery;
  });
}

/// `term` over the columns of the query around, then the outputs, which gain what it needs. With
/// aggregates its inner side becomes a group.
Result<ExpressionPtr> SelectBinder::Tie(const ExpressionPtr& term, bool aggregates) {
  if (aggregates) return TieGroup(*term);
  return Transform(term, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    if (part->kind != Expression::Kind::kColumn) return nullptr;
    if (const Extra* extra = ExtraOf(*part)) return OuterColumn(*part, *extra);
    return OutputColumn(part);
  });
}

/// inner = outer, where each side speaks of its own columns only.
Result<ExpressionPtr> SelectBinder::TieGroup(const Expression& term) {
  if (ComparisonOf(term) == Comparison::kEqual) {
    for (const size_t inner : {0, 1}) {
      const ExpressionPtr& side = term.args[inner];
      if (HasOuter(*side) || !AllOuter(*term.args[1 - inner])) continue;
      groups_.push_back({side, ToString(*side)});
      auto tied = std::make_shared<Expression>(term);
      tied->args[inner] = OutputColumn(side);
      ARROW_ASSIGN_OR_RAISE(
          tied->args[1 - inner],
          Transform(term.args[1 - inner], [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
            if (part->kind != Expression::Kind::kColumn) return nullptr;
            return OuterColumn(*part, *ExtraOf(*part));
          }));
      return tied;
    }
  }
  return WithSpan(Error(ErrorKind::kUnsupported,
                        "a subquery with aggregates is tied to the query around by equalities "
                        "only: {}",
                        ToString(term)),
                  term.span);
}

/// The entry that `column` stands for; null when it is a column of FROM.
const SelectBinder::Extra* SelectBinder::ExtraOf(const Expression& column) const {
  const size_t width = relation_.scope.entries().size();
  const auto index = static_cast<size_t>(column.column);
  return index < width ? nullptr : &extras_[index - width];
}

bool SelectBinder::AllOuter(const Expression& expression) const {
  for (const int column : ColumnsOf(expression)) {
    const Extra* extra = ExtraOf(*Expression::Column(column, "", nullptr));
    if (extra == nullptr || !extra->is_outer) return false;
  }
  return true;
}

Result<ExpressionPtr> SelectBinder::OuterColumn(const Expression& column,
                                                const Extra& extra) const {
  if (!extra.is_outer) {
    return WithSpan(Error(ErrorKind::kUnsupported,
                          "a subquery beside columns of the query around is not supported"),
                    column.span);
  }
  return Expression::Column(extra.outer_column, column.name, column.type);
}

/// The place of `expression` among the outputs, behind the columns of the query around.
ExpressionPtr SelectBinder::OutputColumn(const ExpressionPtr& expression) {
  size_t output = num_items_;
  while (output < outputs_.size() && !Equals(*outputs_[output].expression, *expression)) ++output;
  if (output == outputs_.size()) outputs_.push_back({expression, ToString(*expression)});
  return Expression::Column(static_cast<int>(outer_->entries().size() + output),
                            outputs_[output].name, expression->type);
}

bool CountsRows(const Expression& call) {
  const std::string_view id = call.function->id;
  return id.starts_with("count") || id == "approx_count_distinct" || id == "regr_count";
}

/// What an aggregate without rows gives; null when that is NULL.
ExpressionPtr SelectBinder::ValueOfNone() const {
  const auto value = Transform(
      outputs_.front().expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
        if (!IsCallOf(*part, FunctionKind::kAggregate)) return nullptr;
        if (!CountsRows(*part)) return Expression::Literal(arrow::MakeNullScalar(part->type));
        return Expression::Literal(std::make_shared<arrow::Int64Scalar>(0));
      });
  if (!value.ok() || !ColumnsOf(**value).empty()) return nullptr;
  const ExpressionPtr folded = FoldConstants(*value);
  const bool is_null = folded->kind == Expression::Kind::kLiteral && !folded->literal->is_valid;
  return is_null ? nullptr : folded;
}

}  // namespace headrace::sql
