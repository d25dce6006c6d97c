// The node of joins that are done by merging: both inputs come sorted by the keys.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// The orders in which the inputs of a join come: entry i of both is of the same pair of keys, in
/// the same direction and with nulls in the same place. Columns are those of each input.
struct MergeOrder {
  Ordering left;
  Ordering right;
};

/// How the inputs of `join` can be merged: both end, and their orders begin with all of the keys.
/// None: they cannot, or the kind is kMark or kSingle.
std::optional<MergeOrder> MergeOrderOf(const JoinNode& join);
/// OK where there is one, else kInvalidArgument that says which side has to be sorted, and how.
Status RequireMergeOrder(const JoinNode& join);

/// The rows of a join, in the order of the side that the join streams; matches of one row come in
/// the order of the other side. Where rows of the built side without a match are given, they stand
/// where their keys belong: all rows come in the order of the keys.
class MergeJoinNode final : public PlanNode {
 public:
  MergeJoinNode(PlanProperties properties, std::shared_ptr<const JoinNode> join, MergeOrder order)
      : PlanNode(std::move(properties), join->inputs()),
        join(std::move(join)),
        order(std::move(order)) {}
  const char* name() const override { return "merge_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  std::optional<double> EstimateRows() const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const std::shared_ptr<const JoinNode> join;  // over the same inputs
  const MergeOrder order;
};

/// REQUIRES: `join` is a JoinNode whose inputs can be merged.
Result<PlanPtr> MakeMergeJoinNode(const PlanPtr& join);

}  // namespace headrace
