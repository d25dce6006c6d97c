// Calls of functions of the time become literals, in every node that computes expressions.
#include "headrace/plan/fix_time.h"

#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "headrace/function/once_per_query.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

Result<ExpressionPtr> ValueOf(const Expression& call, int64_t wall_micros) {
  KernelContext context{arrow::default_memory_pool(), call.type};
  ARROW_ASSIGN_OR_RAISE(ArrayPtr micros,
                        arrow::MakeArrayFromScalar(arrow::Int64Scalar(wall_micros), 1));
  const Argument time{std::move(micros), true};
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr array,
                        call.overload->scalar(context, std::span(&time, 1), Rows{1}));
  ARROW_ASSIGN_OR_RAISE(ScalarPtr value, array->GetScalar(0));
  auto literal = std::make_shared<Expression>(*Expression::Literal(std::move(value)));
  literal->span = call.span;
  return literal;
}

Result<PlanPtr> FixProject(const PlanPtr& plan, const ProjectNode& project, int64_t wall_micros) {
  std::vector<ExpressionPtr> fixed;
  bool changed = false;
  for (const ExpressionPtr& expression : project.expressions) {
    ARROW_ASSIGN_OR_RAISE(fixed.emplace_back(), FixTimeOfQuery(expression, wall_micros));
    changed |= fixed.back() != expression;
  }
  if (!changed) return plan;
  return MakeProjectNode(project.input(), std::move(fixed), project.schema()->field_names());
}

Result<PlanPtr> FixFilter(const PlanPtr& plan, const FilterNode& filter, int64_t wall_micros) {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr fixed, FixTimeOfQuery(filter.predicate, wall_micros));
  if (fixed == filter.predicate) return plan;
  return MakeFilterNode(filter.input(), std::move(fixed));
}

Result<PlanPtr> FixJoin(const PlanPtr& plan, const JoinNode& join, int64_t wall_micros) {
  if (join.terms.residual == nullptr) return plan;
  JoinTerms terms = join.terms;
  ARROW_ASSIGN_OR_RAISE(terms.residual, FixTimeOfQuery(terms.residual, wall_micros));
  if (terms.residual == join.terms.residual) return plan;
  return MakeJoinNode(join.inputs()[0], join.inputs()[1], join.kind, std::move(terms));
}

Result<PlanPtr> FixLookup(const PlanPtr& plan, const LookupJoinNode& join, int64_t wall_micros) {
  LookupTerms terms = join.terms;
  for (ExpressionPtr* term : {&terms.filter, &terms.residual}) {
    if (*term == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(*term, FixTimeOfQuery(*term, wall_micros));
  }
  if (terms.filter == join.terms.filter && terms.residual == join.terms.residual) return plan;
  return MakeLookupJoinNode(join.input(), join.table, join.kind, std::move(terms));
}

Result<PlanPtr> FixInterval(const PlanPtr& plan, const IntervalJoinNode& join,
                            int64_t wall_micros) {
  if (join.terms.residual == nullptr) return plan;
  IntervalTerms terms = join.terms;
  ARROW_ASSIGN_OR_RAISE(terms.residual, FixTimeOfQuery(terms.residual, wall_micros));
  if (terms.residual == join.terms.residual) return plan;
  return MakeIntervalJoinNode(join.inputs()[0], join.inputs()[1], join.kind, std::move(terms));
}

}  // namespace

Result<ExpressionPtr> FixTimeOfQuery(const ExpressionPtr& expression, int64_t wall_micros) {
  return Transform(expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    const bool is_time =
        part->kind == Expression::Kind::kCall && part->function->Has(function_flag::kOncePerQuery);
    if (!is_time) return nullptr;
    return ValueOf(*part, wall_micros);
  });
}

Result<PlanPtr> FixTimeOfQuery(const PlanPtr& plan, int64_t wall_micros) {
  return RewriteBottomUp(plan, [&](const PlanPtr& node) -> Result<PlanPtr> {
    if (const auto* project = As<ProjectNode>(*node))
      return FixProject(node, *project, wall_micros);
    if (const auto* filter = As<FilterNode>(*node)) return FixFilter(node, *filter, wall_micros);
    if (const auto* join = As<JoinNode>(*node)) return FixJoin(node, *join, wall_micros);
    if (const auto* join = As<LookupJoinNode>(*node)) return FixLookup(node, *join, wall_micros);
    if (const auto* join = As<IntervalJoinNode>(*node)) {
      return FixInterval(node, *join, wall_micros);
    }
    return node;
  });
}

}  // namespace headrace
