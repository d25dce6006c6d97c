// Values as JSON text.
#pragma once

#include <string>
#include <string_view>

#include "arrow/type_fwd.h"

namespace headrace {

/// `text` in quotes. REQUIRES: UTF-8.
void AppendJsonString(std::string_view text, std::string* out);
/// Cell `row` of a plain array. Numbers and decimals are numbers with all their digits (NaN and
/// infinities are null), lists arrays, structs objects, maps objects with the keys as text; all the
/// rest is a string in the text form of types/format_value.h.
void AppendJson(const arrow::Array& array, int64_t row, std::string* out);

}  // namespace headrace
