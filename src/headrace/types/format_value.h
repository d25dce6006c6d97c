// The one text form of a cell: tables and CSV of the command, golden tests, messages.
#pragma once

#include <cstdint>
#include <string>

#include "arrow/type_fwd.h"

namespace headrace {

/// Cell `row` of `array`, whatever its encoding. Floats are the shortest text that reads back the
/// same and keep a mark of being floats ("1.0"); times are ISO ("2013-01-01 05:00:00.25", fractions
/// only as needed, zoned timestamps in UTC with "Z"); decimals have all digits of their scale;
/// durations "1 day 02:03:04"; binary is "\x" + hex; null is "NULL". Nested: [1, 2], {'a': 1} for
/// struct and map, with strings inside quoted.
std::string FormatValue(const arrow::Array& array, int64_t row);
/// Appends it to `out`.
void AppendValue(const arrow::Array& array, int64_t row, std::string* out);

}  // namespace headrace
