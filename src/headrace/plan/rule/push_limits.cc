// Limits move below projections, so that nothing is computed for rows that are not wanted, and into
// the request of a scan right below.
#include <algorithm>
#include <limits>

#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// kNoLimit when there are more than can be counted.
int64_t RowsNeeded(const LimitNode& limit) {
  int64_t rows = 0;
  const bool overflows = __builtin_add_overflow(limit.count, limit.offset, &rows);
  return overflows ? kNoLimit : rows;
}

Result<PlanPtr> LimitScan(const ScanNode& scan, int64_t rows) {
  ScanRequest request = scan.request;
  request.limit = std::min(rows, request.limit.value_or(rows));
  return MakeScanNode(scan.source, std::move(request), scan.snapshot, scan.event_time);
}

Result<PlanPtr> PushLimit(const PlanPtr& plan) {
  const auto* limit = As<LimitNode>(*plan);
  if (limit == nullptr) return plan;
  const PlanPtr& below = plan->input();
  if (As<ProjectNode>(*below) != nullptr) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr lower,
                          MakeLimitNode(below->input(), limit->count, limit->offset));
    ARROW_ASSIGN_OR_RAISE(lower, PushLimit(lower));
    return below->WithInputs({std::move(lower)});
  }
  const auto* scan = As<ScanNode>(*below);
  const int64_t rows = RowsNeeded(*limit);
  if (scan == nullptr || scan->request.limit.value_or(kNoLimit) <= rows) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr limited, LimitScan(*scan, rows));
  return plan->WithInputs({std::move(limited)});
}

}  // namespace

Result<PlanPtr> PushLimitsDown(const PlanPtr& plan) { return RewriteBottomUp(plan, PushLimit); }

}  // namespace headrace
