// Columns whose values, once passed, do not come back.
#pragma once

#include <optional>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// The columns within whose groups `column` never falls, or never rises, row after row, nulls at
/// one end; empty: over all rows. None: that is not known.
std::optional<std::vector<int>> AdvancesWithin(const PlanNode& plan, int column);

}  // namespace headrace
