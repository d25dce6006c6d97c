// Types that casts and coercions treat alike.
#pragma once

#include "arrow/type_fwd.h"

namespace headrace {

inline bool IsDate(arrow::Type::type id) {
  return id == arrow::Type::DATE32 || id == arrow::Type::DATE64;
}

inline bool IsTime(arrow::Type::type id) {
  return id == arrow::Type::TIME32 || id == arrow::Type::TIME64;
}

inline bool IsBytes(arrow::Type::type id) {
  return id == arrow::Type::BINARY || id == arrow::Type::FIXED_SIZE_BINARY;
}

}  // namespace headrace
