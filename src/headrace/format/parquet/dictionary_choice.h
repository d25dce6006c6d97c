// Whether a column is worth a dictionary, by a sample: making one of values that hardly repeat
// costs more than all the rest of writing them.
#pragma once

#include <vector>

#include "headrace/types/batch.h"

namespace headrace::parquet_format {

/// `pieces` are of one plain type and hold the first rows of a column. False when most values in a
/// sample of them differ from each other.
bool IsWorthDictionary(const std::vector<ArrayPtr>& pieces);

}  // namespace headrace::parquet_format
