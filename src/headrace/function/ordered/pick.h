// Picking rows at a distance: what lag and lead share.
#pragma once

#include <span>
#include <vector>

#include "headrace/function/function.h"

namespace headrace {

/// The distance is the second argument, 1 unless given. Picks the row that far away in
/// `direction` (−1: before, +1: after), of those with a value when nulls are ignored.
Status PickAway(const WindowRows& rows, std::span<const Argument> args, int direction,
                std::vector<int64_t>* picked);

}  // namespace headrace
