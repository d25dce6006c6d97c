// The one order of values: NaN equals NaN and stands above +inf, −0 equals 0, text by its bytes,
// false before true. Comparisons, min and max use it.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>

#include "arrow/util/basic_decimal.h"
#include "headrace/function/view.h"

namespace headrace {

template <typename T>
bool ValueEquals(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a == b || (a != a && b != b);
  } else {
    return a == b;
  }
}

template <typename T>
bool ValueLess(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a < b || (b != b && a == a);
  } else {
    return a < b;
  }
}

/// Tags of physical representations that have an order.
namespace representation {

template <typename T>
struct Fixed {
  using Value = T;
  using Column = View<T>;
};
struct Boolean {
  using Value = uint8_t;
  using Column = BooleanView;
};
struct Bytes {
  using Value = std::string_view;
  using Column = BytesView;
};

}  // namespace representation

/// Whether values of a (plain) type have an order.
bool IsComparable(const arrow::DataType& type);

/// Calls `visit` with the tag of the type's representation; false when it has no order.
template <typename Visit>
bool VisitOrdered(arrow::Type::type id, Visit&& visit) {
  using arrow::Type;
  using representation::Fixed;
  switch (id) {
    case Type::BOOL:
      return visit(representation::Boolean{}), true;
    case Type::INT8:
      return visit(Fixed<int8_t>{}), true;
    case Type::INT16:
      return visit(Fixed<int16_t>{}), true;
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
      return visit(Fixed<int32_t>{}), true;
    case Type::INT64:
    case Type::DATE64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
      return visit(Fixed<int64_t>{}), true;
    case Type::UINT8:
      return visit(Fixed<uint8_t>{}), true;
    case Type::UINT16:
      return visit(Fixed<uint16_t>{}), true;
    case Type::UINT32:
      return visit(Fixed<uint32_t>{}), true;
    case Type::UINT64:
      return visit(Fixed<uint64_t>{}), true;
    case Type::FLOAT:
      return visit(Fixed<float>{}), true;
    case Type::DOUBLE:
      return visit(Fixed<double>{}), true;
    case Type::DECIMAL128:
      return visit(Fixed<Int128>{}), true;
    case Type::DECIMAL256:
      return visit(Fixed<arrow::BasicDecimal256>{}), true;
    case Type::STRING:
    case Type::BINARY:
    case Type::FIXED_SIZE_BINARY:
      return visit(representation::Bytes{}), true;
    default:
      return false;
  }
}

}  // namespace headrace
