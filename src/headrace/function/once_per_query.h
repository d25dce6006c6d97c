// Functions of the time of the query: now() and its kin.
#pragma once

#include <cstdint>

namespace headrace::function_flag {

/// With kVolatile: computed once when a query starts. The call takes no arguments; the kernel is
/// given one, the time in microseconds since the Unix epoch, as an int64.
inline constexpr uint32_t kOncePerQuery = 64;

}  // namespace headrace::function_flag
