// Blocks of 64 bytes where the first and the last byte of the part stand at its distance are
// compared in full.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "headrace/function/find_part.cc"
#include "headrace/function/find_part.h"

#include <bit>
#include <cstring>

#include "arrow/array/array_binary.h"

#include <hwy/foreach_target.h>  // includes this file once per target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headrace::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<uint8_t, 64>;
constexpr int64_t kBlock = 64;

/// Bit i: byte i is `byte`.
HWY_INLINE uint64_t FindByte(const char* data, hn::Vec<Tag> byte) {
  constexpr size_t kLanes = HWY_MIN(64, HWY_LANES(uint8_t));
  const Tag tag;
  uint64_t bits = 0;
  for (size_t i = 0; i < kBlock / kLanes; ++i) {
    const auto lanes = hn::LoadU(tag, reinterpret_cast<const uint8_t*>(data) + i * kLanes);
    uint64_t part = 0;
    hn::StoreMaskBits(tag, hn::Eq(lanes, byte), reinterpret_cast<uint8_t*>(&part));
    bits |= part << (i * kLanes);
  }
  return bits;
}

void MarkRowsHolding(std::string_view part, const char* data, const int32_t* offsets, int64_t rows,
                     uint8_t* bits) {
  const auto size = static_cast<int64_t>(part.size());
  const int64_t end = offsets[rows] - size + 1;  // of the places where the part may begin
  const auto first = hn::Set(Tag(), static_cast<uint8_t>(part.front()));
  const auto last = hn::Set(Tag(), static_cast<uint8_t>(part.back()));
  int64_t row = 0;
  const auto try_place = [&](int64_t place) {
    if (std::memcmp(data + place, part.data(), part.size()) != 0) return;
    while (offsets[row + 1] <= place) ++row;
    if (place + size <= offsets[row + 1]) bits[row / 8] |= static_cast<uint8_t>(1U << (row % 8));
  };
  int64_t place = offsets[0];
  for (; place + kBlock <= end; place += kBlock) {
    uint64_t candidates = FindByte(data + place, first) & FindByte(data + place + size - 1, last);
    for (; candidates != 0; candidates &= candidates - 1) {
      try_place(place + std::countr_zero(candidates));
    }
  }
  for (; place < end; ++place) try_place(place);
}

}  // namespace headrace::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headrace {

HWY_EXPORT(MarkRowsHolding);

void MarkRowsHolding(std::string_view part, const char* data, const int32_t* offsets, int64_t rows,
                     uint8_t* bits) {
  HWY_DYNAMIC_DISPATCH(MarkRowsHolding)(part, data, offsets, rows, bits);
}

Result<ArrayPtr> HoldsPart(KernelContext& ctx, const Argument& text, std::string_view part,
                           const Rows& rows) {
  const auto& texts = static_cast<const arrow::StringArray&>(*text.array);
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  MarkRowsHolding(part, reinterpret_cast<const char*>(texts.raw_data()), texts.raw_value_offsets(),
                  rows.length, bits->mutable_data());
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

}  // namespace headrace
#endif
