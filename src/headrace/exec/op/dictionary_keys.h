// Keys that come with a dictionary, as its values and a number for each row.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// The values of the dictionary of `column`, and a null behind them. Null when it has none, or one
/// that is not small beside the rows.
Result<ArrayPtr> SmallDictionary(const arrow::Array& column, arrow::MemoryPool* pool);

/// Of each row of a column that has a small dictionary the place of its value in there; rows that
/// are null have the null behind them.
void CodesOf(const arrow::Array& column, std::vector<uint32_t>* codes);

}  // namespace headrace
