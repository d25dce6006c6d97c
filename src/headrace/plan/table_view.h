// TableView: a plan that only chooses rows and columns of a table that can be probed by key.
#pragma once

#include <optional>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// Filters and projections over the scan of a bounded source with a Lookup, as expressions over the
/// columns of the source's schema.
struct TableView {
  SourcePtr table;
  std::vector<ExpressionPtr> columns;  // one per column of the plan
  std::vector<ExpressionPtr> filters;  // all must be true
};

/// None where `plan` is no such plan, limits its rows, or computes something volatile.
std::optional<TableView> TableViewOf(const PlanNode& plan);

}  // namespace headrace
