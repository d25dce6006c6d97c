// Codes: signed integers as they are, unsigned ones with the top bit flipped, floats by their bits
// with those of negative numbers flipped below the sign.
#include "headrace/exec/op/join/asof_times.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr uint64_t kTopBit = uint64_t{1} << 63;

int64_t FlipNegative(int64_t bits) {
  return bits >= 0 ? bits : static_cast<int64_t>(~static_cast<uint64_t>(bits) | kTopBit);
}

template <typename T>
int64_t CodeOf(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    double wide = value;
    if (wide == 0) wide = 0;  // −0
    if (std::isnan(wide)) wide = std::numeric_limits<double>::quiet_NaN();
    return FlipNegative(std::bit_cast<int64_t>(wide));
  } else if constexpr (std::is_unsigned_v<T>) {
    return static_cast<int64_t>(uint64_t{value} ^ kTopBit);
  } else {
    return value;
  }
}

double FloatOf(int64_t code) { return std::bit_cast<double>(FlipNegative(code)); }

template <typename T>
std::vector<int64_t> CodesOf(const arrow::Array& times, int64_t count) {
  const T* values = times.data()->GetValues<T>(1);
  std::vector<int64_t> codes(static_cast<size_t>(count));
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = CodeOf(values[i]);
  return codes;
}

using CodesFunction = std::vector<int64_t> (*)(const arrow::Array& times, int64_t count);

// Null for types that are no time.
CodesFunction CodesFunctionOf(Type::type id) {
  switch (id) {
    case Type::INT8:
      return CodesOf<int8_t>;
    case Type::INT16:
      return CodesOf<int16_t>;
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
      return CodesOf<int32_t>;
    case Type::INT64:
    case Type::DATE64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
      return CodesOf<int64_t>;
    case Type::UINT8:
      return CodesOf<uint8_t>;
    case Type::UINT16:
      return CodesOf<uint16_t>;
    case Type::UINT32:
      return CodesOf<uint32_t>;
    case Type::UINT64:
      return CodesOf<uint64_t>;
    case Type::FLOAT:
      return CodesOf<float>;
    case Type::DOUBLE:
      return CodesOf<double>;
    default:
      return nullptr;
  }
}

int64_t RowsBeforeNull(const arrow::Array& times) {
  if (times.null_count() == 0) return times.length();
  int64_t row = 0;
  while (times.IsValid(row)) ++row;
  return row;
}

}  // namespace

bool AsofRule::IsWithin(int64_t earlier, int64_t later) const {
  if (is_float) return FloatOf(later) - FloatOf(earlier) <= static_cast<double>(*tolerance);
  const uint64_t distance = static_cast<uint64_t>(later) - static_cast<uint64_t>(earlier);
  return distance <= static_cast<uint64_t>(*tolerance);
}

Result<AsofTimes> AsofTimes::Make(std::string side, const arrow::Schema& schema, int column) {
  const arrow::Field& field = *schema.field(column);
  const TypePtr type = PlainType(field.type());
  if (CodesFunctionOf(type->id()) == nullptr) {
    return Error(ErrorKind::kUnsupported,
                 "as-of join: column {} of the {} side must be a number or a time, not {}",
                 field.name(), side, type->ToString());
  }
  const bool is_float = type->id() == Type::FLOAT || type->id() == Type::DOUBLE;
  return AsofTimes(std::move(side), field.name(), column, is_float);
}

Result<std::vector<int64_t>> AsofTimes::Read(const Batch& batch, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(ArrayPtr times, Decode(batch.column(column_), pool));
  const int64_t count = RowsBeforeNull(*times);
  std::vector<int64_t> codes = CodesFunctionOf(times->type_id())(*times, count);
  ARROW_RETURN_NOT_OK(CheckOrder(*times, codes));
  rows_read_ += times->length();
  null_seen_ = null_seen_ || count < times->length();
  if (!codes.empty()) last_code_ = codes.back();
  last_text_ = FormatValue(*times, times->length() - 1);
  return codes;
}

Status AsofTimes::CheckOrder(const arrow::Array& times, const std::vector<int64_t>& codes) const {
  const auto count = static_cast<int64_t>(codes.size());
  if (count > 0 && (null_seen_ || (last_code_.has_value() && codes[0] < *last_code_))) {
    return OutOfOrder(times, 0);
  }
  const auto broken = std::is_sorted_until(codes.begin(), codes.end());
  if (broken != codes.end()) return OutOfOrder(times, broken - codes.begin());
  for (int64_t row = count; row < times.length(); ++row) {
    if (times.IsValid(row)) return OutOfOrder(times, row);
  }
  return Status::OK();
}

Status AsofTimes::OutOfOrder(const arrow::Array& times, int64_t row) const {
  return Error(ErrorKind::kBadData,
               "as-of join: the {} side must be sorted by {} ascending with nulls last; its row {} "
               "breaks the order: after {} comes {}",
               side_, name_, rows_read_ + row + 1,
               row == 0 ? last_text_ : FormatValue(times, row - 1), FormatValue(times, row));
}

}  // namespace headrace
