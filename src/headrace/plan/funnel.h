// The node of funnels: how many of a row of steps each partition went through in time.
#pragma once

#include <string>
#include <vector>

#include "headrace/plan/plan_node.h"

namespace headrace {

/// A row per partition, in the order in which they come first (one row where there is no key): its
/// keys, and the greatest k for which there are rows, each behind the one before it, where steps
/// 1 … k are true, the last at most `within` behind the first by `time`. Rows without a time count
/// for nothing. REQUIRES: the rows of a partition come in the order of `time`, ascending.
class FunnelNode final : public PlanNode {
 public:
  FunnelNode(PlanProperties properties, PlanPtr input, std::vector<int> keys, int time,
             std::vector<int> steps, int64_t within)
      : PlanNode(std::move(properties), {std::move(input)}),
        keys(std::move(keys)),
        time(time),
        steps(std::move(steps)),
        within(within) {}
  const char* name() const override { return "funnel"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::vector<int> FilterPlaces(size_t input) const override;
  bool IsEmptyOver(const std::vector<bool>& empty) const override;

  const std::vector<int> keys;
  const int time;                // BIGINT or TIMESTAMP
  const std::vector<int> steps;  // BOOLEAN
  const int64_t within;          // in units of the time
};

/// The last column, BIGINT.
inline constexpr const char* kFunnelDepth = "depth";

Result<PlanPtr> MakeFunnelNode(PlanPtr input, std::vector<int> keys, int time,
                               std::vector<int> steps, int64_t within);

}  // namespace headrace
