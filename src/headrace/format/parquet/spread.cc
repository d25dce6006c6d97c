// Loops over values of one, two, four, eight or sixteen bytes, and of any other width.
#include "headrace/format/parquet/spread.h"

#include <algorithm>
#include <cstring>

#include "arrow/util/bit_util.h"

namespace headrace::parquet_format {
namespace {

struct Wide {
  uint64_t halves[2];
};

template <typename T>
void SpreadAs(uint8_t* bytes, int64_t rows, int64_t dense, const uint8_t* bits, int64_t offset) {
  auto* values = reinterpret_cast<T*>(bytes);
  int64_t from = dense;
  // From the end; when the values left are as many as the rows left, they are in place.
  for (int64_t row = rows - 1; row >= from; --row) {
    const bool is_valid = arrow::bit_util::GetBit(bits, offset + row);
    from -= is_valid ? 1 : 0;
    values[row] = is_valid ? values[from] : T{};
  }
}

void SpreadBytes(uint8_t* values, int64_t width, int64_t rows, int64_t dense, const uint8_t* bits,
                 int64_t offset) {
  int64_t from = dense;
  for (int64_t row = rows - 1; row >= from; --row) {
    if (arrow::bit_util::GetBit(bits, offset + row)) {
      --from;
      std::memmove(values + row * width, values + from * width, static_cast<size_t>(width));
    } else {
      std::memset(values + row * width, 0, static_cast<size_t>(width));
    }
  }
}

template <typename T>
void GatherAs(const uint8_t* bytes, const uint32_t* codes, int64_t count, uint8_t* out_bytes) {
  const auto* values = reinterpret_cast<const T*>(bytes);
  auto* out = reinterpret_cast<T*>(out_bytes);
  for (int64_t i = 0; i < count; ++i) out[i] = values[codes[i]];
}

}  // namespace

void Spread(uint8_t* values, int width, int64_t rows, int64_t dense, const uint8_t* bits,
            int64_t offset) {
  if (dense == rows) return;
  switch (width) {
    case 1:
      return SpreadAs<uint8_t>(values, rows, dense, bits, offset);
    case 2:
      return SpreadAs<uint16_t>(values, rows, dense, bits, offset);
    case 4:
      return SpreadAs<uint32_t>(values, rows, dense, bits, offset);
    case 8:
      return SpreadAs<uint64_t>(values, rows, dense, bits, offset);
    case 16:
      return SpreadAs<Wide>(values, rows, dense, bits, offset);
    default:
      return SpreadBytes(values, width, rows, dense, bits, offset);
  }
}

void GatherValues(const uint8_t* values, int width, const uint32_t* codes, int64_t count,
                  uint8_t* out) {
  switch (width) {
    case 1:
      return GatherAs<uint8_t>(values, codes, count, out);
    case 2:
      return GatherAs<uint16_t>(values, codes, count, out);
    case 4:
      return GatherAs<uint32_t>(values, codes, count, out);
    case 8:
      return GatherAs<uint64_t>(values, codes, count, out);
    case 16:
      return GatherAs<Wide>(values, codes, count, out);
    default:
      for (int64_t i = 0; i < count; ++i) {
        std::memcpy(out + i * width, values + int64_t{codes[i]} * width,
                    static_cast<size_t>(width));
      }
  }
}

uint32_t MaxCode(const uint32_t* codes, int64_t count) {
  uint32_t max = 0;
  for (int64_t i = 0; i < count; ++i) max = std::max(max, codes[i]);
  return max;
}

void PackBooleans(const uint8_t* bytes, int64_t count, uint8_t* bits) {
  constexpr uint64_t kGather = 0x0102040810204080;
  int64_t row = 0;
  for (; row + 8 <= count; row += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + row, sizeof eight);
    bits[row / 8] = static_cast<uint8_t>((eight * kGather) >> 56);
  }
  if (row < count) bits[row / 8] = 0;
  for (; row < count; ++row) {
    bits[row / 8] = static_cast<uint8_t>(bits[row / 8] | (bytes[row] << (row % 8)));
  }
}

}  // namespace headrace::parquet_format
