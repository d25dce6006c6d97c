// RowIdsOf: the row numbers of a gather as an array of indices.
#pragma once

#include <span>

#include "headrace/types/batch.h"

namespace headrace {

/// int64 indices for Take; −1 becomes null. They may point into `row_ids`, which has to outlive
/// them.
Result<ArrayPtr> RowIdsOf(std::span<const int64_t> row_ids, arrow::MemoryPool* pool);

}  // namespace headrace
