// Skipping by bounds: anything not understood means "may match".
#include "headrace/table/bound.h"

#include <cmath>
#include <compare>
#include <optional>
#include <string_view>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "arrow/util/float16.h"

namespace headrace {
namespace {

using arrow::Scalar;
using arrow::Type;

template <typename ScalarType>
auto ValueOf(const Scalar& scalar) {
  return static_cast<const ScalarType&>(scalar).value;
}

// Nothing when one of the values is NaN.
std::optional<std::weak_ordering> CompareFloats(double left, double right) {
  if (std::isnan(left) || std::isnan(right)) return std::nullopt;
  if (left < right) return std::weak_ordering::less;
  return left > right ? std::weak_ordering::greater : std::weak_ordering::equivalent;
}

double HalfOf(const Scalar& scalar) {
  return arrow::util::Float16::FromBits(ValueOf<arrow::HalfFloatScalar>(scalar)).ToDouble();
}

template <typename ScalarType>
std::weak_ordering CompareDecimals(const Scalar& left, const Scalar& right) {
  const auto a = ValueOf<ScalarType>(left);
  const auto b = ValueOf<ScalarType>(right);
  if (a < b) return std::weak_ordering::less;
  return b < a ? std::weak_ordering::greater : std::weak_ordering::equivalent;
}

std::string_view BytesOf(const Scalar& scalar) {
  const auto& buffer = static_cast<const arrow::BaseBinaryScalar&>(scalar).value;
  return buffer == nullptr ? std::string_view() : std::string_view(*buffer);
}

bool IsBytes(Type::type id) {
  return arrow::is_base_binary_like(id) || id == Type::FIXED_SIZE_BINARY ||
         id == Type::STRING_VIEW || id == Type::BINARY_VIEW;
}

#define HEADRACE_COMPARE_CASE(ID, SCALAR) \
  case Type::ID:                          \
    return ValueOf<arrow::SCALAR>(left) <=> ValueOf<arrow::SCALAR>(right)

// REQUIRES: equal types. Nothing for types without an order that sources share with us.
std::optional<std::weak_ordering> CompareSameType(const Scalar& left, const Scalar& right) {
  switch (left.type->id()) {
    HEADRACE_COMPARE_CASE(BOOL, BooleanScalar);
    HEADRACE_COMPARE_CASE(INT8, Int8Scalar);
    HEADRACE_COMPARE_CASE(INT16, Int16Scalar);
    HEADRACE_COMPARE_CASE(INT32, Int32Scalar);
    HEADRACE_COMPARE_CASE(INT64, Int64Scalar);
    HEADRACE_COMPARE_CASE(UINT8, UInt8Scalar);
    HEADRACE_COMPARE_CASE(UINT16, UInt16Scalar);
    HEADRACE_COMPARE_CASE(UINT32, UInt32Scalar);
    HEADRACE_COMPARE_CASE(UINT64, UInt64Scalar);
    HEADRACE_COMPARE_CASE(DATE32, Date32Scalar);
    HEADRACE_COMPARE_CASE(DATE64, Date64Scalar);
    HEADRACE_COMPARE_CASE(TIME32, Time32Scalar);
    HEADRACE_COMPARE_CASE(TIME64, Time64Scalar);
    HEADRACE_COMPARE_CASE(TIMESTAMP, TimestampScalar);
    HEADRACE_COMPARE_CASE(DURATION, DurationScalar);
    case Type::HALF_FLOAT:
      return CompareFloats(HalfOf(left), HalfOf(right));
    case Type::FLOAT:
      return CompareFloats(ValueOf<arrow::FloatScalar>(left), ValueOf<arrow::FloatScalar>(right));
    case Type::DOUBLE:
      return CompareFloats(ValueOf<arrow::DoubleScalar>(left), ValueOf<arrow::DoubleScalar>(right));
    case Type::DECIMAL32:
      return CompareDecimals<arrow::Decimal32Scalar>(left, right);
    case Type::DECIMAL64:
      return CompareDecimals<arrow::Decimal64Scalar>(left, right);
    case Type::DECIMAL128:
      return CompareDecimals<arrow::Decimal128Scalar>(left, right);
    case Type::DECIMAL256:
      return CompareDecimals<arrow::Decimal256Scalar>(left, right);
    default:
      return std::nullopt;
  }
}

#undef HEADRACE_COMPARE_CASE

std::optional<std::weak_ordering> Compare(const ScalarPtr& left, const ScalarPtr& right) {
  if (left == nullptr || right == nullptr || !left->is_valid || !right->is_valid) {
    return std::nullopt;
  }
  if (IsBytes(left->type->id()) && IsBytes(right->type->id())) {
    return BytesOf(*left) <=> BytesOf(*right);
  }
  if (!left->type->Equals(*right->type)) return std::nullopt;
  return CompareSameType(*left, *right);
}

// NaN sorts above every number and is in no min or max.
bool MayHideNaN(const ColumnBound& bound) {
  return bound.value != nullptr && arrow::is_floating(bound.value->type->id()) &&
         (bound.op == BoundOp::kGreater || bound.op == BoundOp::kGreaterEqual);
}

}  // namespace

bool MayMatch(const ColumnBound& bound, const ColumnRange& range) {
  const bool all_null = range.num_rows > 0 && range.null_count == range.num_rows;
  if (bound.op == BoundOp::kIsNull) return range.null_count != 0;
  if (all_null) return false;
  if (bound.op == BoundOp::kIsNotNull || MayHideNaN(bound)) return true;
  const auto min = Compare(range.min, bound.value);
  const auto max = Compare(range.max, bound.value);
  switch (bound.op) {
    case BoundOp::kEqual:
      return !(min.has_value() && *min > 0) && !(max.has_value() && *max < 0);
    case BoundOp::kLess:
      return !(min.has_value() && *min >= 0);
    case BoundOp::kLessEqual:
      return !(min.has_value() && *min > 0);
    case BoundOp::kGreater:
      return !(max.has_value() && *max <= 0);
    default:
      return !(max.has_value() && *max < 0);
  }
}

}  // namespace headrace
