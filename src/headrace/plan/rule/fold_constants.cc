// Calls and casts over literals are computed once; a filter that is always true goes away.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

bool IsTrue(const Expression& expression) {
  if (expression.kind != Expression::Kind::kLiteral) return false;
  const arrow::Scalar& value = *expression.literal;
  return value.is_valid && value.type->id() == arrow::Type::BOOL &&
         static_cast<const arrow::BooleanScalar&>(value).value;
}

Result<PlanPtr> FoldFilter(const PlanPtr& plan, const FilterNode& filter) {
  ExpressionPtr folded = FoldConstants(filter.predicate);
  if (IsTrue(*folded)) return filter.input();
  return folded == filter.predicate ? plan : MakeFilterNode(filter.input(), std::move(folded));
}

Result<PlanPtr> FoldProject(const PlanPtr& plan, const ProjectNode& project) {
  std::vector<ExpressionPtr> folded;
  bool changed = false;
  for (const ExpressionPtr& expression : project.expressions) {
    folded.push_back(FoldConstants(expression));
    changed |= folded.back() != expression;
  }
  if (!changed) return plan;
  return MakeProjectNode(project.input(), std::move(folded), project.schema()->field_names());
}

}  // namespace

Result<PlanPtr> FoldPlanConstants(const PlanPtr& plan) {
  return RewriteBottomUp(plan, [](const PlanPtr& node) -> Result<PlanPtr> {
    if (const auto* filter = As<FilterNode>(*node)) return FoldFilter(node, *filter);
    if (const auto* project = As<ProjectNode>(*node)) return FoldProject(node, *project);
    return node;
  });
}

}  // namespace headrace
