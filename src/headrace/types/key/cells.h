// Views of plain key columns by physical type; what the two key encodings are written over.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "arrow/array/data.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "arrow/util/bit_util.h"
#include "headrace/types/batch.h"

namespace headrace {

/// Null bits of a column; every view has one.
class CellNulls {
 public:
  explicit CellNulls(const arrow::ArrayData& data)
      : all_null_(data.type->id() == arrow::Type::NA),
        bits_(data.GetNullCount() == 0 || all_null_ ? nullptr : data.buffers[0]->data()),
        offset_(data.offset) {}
  bool IsNull(int64_t row) const {
    return bits_ != nullptr ? !arrow::bit_util::GetBit(bits_, offset_ + row) : all_null_;
  }

 private:
  bool all_null_;
  const uint8_t* bits_;
  int64_t offset_;
};

/// Integers and temporal values; decimals of up to 64 bits.
template <typename T>
struct IntegerCells : CellNulls {
  using Value = T;
  explicit IntegerCells(const arrow::ArrayData& data)
      : CellNulls(data), values(data.GetValues<uint8_t>(1, 0) + data.offset * sizeof(T)) {}
  T operator[](int64_t row) const {
    T value;
    std::memcpy(&value, values + row * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
  }
  const uint8_t* values;
};

/// Floating point values as bits: one NaN, one zero.
template <typename Bits, int kMantissaBits>
struct FloatCells : IntegerCells<Bits> {
  using IntegerCells<Bits>::IntegerCells;
  static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  static constexpr Bits kInfinity =
      static_cast<Bits>((kSign - 1) & ~((Bits{1} << kMantissaBits) - 1));
  static constexpr Bits kNan = static_cast<Bits>(kInfinity | (Bits{1} << (kMantissaBits - 1)));
  Bits operator[](int64_t row) const { return Canonical(IntegerCells<Bits>::operator[](row)); }
  static Bits Canonical(Bits bits) {
    const auto magnitude = static_cast<Bits>(bits & (kSign - 1));
    if (magnitude > kInfinity) return kNan;
    return magnitude == 0 ? Bits{0} : bits;
  }
};

struct BooleanCells : CellNulls {
  explicit BooleanCells(const arrow::ArrayData& data)
      : CellNulls(data), bits(data.GetValues<uint8_t>(1, 0)), offset(data.offset) {}
  bool operator[](int64_t row) const { return arrow::bit_util::GetBit(bits, offset + row); }
  const uint8_t* bits;
  int64_t offset;
};

/// Values of a fixed number of bytes that are no machine integers.
struct WideCells : CellNulls {
  WideCells(const arrow::ArrayData& data, int width, bool is_number)
      : CellNulls(data),
        width(width),
        is_number(is_number),
        values(data.GetValues<uint8_t>(1, 0) + data.offset * width) {}
  const uint8_t* operator[](int64_t row) const { return values + row * width; }
  int width;
  bool is_number;  // a two's complement little-endian number: a decimal
  const uint8_t* values;
};

struct BytesCells : CellNulls {
  explicit BytesCells(const arrow::ArrayData& data)
      : CellNulls(data),
        offsets(data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data() + data.offset * 4),
        bytes(data.buffers[2] == nullptr ? nullptr : data.buffers[2]->data()) {}
  std::string_view operator[](int64_t row) const {
    int32_t ends[2];
    std::memcpy(ends, offsets + row * 4, sizeof(ends));
    return {reinterpret_cast<const char*>(bytes) + ends[0], static_cast<size_t>(ends[1] - ends[0])};
  }
  const uint8_t* offsets;
  const uint8_t* bytes;
};

struct NullCells : CellNulls {
  using CellNulls::CellNulls;
  bool operator[](int64_t) const { return false; }
};

template <typename Cells>
inline constexpr bool kIsFloat = false;
template <typename Bits, int kMantissaBits>
inline constexpr bool kIsFloat<FloatCells<Bits, kMantissaBits>> = true;

using HalfCells = FloatCells<uint16_t, 10>;
using SingleCells = FloatCells<uint32_t, 23>;
using DoubleCells = FloatCells<uint64_t, 52>;

/// Calls `visit` with the view of a plain column. REQUIRES: a type that IsKeyType.
template <typename Visit>
void VisitCells(const arrow::ArrayData& data, Visit&& visit) {
  using arrow::Type;
  switch (data.type->id()) {
    case Type::NA:
      return visit(NullCells(data));
    case Type::BOOL:
      return visit(BooleanCells(data));
    case Type::INT8:
      return visit(IntegerCells<int8_t>(data));
    case Type::UINT8:
      return visit(IntegerCells<uint8_t>(data));
    case Type::INT16:
      return visit(IntegerCells<int16_t>(data));
    case Type::UINT16:
      return visit(IntegerCells<uint16_t>(data));
    case Type::UINT32:
      return visit(IntegerCells<uint32_t>(data));
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
    case Type::DECIMAL32:
    case Type::INTERVAL_MONTHS:
      return visit(IntegerCells<int32_t>(data));
    case Type::UINT64:
      return visit(IntegerCells<uint64_t>(data));
    case Type::INT64:
    case Type::DATE64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
    case Type::DECIMAL64:
      return visit(IntegerCells<int64_t>(data));
    case Type::HALF_FLOAT:
      return visit(HalfCells(data));
    case Type::FLOAT:
      return visit(SingleCells(data));
    case Type::DOUBLE:
      return visit(DoubleCells(data));
    case Type::STRING:
    case Type::BINARY:
      return visit(BytesCells(data));
    default: {
      const int width = static_cast<const arrow::FixedWidthType&>(*data.type).bit_width() / 8;
      return visit(WideCells(data, width, arrow::is_decimal(data.type->id())));
    }
  }
}

/// Whether cells of a plain type can be compared for equality as bytes.
bool IsKeyType(const arrow::DataType& plain);
/// Whether they have an order too.
bool IsSortKeyType(const arrow::DataType& plain);
/// Bytes of a cell of a plain key type; 0 when they vary.
int KeyWidthOf(const arrow::DataType& plain);

}  // namespace headrace
