// The builder: makes plan nodes, computes their properties and checks what they need. Expressions
// given here may hold aggregate, ordered and callback calls anywhere; the builder lifts them out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

struct NamedExpression {
  ExpressionPtr expression;
  std::string name;
};

/// Scans all columns of `source` and remembers its snapshot.
Result<PlanPtr> PlanScan(SourcePtr source, std::optional<EventTime> event_time = std::nullopt);
/// `predicate` is boolean. It may hold ordered calls, not aggregates.
Result<PlanPtr> PlanFilter(PlanPtr input, ExpressionPtr predicate);
/// Ordered calls and callbacks become nodes below. Names may repeat. Rows keep their order, except
/// that an ordered call with its own order (OVER (ORDER BY …)) leaves them in that order.
Result<PlanPtr> PlanProject(PlanPtr input, std::vector<NamedExpression> outputs);
Result<PlanPtr> PlanLimit(PlanPtr input, int64_t count, int64_t offset = 0);

struct SortExpression {
  ExpressionPtr expression;
  bool descending = false;
  NullPlacement nulls = NullPlacement::kLast;
};
/// Sorts by expressions; the output has the columns of the input. Input that is sorted that way
/// already is returned as it is.
Result<PlanPtr> PlanSort(PlanPtr input, std::vector<SortExpression> keys);

struct AggregateOptions {
  GroupOrder order = GroupOrder::kUnspecified;
  EmitPolicy emit = EmitPolicy::kAtEnd;
  /// The group whose expression is the start of a tumbling window, and the size of the window.
  std::optional<WindowKey> window;
};
/// Output: `groups` by name, then `outputs`, which are expressions over the input that hold
/// aggregate calls and whose other parts are among the groups (else kInvalidArgument names the
/// column). `having` (may be null) is over the same.
Result<PlanPtr> PlanAggregate(PlanPtr input, std::vector<NamedExpression> groups,
                              std::vector<NamedExpression> outputs, ExpressionPtr having = nullptr,
                              AggregateOptions options = {});

/// `condition` is over the columns of left, then right. Equalities between the sides become keys,
/// the rest is the residual; kUnsupported when no equality is left.
Result<PlanPtr> PlanJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition,
                         NullMatching nulls = NullMatching::kNeverMatch);

struct AsofOptions {
  std::vector<int> left_by;
  std::vector<int> right_by;
  AsofDirection direction = AsofDirection::kBackward;
  bool strict = false;
  std::optional<int64_t> tolerance;
  /// Of the `by` columns. A null time matches nothing.
  NullMatching nulls = NullMatching::kNeverMatch;
};
/// Inputs whose known order does not start with the time column are sorted by it first.
Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, int left_time, int right_time,
                             AsofOptions options);
/// The same by a condition over the columns of left, then right: one inequality between the sides
/// (the times) and any number of equalities, joined by AND. kInner drops rows without a match.
Result<PlanPtr> PlanAsofJoin(PlanPtr left, PlanPtr right, JoinKind kind, ExpressionPtr condition);

/// Rewrites with every rule, in the order of plan/rule/list.inc.
Result<PlanPtr> Optimize(PlanPtr plan);
/// The tree as text, one node a line, inputs indented.
std::string Explain(const PlanNode& plan);

}  // namespace headrace
