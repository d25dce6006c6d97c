// TakeRows: rows of a batch by number.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// Rows `rows` (any order, repeats allowed) of a compacted batch; without copying where they follow
/// each other.
Result<Batch> TakeRows(const Batch& batch, const std::vector<uint32_t>& rows,
                       arrow::MemoryPool* pool);

}  // namespace headrace
