// Aggregates over distinct values: count(DISTINCT x).
#pragma once

#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

bool HasDistinctCall(const std::vector<FunctionCall>& calls);

/// What an aggregate node would give whose calls may be DISTINCT: keys, then calls. Calls over the
/// same arguments share one pass that makes them distinct; passes are joined on the keys. The input
/// is bounded.
Result<PlanPtr> MakeDistinctAggregate(const PlanPtr& input, const std::vector<int>& keys,
                                      const std::vector<FunctionCall>& calls, GroupOrder order);

/// Where groups are given before the input ends: `calls` without DISTINCT that give the same, as
/// their states keep the values. kUnsupported for other functions than count, min and max.
Status KeepDistinctInStates(std::vector<FunctionCall>* calls);

}  // namespace headrace
