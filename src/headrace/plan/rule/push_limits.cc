// Limits move below projections, so that nothing is computed for rows that are not wanted, into the
// request of a scan right below, and are repeated below unions and on the left of left joins.
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

/// Every left row comes at least once, in the order of the left side.
bool GivesEveryLeftRow(const JoinNode& join) {
  const bool keeps_left = join.kind == JoinKind::kLeft || join.kind == JoinKind::kSingle ||
                          join.kind == JoinKind::kMark;
  return keeps_left && join.terms.build == JoinSide::kRight;
}

Result<PlanPtr> PushLimit(const PlanPtr& plan);

/// `plan`, a limit, with at most `rows` rows of each of the first `count` inputs of what is below.
Result<PlanPtr> LimitInputs(const PlanPtr& plan, int64_t rows, size_t count) {
  if (rows == kNoLimit) return plan;
  std::vector<PlanPtr> inputs = plan->input()->inputs();
  bool changed = false;
  for (size_t i = 0; i < count; ++i) {
    const auto* known = As<LimitNode>(*inputs[i]);
    if (known != nullptr && known->count <= rows) continue;
    ARROW_ASSIGN_OR_RAISE(inputs[i], MakeLimitNode(std::move(inputs[i]), rows, 0));
    ARROW_ASSIGN_OR_RAISE(inputs[i], PushLimit(inputs[i]));
    changed = true;
  }
  if (!changed) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, plan->input()->WithInputs(std::move(inputs)));
  return plan->WithInputs({std::move(below)});
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
  const int64_t rows = RowsNeeded(*limit);
  if (As<UnionNode>(*below) != nullptr) return LimitInputs(plan, rows, below->inputs().size());
  const auto* join = As<JoinNode>(*below);
  if (join != nullptr && GivesEveryLeftRow(*join)) return LimitInputs(plan, rows, 1);
  const auto* scan = As<ScanNode>(*below);
  if (scan == nullptr || scan->request.limit.value_or(kNoLimit) <= rows) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr limited, LimitScan(*scan, rows));
  return plan->WithInputs({std::move(limited)});
}

}  // namespace

Result<PlanPtr> PushLimitsDown(const PlanPtr& plan) { return RewriteBottomUp(plan, PushLimit); }

}  // namespace headrace
