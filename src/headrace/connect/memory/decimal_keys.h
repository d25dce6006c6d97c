// Decimals as keys: by their value, whatever width and scale they come in.
#pragma once

#include "headrace/types/batch.h"

namespace headrace {

/// Decimals in the decimal type `type`; null where that has no such value. Plain arrays.
Result<ArrayPtr> FitDecimals(const ArrayPtr& decimals, const TypePtr& type,
                             arrow::MemoryPool* pool);

}  // namespace headrace
