// Estimates of how many rows a node gives.
#pragma once

#include <optional>
#include <string>

#include "headrace/plan/node.h"

namespace headrace {

/// None where a source below does not know its rows. For EXPLAIN; never a promise.
std::optional<int64_t> EstimatedRows(const PlanNode& node);
/// Explain, with the estimate behind every line that has one.
std::string ExplainWithEstimates(const PlanNode& plan);

}  // namespace headrace
