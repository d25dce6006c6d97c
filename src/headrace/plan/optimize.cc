// The optimizer: every rule once, in the order of the list.
#include "headrace/plan/builder.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

constexpr Rule kRules[] = {
#define HEADRACE_RULE(name) name,
#include "headrace/plan/rule/list.inc"
#undef HEADRACE_RULE
};

}  // namespace

Result<PlanPtr> RewriteInputs(const PlanPtr& node,
                              const std::function<Result<PlanPtr>(const PlanPtr&)>& rewrite) {
  std::vector<PlanPtr> inputs;
  bool changed = false;
  for (const PlanPtr& input : node->inputs()) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr rewritten, rewrite(input));
    changed |= rewritten != input;
    inputs.push_back(std::move(rewritten));
  }
  return changed ? node->WithInputs(std::move(inputs)) : node;
}

Result<PlanPtr> RewriteBottomUp(const PlanPtr& plan,
                                const std::function<Result<PlanPtr>(const PlanPtr&)>& rewrite) {
  ARROW_ASSIGN_OR_RAISE(
      const PlanPtr over_rewritten,
      RewriteInputs(plan, [&](const PlanPtr& input) { return RewriteBottomUp(input, rewrite); }));
  return rewrite(over_rewritten);
}

Result<PlanPtr> Optimize(PlanPtr plan) {
  for (const Rule rule : kRules) {
    ARROW_ASSIGN_OR_RAISE(plan, rule(plan));
  }
  return plan;
}

}  // namespace headrace
