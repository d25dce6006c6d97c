// Dates and times of day as ISO text, written into memory of the caller.
#pragma once

#include <cstdint>

#include "arrow/type_fwd.h"

namespace headrace {

/// Bytes that each of the functions may write, at `out`; they give the end of the text.
inline constexpr int64_t kTimeTextMax = 48;

/// "2013-01-31"; years have four digits or more, a minus sign counts as one.
char* WriteDate(int64_t days_since_1970, char* out);
/// "10:20:30.25": as much of the fraction of a second as is not zero.
char* WriteTimeOfDay(int64_t ticks, arrow::TimeUnit::type unit, char* out);
/// "2013-01-31 10:20:30.25".
char* WriteTimestamp(int64_t ticks, arrow::TimeUnit::type unit, char* out);

}  // namespace headrace
