// Unpacking: groups of eight numbers with shifts known at compile time, single numbers at the ends.
#include "headrace/format/parquet/bit_unpack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace headrace::parquet_format {
namespace {

constexpr int kGroup = 8;
constexpr int kWidthMax = 32;

uint64_t Load64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

constexpr uint64_t MaskOf(int width) {
  return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

uint64_t UnpackOne(const uint8_t* in, int64_t index, int width) {
  const int64_t bit = index * width;
  const int shift = static_cast<int>(bit % 8);
  const uint8_t* at = in + bit / 8;
  uint64_t value = Load64(at) >> shift;
  if (shift + width > 64) value |= static_cast<uint64_t>(at[8]) << (64 - shift);
  return value & MaskOf(width);
}

template <int kWidth, size_t... kIndex>
inline void UnpackGroup(const uint8_t* in, uint32_t* out, std::index_sequence<kIndex...>) {
  ((out[kIndex] = static_cast<uint32_t>(
        (Load64(in + kIndex * kWidth / 8) >> (kIndex * kWidth % 8)) & MaskOf(kWidth))),
   ...);
}

template <int kWidth>
void UnpackGroups(const uint8_t* in, int64_t groups, uint32_t* out) {
  for (int64_t i = 0; i < groups; ++i) {
    UnpackGroup<kWidth>(in + i * kWidth, out + i * kGroup, std::make_index_sequence<kGroup>());
  }
}

using Unpacker = void (*)(const uint8_t*, int64_t, uint32_t*);

template <size_t... kWidth>
constexpr std::array<Unpacker, sizeof...(kWidth)> Unpackers(std::index_sequence<kWidth...>) {
  return {&UnpackGroups<static_cast<int>(kWidth)>...};
}

constexpr auto kUnpackers = Unpackers(std::make_index_sequence<kWidthMax + 1>());

}  // namespace

void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint32_t* out) {
  int64_t done = 0;
  const int64_t head = std::min<int64_t>(count, (kGroup - first % kGroup) % kGroup);
  for (; done < head; ++done) {
    out[done] = static_cast<uint32_t>(UnpackOne(in, first + done, width));
  }
  const int64_t groups = (count - done) / kGroup;
  kUnpackers[static_cast<size_t>(width)](in + (first + done) / kGroup * width, groups, out + done);
  for (done += groups * kGroup; done < count; ++done) {
    out[done] = static_cast<uint32_t>(UnpackOne(in, first + done, width));
  }
}

void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint64_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = UnpackOne(in, first + i, width);
}

}  // namespace headrace::parquet_format
