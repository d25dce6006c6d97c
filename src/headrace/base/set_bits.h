// The places of set bits, written without a branch per bit.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace headrace {

/// Numbers that WriteSetBits may write behind the last one.
inline constexpr size_t kSetBitsSlack = 8;

namespace set_bits {

/// For every byte the places of its bits, from the lowest; zeros behind them.
inline constexpr auto kPlaces = [] {
  std::array<std::array<uint32_t, 8>, 256> places{};
  for (size_t byte = 0; byte < places.size(); ++byte) {
    size_t count = 0;
    for (uint32_t bit = 0; bit < 8; ++bit) {
      if ((byte >> bit & 1) != 0) places[byte][count++] = bit;
    }
  }
  return places;
}();

}  // namespace set_bits

/// Writes `first` plus the place of each bit of `word`, from the lowest, to `out`; gives the end of
/// what was written. REQUIRES: room for kSetBitsSlack more.
inline uint32_t* WriteSetBits(uint64_t word, uint32_t first, uint32_t* out) {
  const int count = std::popcount(word);
  if (count <= static_cast<int>(kSetBitsSlack)) {
    constexpr uint64_t kTop = uint64_t{1} << 63;  // there is always a lowest bit
#pragma GCC unroll 8
    for (size_t i = 0; i < kSetBitsSlack; ++i, word &= word - 1) {
      out[i] = first + static_cast<uint32_t>(std::countr_zero(word | kTop));
    }
    return out + count;
  }
  for (int byte = 0; byte < 8; ++byte, word >>= 8, first += 8) {
    const auto& places = set_bits::kPlaces[word & 0xff];
    for (size_t i = 0; i < places.size(); ++i) out[i] = first + places[i];
    out += std::popcount(word & 0xff);
  }
  return out;
}

}  // namespace headrace
