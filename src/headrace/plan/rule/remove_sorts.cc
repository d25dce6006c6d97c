// Sorts whose input comes in their order already go away, and so do sorts below an aggregate whose
// result does not depend on the order of rows.
#include <algorithm>

#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

bool IgnoresOrder(const PlanNode& plan) {
  const auto* aggregate = As<AggregateNode>(plan);
  if (aggregate == nullptr || aggregate->order == GroupOrder::kFirstAppearance) return false;
  return std::none_of(
      aggregate->calls.begin(), aggregate->calls.end(),
      [](const FunctionCall& call) { return call.function->Has(function_flag::kOrderSensitive); });
}

/// `plan` without the sort on top of it, below filters and projections.
Result<PlanPtr> Unsorted(const PlanPtr& plan) {
  if (As<SortNode>(*plan) != nullptr) return Unsorted(plan->input());
  if (As<FilterNode>(*plan) == nullptr && As<ProjectNode>(*plan) == nullptr) return plan;
  return RewriteInputs(plan, Unsorted);
}

Result<PlanPtr> RemoveSort(const PlanPtr& plan) {
  if (IgnoresOrder(*plan)) return RewriteInputs(plan, Unsorted);
  const auto* sort = As<SortNode>(*plan);
  const bool is_sorted =
      sort != nullptr && Satisfies(sort->input()->properties().ordering, sort->keys);
  return is_sorted ? sort->input() : plan;
}

}  // namespace

Result<PlanPtr> RemoveSorts(const PlanPtr& plan) { return RewriteBottomUp(plan, RemoveSort); }

}  // namespace headrace
