// Aggregates over distinct values: count(DISTINCT x).
#pragma once

#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

bool HasDistinctCall(const std::vector<FunctionCall>& calls);

/// What an aggregate node would give whose calls may be DISTINCT: keys, then calls. Calls over the
/// same arguments share one pass that makes them distinct; passes are joined on the keys.
Result<PlanPtr> MakeDistinctAggregate(const PlanPtr& input, const std::vector<int>& keys,
                                      const std::vector<FunctionCall>& calls, GroupOrder order);

}  // namespace headrace
