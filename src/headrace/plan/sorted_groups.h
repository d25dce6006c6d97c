// Whether the rows of groups come together, so that an aggregate needs no table of groups.
#pragma once

#include "headrace/plan/node.h"

namespace headrace {

/// Over bounded rows that are only added, in an order that begins with the keys, or where keys
/// advance (see AdvancesWithin); there are keys.
bool ComesByGroup(const AggregateNode& aggregate);

}  // namespace headrace
