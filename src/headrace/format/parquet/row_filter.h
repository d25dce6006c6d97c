// Which rows of decoded columns can satisfy the bounds of a scan, so that the other columns need
// not be decoded where none can.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/table/bound.h"

namespace headrace::parquet_format {

/// Clears `keep[row]` of the first `keep->size()` rows of `array`, the column of the bound, that
/// cannot satisfy it. Types that are not compared here keep all their rows.
void FilterRows(const ColumnBound& bound, const arrow::Array& array, std::vector<uint8_t>* keep);

/// The rows that are kept.
void PositionsOf(const std::vector<uint8_t>& keep, std::vector<uint32_t>* rows);

}  // namespace headrace::parquet_format
