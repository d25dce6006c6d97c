// Sorting of rows by encoded keys in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/row_store.h"

namespace headrace {

/// Rows [begin, end) of a chunk of a RowStore, and the keys of the chunk.
struct KeySlice {
  const SortKeys* keys = nullptr;
  int32_t chunk = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

/// What SortRows takes per row.
inline constexpr int64_t kSortRowBytes = 16;

/// Appends references to the rows of all slices in the order of their keys, no two of which are
/// equal and each of which ends in a position.
void SortRows(std::span<const KeySlice> slices, std::vector<RowRef>* refs);

}  // namespace headrace
