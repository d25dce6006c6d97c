// Which pairs of physical and logical type are flat, and their conversions.
#include "headrace/format/parquet/flat_type.h"

#include <cstring>

#include "arrow/type.h"

namespace headrace::parquet_format {
namespace {

using arrow::Type;

constexpr int kDecimalBytes = 16;
constexpr int kFixedBytesMax = 1 << 16;

template <typename In, typename Out>
void Narrow(const uint8_t* in, int64_t count, int, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    In value;
    std::memcpy(&value, in + i * int64_t{sizeof value}, sizeof value);
    const auto narrow = static_cast<Out>(value);
    std::memcpy(out + i * int64_t{sizeof narrow}, &narrow, sizeof narrow);
  }
}

template <typename In>
void ToDecimal(const uint8_t* in, int64_t count, int, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    In value;
    std::memcpy(&value, in + i * int64_t{sizeof value}, sizeof value);
    const int64_t halves[2] = {value, value < 0 ? -1 : 0};
    std::memcpy(out + i * kDecimalBytes, halves, kDecimalBytes);
  }
}

/// Big-endian two's complement.
void BytesToDecimal(const uint8_t* in, int64_t count, int stored_width, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i, in += stored_width, out += kDecimalBytes) {
    std::memset(out, (in[0] & 0x80) != 0 ? 0xff : 0, kDecimalBytes);
    for (int byte = 0; byte < stored_width; ++byte) out[byte] = in[stored_width - 1 - byte];
  }
}

/// A decimal whose values have at most as many digits as its type says keeps what it is told.
std::optional<FlatType> Int32Type(const TypePtr& plain) {
  FlatType flat{parquet::Type::INT32, plain, 4, 4};
  switch (plain->id()) {
    case Type::INT8:
    case Type::UINT8:
      flat.width = 1;
      flat.convert = &Narrow<int32_t, int8_t>;
      return flat;
    case Type::INT16:
    case Type::UINT16:
      flat.width = 2;
      flat.convert = &Narrow<int32_t, int16_t>;
      return flat;
    case Type::INT32:
    case Type::UINT32:
    case Type::DATE32:
    case Type::TIME32:
      return flat;
    case Type::DECIMAL128:
      flat.width = kDecimalBytes;
      flat.convert = &ToDecimal<int32_t>;
      return flat;
    default:
      return std::nullopt;
  }
}

std::optional<FlatType> Int64Type(const TypePtr& plain) {
  FlatType flat{parquet::Type::INT64, plain, 8, 8};
  switch (plain->id()) {
    case Type::INT64:
    case Type::UINT64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
      return flat;
    case Type::DECIMAL128:
      flat.width = kDecimalBytes;
      flat.convert = &ToDecimal<int64_t>;
      return flat;
    default:
      return std::nullopt;
  }
}

std::optional<FlatType> FixedBytesType(const TypePtr& plain, int length) {
  if (length < 1 || length > kFixedBytesMax) return std::nullopt;
  FlatType flat{parquet::Type::FIXED_LEN_BYTE_ARRAY, plain, length, length};
  if (plain->id() == Type::FIXED_SIZE_BINARY) return flat;
  if (plain->id() != Type::DECIMAL128 || length > kDecimalBytes) return std::nullopt;
  flat.width = kDecimalBytes;
  flat.convert = &BytesToDecimal;
  return flat;
}

std::optional<FlatType> When(bool is_flat, FlatType flat) {
  return is_flat ? std::optional(std::move(flat)) : std::nullopt;
}

}  // namespace

std::optional<FlatType> FlatTypeOf(const parquet::ColumnDescriptor& column, const TypePtr& plain) {
  const auto physical = column.physical_type();
  switch (physical) {
    case parquet::Type::BOOLEAN:
      return When(plain->id() == Type::BOOL, {physical, plain, 1, 1});
    case parquet::Type::INT32:
      return Int32Type(plain);
    case parquet::Type::INT64:
      return Int64Type(plain);
    case parquet::Type::FLOAT:
      return When(plain->id() == Type::FLOAT, {physical, plain, 4, 4});
    case parquet::Type::DOUBLE:
      return When(plain->id() == Type::DOUBLE, {physical, plain, 8, 8});
    case parquet::Type::BYTE_ARRAY:
      return When(plain->id() == Type::STRING || plain->id() == Type::BINARY,
                  {physical, plain, 0, 0});
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return FixedBytesType(plain, column.type_length());
    default:
      return std::nullopt;
  }
}

}  // namespace headrace::parquet_format
