// FlatType: how the values of a column that is neither nested nor exotic are stored, and what they
// become in memory.
#pragma once

#include <cstdint>
#include <optional>

#include "headrace/types/batch.h"
#include "parquet/schema.h"

namespace headrace::parquet_format {

struct FlatType {
  parquet::Type::type physical = parquet::Type::INT32;
  TypePtr type;          // plain
  int stored_width = 0;  // bytes of a value; booleans take one when decoded; 0: text
  int width = 0;         // in memory; of booleans 1 until they are packed; 0: text
  /// From stored values to those in memory; null when they are the same.
  void (*convert)(const uint8_t* in, int64_t count, int stored_width, uint8_t* out) = nullptr;

  bool is_text() const { return width == 0; }
};

/// Nothing for columns that are left to libparquet.
std::optional<FlatType> FlatTypeOf(const parquet::ColumnDescriptor& column, const TypePtr& plain);

}  // namespace headrace::parquet_format
