// A cell: one value as bytes, for states that keep values of any type. Fixed-width values are their
// raw bytes (a boolean is one byte), text and binary their bytes, all others an Arrow IPC stream.
#pragma once

#include <string>
#include <string_view>

#include "headrace/function/function.h"

namespace headrace {

/// Appends the bytes of a value that is not null.
Status EncodeCell(const arrow::Array& array, int64_t row, std::string* out);

/// Appends the value of `bytes` to a builder of `type`. The bytes may come from outside: kBadData
/// when they are no value of the type.
Status AppendCell(std::string_view bytes, const arrow::DataType& type, arrow::ArrayBuilder* out);

/// Memory behind a string beyond its own size.
int64_t HeapBytes(const std::string& text);

}  // namespace headrace
