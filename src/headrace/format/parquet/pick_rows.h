// Rows of decoded arrays, some of them or all, with numbers out of their dictionary.
#pragma once

#include <cstdint>
#include <span>

#include "headrace/types/batch.h"

namespace headrace::parquet_format {

/// The rows of `array` at `picks`, which are ascending and in range. Numbers come without a
/// dictionary.
Result<ArrayPtr> PickRows(const ArrayPtr& array, std::span<const uint32_t> picks,
                          arrow::MemoryPool* pool);

/// `array`, or its values where it is numbers with a dictionary.
Result<ArrayPtr> DecodeNumbers(const ArrayPtr& array, arrow::MemoryPool* pool);

}  // namespace headrace::parquet_format
