// now() and its kin: functions of the time alone have one value in all of a query.
#pragma once

#include <cstdint>

#include "headrace/plan/node.h"

namespace headrace {

/// The calls of such functions (function_flag::kOncePerQuery) computed for the time `wall_micros`,
/// microseconds since the Unix epoch; unchanged trees are shared. For every run anew: it is no rule
/// of the optimizer, which a session may leave out.
Result<ExpressionPtr> FixTimeOfQuery(const ExpressionPtr& expression, int64_t wall_micros);
Result<PlanPtr> FixTimeOfQuery(const PlanPtr& plan, int64_t wall_micros);

}  // namespace headrace
