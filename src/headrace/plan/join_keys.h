// Taking a join condition apart: which of its terms compare one side with the other.
#pragma once

#include <optional>
#include <vector>

#include "headrace/plan/node.h"
#include "headrace/plan/transform.h"

namespace headrace {

/// `left op right`: each side over the columns of its own input.
struct SidePair {
  Comparison op = Comparison::kNone;
  ExpressionPtr left;
  ExpressionPtr right;
};

/// `term` (over the columns of both inputs, `left_width` of them left) as a comparison between the
/// sides; null when it is none.
std::optional<SidePair> SplitTerm(const ExpressionPtr& term, int left_width);

/// Both inputs with key columns that may have been appended, to be dropped above the join.
struct KeyedInputs {
  PlanPtr left;
  PlanPtr right;
  std::vector<int> left_keys;
  std::vector<int> right_keys;
};
Result<KeyedInputs> AppendKeys(PlanPtr left, PlanPtr right, const std::vector<SidePair>& pairs);

/// Where columns of `left`, then `right` stand in the output of a join of `keyed`.
std::vector<int> PlacesAfterKeys(const PlanNode& left, const PlanNode& right,
                                 const KeyedInputs& keyed);
/// `join` with the appended keys dropped.
Result<PlanPtr> DropKeys(PlanPtr join, const PlanNode& left, const PlanNode& right,
                         const KeyedInputs& keyed);

}  // namespace headrace
