// What can give no row is not run: filters that are never true, LIMIT 0, and what is above them.
#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

/// A scan of which no row is wanted.
bool IsNothing(const PlanNode& plan) {
  const auto* scan = As<ScanNode>(plan);
  return scan != nullptr && scan->request.limit == 0;
}

/// No rows with the columns of `plan`.
Result<PlanPtr> NothingOf(const PlanNode& plan) {
  MemoryTableOptions options;
  options.name = "nothing";
  options.ordering = plan.properties().ordering;
  ARROW_ASSIGN_OR_RAISE(SourcePtr table, MemoryTable::Make(plan.schema(), {}, std::move(options)));
  ARROW_ASSIGN_OR_RAISE(const PlanPtr scan, PlanScan(std::move(table)));
  const auto& node = static_cast<const ScanNode&>(*scan);
  ScanRequest request = node.request;
  request.limit = 0;
  return MakeScanNode(node.source, std::move(request), node.snapshot, std::nullopt);
}

bool NeverTrue(const Expression& predicate) {
  if (predicate.kind != Expression::Kind::kLiteral) return false;
  const arrow::Scalar& value = *predicate.literal;
  return !value.is_valid || (value.type->id() == arrow::Type::BOOL &&
                             !static_cast<const arrow::BooleanScalar&>(value).value);
}

bool GivesNothing(const PlanNode& plan) {
  if (const auto* filter = As<FilterNode>(plan)) {
    if (NeverTrue(*filter->predicate)) return true;
  }
  const auto* limit = As<LimitNode>(plan);
  if (limit != nullptr && limit->count == 0) return true;
  std::vector<bool> empty;
  for (const PlanPtr& input : plan.inputs()) empty.push_back(IsNothing(*input));
  return plan.IsEmptyOver(empty);
}

/// The inputs of a union that may give rows, under the names of the first.
Result<PlanPtr> OthersOf(const PlanPtr& plan) {
  std::vector<PlanPtr> inputs = plan->inputs();
  inputs.erase(std::remove_if(inputs.begin(), inputs.end(),
                              [](const PlanPtr& input) { return IsNothing(*input); }),
               inputs.end());
  if (inputs.size() == plan->inputs().size()) return plan;
  PlanPtr others = inputs.front();
  if (inputs.size() > 1) {
    ARROW_ASSIGN_OR_RAISE(others, MakeUnionNode(std::move(inputs)));
  }
  return MakeProjectNode(others, AllColumnsOf(*others->schema()), plan->schema()->field_names());
}

Result<PlanPtr> PruneNothing(const PlanPtr& plan) {
  const bool is_table = plan->properties().boundedness == Boundedness::kBounded &&
                        plan->properties().change_mode == ChangeMode::kAppend;
  if (!is_table || IsNothing(*plan)) return plan;
  if (GivesNothing(*plan)) return NothingOf(*plan);
  if (As<UnionNode>(*plan) != nullptr) return OthersOf(plan);
  const auto* join = As<JoinNode>(*plan);
  const bool keeps_all =
      join != nullptr && join->kind == JoinKind::kAnti && IsNothing(*plan->inputs()[1]);
  return keeps_all ? plan->inputs().front() : plan;
}

}  // namespace

bool PlanNode::IsEmptyOver(const std::vector<bool>& empty) const {
  return !empty.empty() && std::find(empty.begin(), empty.end(), false) == empty.end();
}

bool AggregateNode::IsEmptyOver(const std::vector<bool>& empty) const {
  return empty[0] && !keys.empty();
}

bool JoinNode::IsEmptyOver(const std::vector<bool>& empty) const {
  const bool needs_left = kind != JoinKind::kRight && kind != JoinKind::kFull;
  const bool needs_right =
      kind == JoinKind::kInner || kind == JoinKind::kSemi || kind == JoinKind::kRight;
  return (empty[0] && (empty[1] || needs_left)) || (empty[1] && needs_right);
}

bool AsofJoinNode::IsEmptyOver(const std::vector<bool>& empty) const { return empty[0]; }

/// What user code does besides giving a value is not known.
bool CallbackNode::IsEmptyOver(const std::vector<bool>& /*empty*/) const { return false; }

Result<PlanPtr> PruneEmpty(const PlanPtr& plan) { return RewriteBottomUp(plan, PruneNothing); }

}  // namespace headrace
