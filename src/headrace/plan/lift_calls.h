// Lifting: ordered calls and callbacks, which may stand anywhere in an expression, become nodes of
// their own below it, and a reference to their column takes their place.
#pragma once

#include <string>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// `plan` with the values of `expressions` among its columns, whose indexes go to `columns`. The
/// plan's own columns keep their places; plain references and repeats get no new column.
Result<PlanPtr> AppendColumns(PlanPtr plan, const std::vector<ExpressionPtr>& expressions,
                              std::vector<int>* columns);

/// A plan above `plan` in which no ordered call and no callback is left in `expressions` (over the
/// columns of `plan`, which keep their places). Equal ordered calls are computed once, innermost
/// first; those of one window share a node. OVER (ORDER BY …) sorts the rows unless they come so;
/// calls with frames (aggregates, rank, lead …) sort them by PARTITION BY, then ORDER BY.
Result<PlanPtr> LiftCalls(PlanPtr plan, std::vector<ExpressionPtr>* expressions);

/// `plan`, bounded, with the rows of each partition in the order `order`: as it is where they come
/// so, else sorted by partition, then `order`.
Result<PlanPtr> PutInOrder(PlanPtr plan, const std::vector<int>& partition_by,
                           const Ordering& order);

/// kInvalidArgument when an aggregate stands in `expression`; `place` is "a filter (WHERE)".
Status RefuseAggregates(const ExpressionPtr& expression, const char* place);

/// `call` as it goes in a plan node, over `args` (columns and literals).
FunctionCall MakeFunctionCall(const Expression& call, std::vector<ExpressionPtr> args);
/// The arguments of a call, constants folded: what is no literal must become a column below it.
std::vector<ExpressionPtr> FoldedArgs(const Expression& call);

}  // namespace headrace
