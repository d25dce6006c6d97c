// Functions that take a lambda: list_transform(l, x -> x + 1).
#pragma once

#include <cstdint>

namespace headrace::function_flag {

/// The second argument of the call is a lambda. The kernel is given the list and what the lambda
/// gave: a list of one value per item or, of kFoldsLambda, the last value of each row.
inline constexpr uint32_t kTakesLambda = 128;
/// With kTakesLambda: the lambda takes what it gave for the items before, then the next item. A
/// third argument is the value before the first item.
inline constexpr uint32_t kFoldsLambda = 256;

}  // namespace headrace::function_flag
