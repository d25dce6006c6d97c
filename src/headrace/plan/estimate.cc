// Estimates of row counts, from what sources know and fixed shares for what they do not.
#include "headrace/plan/estimate.h"

#include <algorithm>
#include <cmath>

#include "headrace/plan/transform.h"

namespace headrace {
namespace {

using Estimate = std::optional<double>;

/// The share of rows that one term of a filter lets pass.
double ShareOf(const Expression& term) {
  switch (ComparisonOf(term)) {
    case Comparison::kEqual:
    case Comparison::kNotDistinct:
      return 0.1;
    case Comparison::kNone:
      return 0.5;
    default:
      return 0.3;
  }
}

}  // namespace

Estimate PlanNode::EstimateRows() const {
  return inputs_.empty() ? std::nullopt : inputs_.front()->EstimateRows();
}

Estimate ScanNode::EstimateRows() const {
  const auto rows = source->row_count();
  if (!rows.has_value()) return std::nullopt;
  return static_cast<double>(std::min(*rows, request.limit.value_or(*rows)));
}

Estimate FilterNode::EstimateRows() const {
  const Estimate rows = input()->EstimateRows();
  if (!rows.has_value()) return rows;
  double share = 1;
  for (const ExpressionPtr& term : SplitConjunction(predicate)) share *= ShareOf(*term);
  return *rows * std::max(share, 0.001);
}

Estimate AggregateNode::EstimateRows() const {
  if (keys.empty()) return 1;
  const Estimate rows = input()->EstimateRows();
  if (!rows.has_value()) return rows;
  const double groups = std::pow(*rows, 1 - 0.5 / static_cast<double>(keys.size()));
  return std::min(*rows, std::max(groups, 1.0));
}

Estimate JoinNode::EstimateRows() const {
  const Estimate left = inputs()[0]->EstimateRows();
  const Estimate right = inputs()[1]->EstimateRows();
  if (!left.has_value() || !right.has_value()) return std::nullopt;
  const double matched = terms.left_keys.empty() ? *left * *right : std::max(*left, *right);
  switch (kind) {
    case JoinKind::kSemi:
    case JoinKind::kAnti:
      return *left * 0.5;
    case JoinKind::kMark:
    case JoinKind::kSingle:
      return left;
    default:
      return terms.residual == nullptr ? matched : matched * 0.3;
  }
}

Estimate LimitNode::EstimateRows() const {
  const auto most = static_cast<double>(count);
  const Estimate rows = input()->EstimateRows();
  return rows.has_value() ? std::min(*rows, most) : most;
}

Estimate UnionNode::EstimateRows() const {
  double sum = 0;
  for (const PlanPtr& input : inputs()) {
    const Estimate rows = input->EstimateRows();
    if (!rows.has_value()) return rows;
    sum += *rows;
  }
  return sum;
}

std::optional<int64_t> EstimatedRows(const PlanNode& node) {
  const Estimate rows = node.EstimateRows();
  if (!rows.has_value() || *rows > 9e18) return std::nullopt;
  return static_cast<int64_t>(std::llround(*rows));
}

}  // namespace headrace
