// The node of a union that keeps an order: sorted inputs merged into one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/plan_node.h"

namespace headrace {

/// The rows of all inputs in the order `keys`; of equal ones those of the first input come first.
/// REQUIRES: each input comes in that order, and all have equal columns up to encoding.
class MergeUnionNode final : public PlanNode {
 public:
  MergeUnionNode(PlanProperties properties, std::vector<PlanPtr> inputs, Ordering keys)
      : PlanNode(std::move(properties), std::move(inputs)), keys(std::move(keys)) {}
  const char* name() const override { return "merge_union"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::optional<double> EstimateRows() const override;

  const Ordering keys;
};

Result<PlanPtr> MakeMergeUnionNode(std::vector<PlanPtr> inputs, Ordering keys);

}  // namespace headrace
