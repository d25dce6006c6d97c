// DISTINCT in aggregates over frames that begin with their partition.
#pragma once

#include <vector>

#include "headrace/expression/expression.h"

namespace headrace {

/// Such calls become calls without DISTINCT: their arguments are null but in the first row of their
/// values in the partition, told by a row_number. So their states hold no values, and rows of which
/// memory has no room are sorted on disk. Calls that null arguments or the order of rows matter to
/// stay; so do frames that begin elsewhere, or leave rows out. REQUIRES: a bounded input.
Status CountFirstOccurrences(std::vector<ExpressionPtr>* expressions);

}  // namespace headrace
