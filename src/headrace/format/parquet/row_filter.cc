// Comparisons of arrays with one value: numbers, dates and times, text and dictionaries of text.
#include "headrace/format/parquet/row_filter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <type_traits>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/set_bits.h"
#include "headrace/format/parquet/spread.h"
#include "headrace/types/encoding.h"

namespace headrace::parquet_format {
namespace {

using arrow::Type;
using Keep = std::vector<uint8_t>;

/// Calls `use` with the comparison of a value with the one of the bound. NaN is above all numbers.
template <typename Value, typename Use>
void WithComparison(BoundOp op, Value limit, Use use) {
  const auto is_nan = [](const Value& value) {
    if constexpr (std::is_floating_point_v<Value>) return value != value;
    return false;
  };
  switch (op) {
    case BoundOp::kEqual:
      return use([=](const Value& value) { return value == limit; });
    case BoundOp::kLess:
      return use([=](const Value& value) { return value < limit; });
    case BoundOp::kLessEqual:
      return use([=](const Value& value) { return value <= limit; });
    case BoundOp::kGreater:
      return use([=](const Value& value) { return (value > limit) | is_nan(value); });
    case BoundOp::kGreaterEqual:
      return use([=](const Value& value) { return (value >= limit) | is_nan(value); });
    default:
      return;
  }
}

template <typename ArrowType>
void FilterNumbers(const ColumnBound& bound, const arrow::Array& array, Keep* keep) {
  using Value = typename ArrowType::c_type;
  const auto& scalar =
      static_cast<const typename arrow::TypeTraits<ArrowType>::ScalarType&>(*bound.value);
  const Value limit = scalar.value;
  if (limit != limit) return;
  const Value* values = array.data()->template GetValues<Value>(1);
  const auto rows = static_cast<int64_t>(keep->size());
  uint8_t* out = keep->data();
  WithComparison<Value>(bound.op, limit, [&](auto holds) {
    for (int64_t row = 0; row < rows; ++row) out[row] &= static_cast<uint8_t>(holds(values[row]));
  });
}

void FilterText(const ColumnBound& bound, const arrow::BinaryArray& array, Keep* keep) {
  const std::string_view limit(*static_cast<const arrow::BaseBinaryScalar&>(*bound.value).value);
  const auto rows = static_cast<int64_t>(keep->size());
  uint8_t* out = keep->data();
  WithComparison<std::string_view>(bound.op, limit, [&](auto holds) {
    for (int64_t row = 0; row < rows; ++row) {
      out[row] &= static_cast<uint8_t>(holds(array.GetView(row)));
    }
  });
}

void FilterValues(const ColumnBound& bound, const arrow::Array& array, Keep* keep);

/// Once per value of the dictionary. A row that is null may have any code.
void FilterCodes(const ColumnBound& bound, const arrow::DictionaryArray& array, Keep* keep) {
  const arrow::Array& values = *array.dictionary();
  if (array.indices()->type_id() != Type::INT32 || values.null_count() > 0) return;
  const auto count = static_cast<uint32_t>(values.length());
  Keep holds(count, 1);
  FilterValues(bound, values, &holds);
  const auto* codes = array.indices()->data()->GetValues<uint32_t>(1);
  const auto rows = static_cast<int64_t>(keep->size());
  uint8_t* out = keep->data();
  if (std::count(holds.begin(), holds.end(), 1) == 1) {
    const auto only =
        static_cast<uint32_t>(std::find(holds.begin(), holds.end(), 1) - holds.begin());
    for (int64_t row = 0; row < rows; ++row) out[row] &= static_cast<uint8_t>(codes[row] == only);
    return;
  }
  holds.push_back(1);
  const uint8_t* const held = holds.data();
  for (int64_t row = 0; row < rows; ++row) out[row] &= held[std::min(codes[row], count)];
}

void FilterValues(const ColumnBound& bound, const arrow::Array& array, Keep* keep) {
  switch (array.type_id()) {
    case Type::INT8:
      return FilterNumbers<arrow::Int8Type>(bound, array, keep);
    case Type::UINT8:
      return FilterNumbers<arrow::UInt8Type>(bound, array, keep);
    case Type::INT16:
      return FilterNumbers<arrow::Int16Type>(bound, array, keep);
    case Type::UINT16:
      return FilterNumbers<arrow::UInt16Type>(bound, array, keep);
    case Type::INT32:
      return FilterNumbers<arrow::Int32Type>(bound, array, keep);
    case Type::UINT32:
      return FilterNumbers<arrow::UInt32Type>(bound, array, keep);
    case Type::INT64:
      return FilterNumbers<arrow::Int64Type>(bound, array, keep);
    case Type::UINT64:
      return FilterNumbers<arrow::UInt64Type>(bound, array, keep);
    case Type::FLOAT:
      return FilterNumbers<arrow::FloatType>(bound, array, keep);
    case Type::DOUBLE:
      return FilterNumbers<arrow::DoubleType>(bound, array, keep);
    case Type::DATE32:
      return FilterNumbers<arrow::Date32Type>(bound, array, keep);
    case Type::TIME32:
      return FilterNumbers<arrow::Time32Type>(bound, array, keep);
    case Type::TIME64:
      return FilterNumbers<arrow::Time64Type>(bound, array, keep);
    case Type::TIMESTAMP:
      return FilterNumbers<arrow::TimestampType>(bound, array, keep);
    case Type::DURATION:
      return FilterNumbers<arrow::DurationType>(bound, array, keep);
    case Type::STRING:
    case Type::BINARY:
      return FilterText(bound, static_cast<const arrow::BinaryArray&>(array), keep);
    case Type::DICTIONARY:
      return FilterCodes(bound, static_cast<const arrow::DictionaryArray&>(array), keep);
    default:
      return;
  }
}

/// `wants_null`: rows that are valid go, else those that are null.
void FilterNulls(const arrow::Array& array, bool wants_null, Keep* keep) {
  if (array.null_count() == 0 && !wants_null) return;
  for (size_t row = 0; row < keep->size(); ++row) {
    (*keep)[row] &= static_cast<uint8_t>(array.IsNull(static_cast<int64_t>(row)) == wants_null);
  }
}

}  // namespace

void FilterRows(const ColumnBound& bound, const arrow::Array& array, Keep* keep) {
  // A dictionary may hold nulls, and so does a union: their rows are not told by the bitmap.
  const bool has_bitmap =
      arrow::is_primitive(array.type_id()) || arrow::is_base_binary_like(array.type_id()) ||
      (array.type_id() == Type::DICTIONARY &&
       static_cast<const arrow::DictionaryArray&>(array).dictionary()->null_count() == 0);
  if (bound.op == BoundOp::kIsNull || bound.op == BoundOp::kIsNotNull) {
    if (has_bitmap) FilterNulls(array, bound.op == BoundOp::kIsNull, keep);
    return;
  }
  if (bound.value == nullptr || !has_bitmap) return;
  if (!PlainType(array.type())->Equals(*PlainType(bound.value->type))) return;
  FilterValues(bound, array, keep);
  FilterNulls(array, false, keep);
}

void PositionsOf(const std::vector<uint8_t>& keep, std::vector<uint32_t>* rows) {
  std::vector<uint64_t> words((keep.size() + 63) / 64);
  PackBooleans(keep.data(), static_cast<int64_t>(keep.size()),
               reinterpret_cast<uint8_t*>(words.data()));
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  rows->resize(count + kSetBitsSlack);
  uint32_t* out = rows->data();
  for (size_t i = 0; i < words.size(); ++i) {
    out = WriteSetBits(words[i], static_cast<uint32_t>(i * 64), out);
  }
  rows->resize(count);
}

}  // namespace headrace::parquet_format
