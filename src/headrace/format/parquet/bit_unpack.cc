// Unpacking: groups of eight numbers, by a shuffle where processors can shift every lane by its own
// count, else with shifts known at compile time; single numbers at the ends.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "headrace/format/parquet/bit_unpack.cc"
#include "headrace/format/parquet/bit_unpack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <hwy/foreach_target.h>  // includes this file once per target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headrace::parquet_format::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2

namespace hn = hwy::HWY_NAMESPACE;

/// Numbers of so many bits are within four bytes wherever in a byte they begin.
constexpr int kNarrowMax = 25;

/// Where the four bytes of each of eight numbers are, four numbers in each half, and how far the
/// number is from their lowest bit. The second half begins `width` / 2 bytes behind the first.
struct Places {
  alignas(32) uint8_t bytes[32];
  alignas(32) uint32_t shifts[8];
};

constexpr auto kPlaces = [] {
  std::array<Places, kNarrowMax + 1> all{};
  for (uint32_t width = 0; width < all.size(); ++width) {
    for (uint32_t i = 0; i < 8; ++i) {
      const uint32_t bit = i < 4 ? i * width : i * width - width / 2 * 8;
      all[width].shifts[i] = bit % 8;
      for (uint32_t byte = 0; byte < 4; ++byte) {
        all[width].bytes[i * 4 + byte] = static_cast<uint8_t>(bit / 8 + byte);
      }
    }
  }
  return all;
}();

int64_t UnpackNarrow(const uint8_t* in, int64_t groups, int width, uint32_t* out) {
  if (width > kNarrowMax) return 0;
  const hn::FixedTag<uint8_t, 32> bytes;
  const hn::FixedTag<uint32_t, 8> numbers;
  const hn::Half<decltype(bytes)> half;
  const Places& places = kPlaces[static_cast<size_t>(width)];
  const auto places_of_bytes = hn::Load(bytes, places.bytes);
  const auto shifts = hn::Load(numbers, places.shifts);
  const auto mask = hn::Set(numbers, static_cast<uint32_t>((uint64_t{1} << width) - 1));
  for (int64_t group = 0; group < groups; ++group, in += width, out += 8) {
    const auto both = hn::Combine(bytes, hn::LoadU(half, in + width / 2), hn::LoadU(half, in));
    const auto fours = hn::BitCast(numbers, hn::TableLookupBytes(both, places_of_bytes));
    hn::StoreU(hn::And(hn::Shr(fours, shifts), mask), numbers, out);
  }
  return groups;
}

#else

int64_t UnpackNarrow(const uint8_t*, int64_t, int, uint32_t*) { return 0; }

#endif

}  // namespace headrace::parquet_format::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headrace::parquet_format {

HWY_EXPORT(UnpackNarrow);

namespace {

constexpr int kGroup = 8;
constexpr int kBitsMax = 32;
/// Fewer groups are not worth the choice of code.
constexpr int64_t kManyGroups = 4;

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

constexpr auto kUnpackers = Unpackers(std::make_index_sequence<kBitsMax + 1>());

}  // namespace

void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint32_t* out) {
  int64_t done = 0;
  const int64_t head = std::min<int64_t>(count, (kGroup - first % kGroup) % kGroup);
  for (; done < head; ++done) {
    out[done] = static_cast<uint32_t>(UnpackOne(in, first + done, width));
  }
  const uint8_t* const at = in + (first + done) / kGroup * width;
  const int64_t groups = (count - done) / kGroup;
  const int64_t narrow =
      groups < kManyGroups ? 0 : HWY_DYNAMIC_DISPATCH(UnpackNarrow)(at, groups, width, out + done);
  if (narrow == 0) kUnpackers[static_cast<size_t>(width)](at, groups, out + done);
  for (done += groups * kGroup; done < count; ++done) {
    out[done] = static_cast<uint32_t>(UnpackOne(in, first + done, width));
  }
}

void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint64_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = UnpackOne(in, first + i, width);
}

}  // namespace headrace::parquet_format
#endif  // HWY_ONCE
