// Joins of large inputs that come sorted by the keys are merged: in memory that does not grow with
// them, and without a table. Rows and their order are those of a join by hash.
#include "headrace/plan/estimate.h"
#include "headrace/plan/merge_join.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

/// A built side of fewer rows is looked up in caches, by all lanes side by side.
constexpr int64_t kMergedRowsMin = int64_t{1} << 16;

Result<PlanPtr> MergeSorted(const PlanPtr& plan) {
  const auto* join = As<JoinNode>(*plan);
  if (join == nullptr || !MergeOrderOf(*join).has_value()) return plan;
  const size_t built = join->terms.build == JoinSide::kLeft ? 0 : 1;
  const std::optional<int64_t> rows = EstimatedRows(*join->inputs()[built]);
  if (rows.has_value() && *rows < kMergedRowsMin) return plan;
  return MakeMergeJoinNode(plan);
}

}  // namespace

Result<PlanPtr> MergeSortedJoins(const PlanPtr& plan) { return RewriteBottomUp(plan, MergeSorted); }

}  // namespace headrace
