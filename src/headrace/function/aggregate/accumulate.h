// What the loops of aggregates share: the rows that count and where they stand.
#pragma once

#include "headrace/function/state.h"
#include "headrace/function/view.h"

namespace headrace {

/// Calls `visit(row)` for every row whose first argument is not null.
template <typename Visit>
void ForEachValid(const AggregateRows& rows, Visit&& visit) {
  const Validity valid(rows.args[0]);
  if (valid.all_valid()) {
    for (int64_t row = 0; row < rows.length; ++row) visit(row);
    return;
  }
  for (int64_t row = 0; row < rows.length; ++row) {
    if (valid[row]) visit(row);
  }
}

/// Where a row stands in the whole input.
inline RowPosition PositionOfRow(const AggregateRows& rows, int64_t row) {
  if (rows.positions != nullptr) return rows.positions[row];
  return {rows.first.split, rows.first.row + row};
}

}  // namespace headrace
