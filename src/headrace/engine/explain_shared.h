// EXPLAIN of plans that scan what is computed once for several scans.
#pragma once

#include <string>

#include "headrace/engine/computed_source.h"

namespace headrace {

/// The tree of `plan`, then that of every shared query that it scans, or that one of these scans:
/// once, below its name and the number of its scans. `prepare` makes the plan of a query the one
/// that runs.
Result<std::string> ExplainWithShared(const PlanNode& plan, const PlanRewrite& prepare);

}  // namespace headrace
