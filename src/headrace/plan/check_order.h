// The node of declared orders: rows that are said to come sorted, and are checked as they pass.
#pragma once

#include <string>
#include <vector>

#include "headrace/plan/plan_node.h"

namespace headrace {

/// The rows of its input, whose order is known to be `keys`; a row that is not in order ends the
/// query. Rows that a filter leaves out are not looked at, so filters go below.
class CheckOrderNode final : public PlanNode {
 public:
  CheckOrderNode(PlanProperties properties, PlanPtr input, Ordering keys)
      : PlanNode(std::move(properties), {std::move(input)}), keys(std::move(keys)) {}
  const char* name() const override { return "check_order"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;

  const Ordering keys;
};

/// REQUIRES: `keys` are columns of the input, at least one.
Result<PlanPtr> MakeCheckOrderNode(PlanPtr input, Ordering keys);

}  // namespace headrace
