// Calls and casts over literals are computed once; AND, OR and CASE lose what cannot matter; a
// filter that is always true goes away.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

bool IsLiteral(const Expression& expression, bool wanted) {
  if (expression.kind != Expression::Kind::kLiteral) return false;
  const arrow::Scalar& value = *expression.literal;
  return value.is_valid && value.type->id() == arrow::Type::BOOL &&
         static_cast<const arrow::BooleanScalar&>(value).value == wanted;
}

ExpressionPtr BooleanLiteral(bool value) {
  return Expression::Literal(std::make_shared<arrow::BooleanScalar>(value));
}

/// AND (`neutral` is true) and OR (false) without arguments that do not matter.
ExpressionPtr SimplifiedConnective(const ExpressionPtr& call, bool neutral) {
  std::vector<ExpressionPtr> args;
  for (const ExpressionPtr& arg : call->args) {
    if (IsLiteral(*arg, !neutral)) return BooleanLiteral(!neutral);
    if (!IsLiteral(*arg, neutral)) args.push_back(arg);
  }
  if (args.size() == call->args.size()) return call;
  if (args.empty()) return BooleanLiteral(neutral);
  if (args.size() == 1) return args.front();
  return Expression::Call(call->function, call->overload, std::move(args), call->type);
}

/// CASE without conditions that are never true, up to the first that always is.
ExpressionPtr SimplifiedCase(const ExpressionPtr& call) {
  std::vector<ExpressionPtr> args;
  size_t i = 0;
  for (; i + 1 < call->args.size(); i += 2) {
    const Expression& condition = *call->args[i];
    const bool is_null =
        condition.kind == Expression::Kind::kLiteral && !condition.literal->is_valid;
    if (is_null || IsLiteral(condition, false)) continue;
    if (IsLiteral(condition, true)) {
      args.push_back(call->args[i + 1]);
      i = call->args.size();
      break;
    }
    args.push_back(call->args[i]);
    args.push_back(call->args[i + 1]);
  }
  if (i < call->args.size()) args.push_back(call->args[i]);
  if (args.size() == call->args.size()) return call;
  if (args.empty()) return Expression::Literal(arrow::MakeNullScalar(call->type));
  if (args.size() == 1) return args.front()->type->Equals(*call->type) ? args.front() : call;
  return Expression::Call(call->function, call->overload, std::move(args), call->type);
}

ExpressionPtr Simplified(const ExpressionPtr& expression) {
  if (expression->kind != Expression::Kind::kCall) return expression;
  auto copy = std::make_shared<Expression>(*expression);
  bool changed = false;
  for (ExpressionPtr& arg : copy->args) {
    ExpressionPtr simplified = Simplified(arg);
    changed = changed || simplified != arg;
    arg = std::move(simplified);
  }
  const ExpressionPtr call = changed ? ExpressionPtr(copy) : expression;
  if (!IsCallOf(*call, FunctionKind::kScalar)) return call;
  const std::string_view id = call->function->id;
  if (id == "and") return SimplifiedConnective(call, true);
  if (id == "or") return SimplifiedConnective(call, false);
  return id == "case" ? SimplifiedCase(call) : call;
}

ExpressionPtr Folded(const ExpressionPtr& expression) {
  return FoldConstants(Simplified(FoldConstants(expression)));
}

Result<PlanPtr> FoldFilter(const PlanPtr& plan, const FilterNode& filter) {
  ExpressionPtr folded = Folded(filter.predicate);
  if (IsLiteral(*folded, true)) return filter.input();
  return folded == filter.predicate ? plan : MakeFilterNode(filter.input(), std::move(folded));
}

Result<PlanPtr> FoldProject(const PlanPtr& plan, const ProjectNode& project) {
  std::vector<ExpressionPtr> folded;
  bool changed = false;
  for (const ExpressionPtr& expression : project.expressions) {
    folded.push_back(Folded(expression));
    changed |= folded.back() != expression;
  }
  if (!changed) return plan;
  return MakeProjectNode(project.input(), std::move(folded), project.schema()->field_names());
}

Result<PlanPtr> FoldJoin(const PlanPtr& plan, const JoinNode& join) {
  if (join.terms.residual == nullptr) return plan;
  JoinTerms terms = join.terms;
  terms.residual = Folded(terms.residual);
  if (terms.residual == join.terms.residual) return plan;
  const bool drops = join.kind != JoinKind::kMark && IsLiteral(*terms.residual, true);
  if (drops) terms.residual = nullptr;
  return MakeJoinNode(plan->inputs()[0], plan->inputs()[1], join.kind, std::move(terms));
}

}  // namespace

Result<PlanPtr> FoldPlanConstants(const PlanPtr& plan) {
  return RewriteBottomUp(plan, [](const PlanPtr& node) -> Result<PlanPtr> {
    if (const auto* filter = As<FilterNode>(*node)) return FoldFilter(node, *filter);
    if (const auto* project = As<ProjectNode>(*node)) return FoldProject(node, *project);
    if (const auto* join = As<JoinNode>(*node)) return FoldJoin(node, *join);
    return node;
  });
}

}  // namespace headrace
