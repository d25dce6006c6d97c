// The loops of aggregates: which rows are added to which state. A family writes a State with `Add`,
// and gets `add`, `add_all` and `remove` from here.
#pragma once

#include "headrace/function/view.h"

namespace headrace {

/// The state of a group, of type State at `offset` in the row's block.
template <typename State>
State& StateAt(std::byte* group, size_t offset) {
  return *reinterpret_cast<State*>(group + offset);
}

template <typename State>
void InitState(std::byte* state) {
  new (state) State();
}

template <typename State>
void DestroyState(std::byte* state) {
  reinterpret_cast<State*>(state)->~State();
}

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
