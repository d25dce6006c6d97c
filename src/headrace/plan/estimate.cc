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

Estimate RowsOf(const PlanNode& node);

Estimate OfFilter(const FilterNode& filter) {
  Estimate rows = RowsOf(*filter.input());
  if (!rows.has_value()) return rows;
  double share = 1;
  for (const ExpressionPtr& term : SplitConjunction(filter.predicate)) share *= ShareOf(*term);
  return *rows * std::max(share, 0.001);
}

Estimate OfAggregate(const AggregateNode& aggregate) {
  if (aggregate.keys.empty()) return 1;
  const Estimate rows = RowsOf(*aggregate.input());
  if (!rows.has_value()) return rows;
  const double groups = std::pow(*rows, 1 - 0.5 / static_cast<double>(aggregate.keys.size()));
  return std::min(*rows, std::max(groups, 1.0));
}

Estimate OfJoin(const JoinNode& join) {
  const Estimate left = RowsOf(*join.inputs()[0]);
  const Estimate right = RowsOf(*join.inputs()[1]);
  if (!left.has_value() || !right.has_value()) return std::nullopt;
  const double matched = join.terms.left_keys.empty() ? *left * *right : std::max(*left, *right);
  switch (join.kind) {
    case JoinKind::kSemi:
    case JoinKind::kAnti:
      return *left * 0.5;
    case JoinKind::kMark:
    case JoinKind::kSingle:
      return left;
    default:
      return join.terms.residual == nullptr ? matched : matched * 0.3;
  }
}

Estimate RowsOf(const PlanNode& node) {
  if (const auto* scan = As<ScanNode>(node)) {
    const auto rows = scan->source->row_count();
    if (!rows.has_value()) return std::nullopt;
    return static_cast<double>(std::min(*rows, scan->request.limit.value_or(*rows)));
  }
  if (const auto* filter = As<FilterNode>(node)) return OfFilter(*filter);
  if (const auto* aggregate = As<AggregateNode>(node)) return OfAggregate(*aggregate);
  if (const auto* join = As<JoinNode>(node)) return OfJoin(*join);
  if (const auto* limit = As<LimitNode>(node)) {
    const auto count = static_cast<double>(limit->count);
    const Estimate rows = RowsOf(*limit->input());
    return rows.has_value() ? std::min(*rows, count) : count;
  }
  if (As<UnionNode>(node) != nullptr) {
    double sum = 0;
    for (const PlanPtr& input : node.inputs()) {
      const Estimate rows = RowsOf(*input);
      if (!rows.has_value()) return rows;
      sum += *rows;
    }
    return sum;
  }
  return node.inputs().empty() ? std::nullopt : RowsOf(*node.inputs().front());
}

}  // namespace

std::optional<int64_t> EstimatedRows(const PlanNode& node) {
  const Estimate rows = RowsOf(node);
  if (!rows.has_value() || *rows > 9e18) return std::nullopt;
  return static_cast<int64_t>(std::llround(*rows));
}

}  // namespace headrace
