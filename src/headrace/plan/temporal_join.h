// The node of temporal joins: rows of a stream with the version of a table that was valid at their
// time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Times are timestamp columns; keys are compared in pairs, and nulls never match.
struct TemporalTerms {
  std::vector<int> left_keys;  // at least one
  std::vector<int> right_keys;
  int left_time = 0;
  int right_time = 0;
  /// Over left columns, then right columns: versions for which it is not true do not match.
  ExpressionPtr residual;
};

/// Every left row once, with the right row of its key that has the greatest time not after its own
/// (of equal times the one that came last): right rows are versions, each valid until the next of
/// its key. Without one the left row goes (inner) or has nulls (left). Output: left columns, then
/// right columns. Inputs that end or not.
class TemporalJoinNode final : public PlanNode {
 public:
  TemporalJoinNode(PlanProperties properties, PlanPtr left, PlanPtr right, JoinKind kind,
                   TemporalTerms terms)
      : PlanNode(std::move(properties), {std::move(left), std::move(right)}),
        kind(kind),
        terms(std::move(terms)) {}
  const char* name() const override { return "temporal_join"; }
  std::string Describe() const override;
  Result<PlanPtr> WithInputs(std::vector<PlanPtr> inputs) const override;
  Result<PrunedPlan> Prune(const ColumnMask& needed) const override;
  std::string DescribeState() const override;

  const JoinKind kind;  // inner or left
  const TemporalTerms terms;
};

Result<PlanPtr> MakeTemporalJoinNode(PlanPtr left, PlanPtr right, JoinKind kind,
                                     TemporalTerms terms);

/// `condition` is over the columns of left, then right: equalities between the sides are keys, the
/// rest must be true of the version. `left_time` is a column of the left side that holds its event
/// time; so does the right side have one.
Result<PlanPtr> PlanTemporalJoin(PlanPtr left, PlanPtr right, JoinKind kind,
                                 ExpressionPtr condition, int left_time);

}  // namespace headrace
