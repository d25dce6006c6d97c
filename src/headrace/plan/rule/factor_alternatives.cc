// Terms that all alternatives share are taken out: (a AND b) OR (a AND c) is a AND (b OR c), so `a`
// can move on its own; a OR (a AND b) is a.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/function/registry.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

using Terms = std::vector<ExpressionPtr>;

bool Contains(const Terms& terms, const Expression& term) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const ExpressionPtr& other) { return Equals(*other, term); });
}

ExpressionPtr MakeDisjunction(const Expression& like, Terms terms) {
  if (terms.size() == 1) return terms.front();
  return Expression::Call(like.function, like.overload, std::move(terms), arrow::boolean());
}

/// `expression`, or the same with shared terms in front.
ExpressionPtr Factored(const ExpressionPtr& expression) {
  if (!IsOr(*expression) || IsVolatile(*expression)) return expression;
  const Terms alternatives = SplitDisjunction(expression);
  std::vector<Terms> parts;
  for (const ExpressionPtr& alternative : alternatives) {
    parts.push_back(SplitConjunction(alternative));
  }
  Terms shared;
  for (const ExpressionPtr& term : parts.front()) {
    const bool in_all = std::all_of(parts.begin(), parts.end(),
                                    [&](const Terms& part) { return Contains(part, *term); });
    if (in_all && !Contains(shared, *term)) shared.push_back(term);
  }
  if (shared.empty()) return expression;
  Terms rest;
  for (Terms& part : parts) {
    part.erase(std::remove_if(part.begin(), part.end(),
                              [&](const ExpressionPtr& term) { return Contains(shared, *term); }),
               part.end());
    if (part.empty()) return MakeConjunction(std::move(shared));
    rest.push_back(MakeConjunction(std::move(part)));
  }
  shared.push_back(MakeDisjunction(*expression, std::move(rest)));
  return MakeConjunction(std::move(shared));
}

/// Every term of a conjunction factored; the same object when there is nothing to do.
ExpressionPtr FactoredTerms(const ExpressionPtr& predicate) {
  Terms terms;
  bool changed = false;
  for (const ExpressionPtr& term : SplitConjunction(predicate)) {
    const ExpressionPtr factored = Factored(term);
    changed = changed || factored != term;
    for (const ExpressionPtr& part : SplitConjunction(factored)) terms.push_back(part);
  }
  return changed ? MakeConjunction(std::move(terms)) : predicate;
}

Result<PlanPtr> Factor(const PlanPtr& plan) {
  if (const auto* filter = As<FilterNode>(*plan)) {
    const ExpressionPtr factored = FactoredTerms(filter->predicate);
    if (factored == filter->predicate) return plan;
    return MakeFilterNode(filter->input(), factored);
  }
  const auto* join = As<JoinNode>(*plan);
  if (join == nullptr || join->terms.residual == nullptr) return plan;
  JoinTerms terms = join->terms;
  terms.residual = FactoredTerms(terms.residual);
  if (terms.residual == join->terms.residual) return plan;
  return MakeJoinNode(plan->inputs()[0], plan->inputs()[1], join->kind, std::move(terms));
}

}  // namespace

Result<PlanPtr> FactorAlternatives(const PlanPtr& plan) { return RewriteBottomUp(plan, Factor); }

}  // namespace headrace
