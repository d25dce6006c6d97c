// A rewrite rule: a function from plans to plans that give the same rows in the same order, or fail
// where the plan would have failed.
#pragma once

#include <functional>

#include "headrace/plan/node.h"

namespace headrace {

using Rule = Result<PlanPtr> (*)(const PlanPtr& plan);

/// Rebuilds `node` over `rewrite`d inputs; the same object when no input changed.
Result<PlanPtr> RewriteInputs(const PlanPtr& node,
                              const std::function<Result<PlanPtr>(const PlanPtr&)>& rewrite);
/// Applies `rewrite` to every node, inputs first.
Result<PlanPtr> RewriteBottomUp(const PlanPtr& plan,
                                const std::function<Result<PlanPtr>(const PlanPtr&)>& rewrite);

/// Every rule, declared from plan/rule/list.inc; each is defined in a file of its own.
#define HEADRACE_RULE(name) Result<PlanPtr> name(const PlanPtr& plan);
#include "headrace/plan/rule/list.inc"
#undef HEADRACE_RULE

}  // namespace headrace
