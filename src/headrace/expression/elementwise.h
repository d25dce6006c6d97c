// Functions of one value, over a dictionary: run once per used dictionary value, then spread.
#pragma once

#include <functional>

#include "headrace/function/function.h"

namespace headrace {

/// Whether the argument is a dictionary with no more values than there are rows.
bool IsWorthElementwise(const Argument& arg, const Rows& rows);

/// Runs `map` over the dictionary values that active rows use and gives every row its value's
/// result, in plain encoding. Rows that are not active are null or hold anything.
Result<ArrayPtr> MapDictionary(
    const arrow::Array& dictionary_array, const Rows& rows, const TypePtr& result_type,
    const std::function<Result<ArrayPtr>(const ArrayPtr& values, const Rows& rows)>& map,
    arrow::MemoryPool* pool);

}  // namespace headrace
