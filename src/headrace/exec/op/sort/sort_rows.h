// Sorting of rows by encoded keys in memory.
#pragma once

#include <string_view>
#include <vector>

#include "headrace/exec/op/row_store.h"

namespace headrace {

/// A row to be gathered, and its key.
struct KeyedRow {
  RowRef row;
  std::string_view key;
};

/// Brings rows into the order of their keys, no two of which are equal. Keys that nearly are in
/// order cost least; memory: 40 bytes a row.
void SortRows(std::vector<KeyedRow>* rows);

}  // namespace headrace
