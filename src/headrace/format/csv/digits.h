// Digits: runs of decimal digits as numbers, eight at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace headrace::csv {

static_assert(std::endian::native == std::endian::little);

inline uint64_t LoadEight(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

/// Eight characters, the first in the lowest byte, as a number of eight digits; false when one of
/// them is no digit.
inline bool EightDigits(uint64_t word, uint64_t* value) {
  constexpr uint64_t kHigh = 0xF0F0F0F0F0F0F0F0ULL;
  const uint64_t carried = (word + 0x0606060606060606ULL) & kHigh;
  if (((word & kHigh) | carried >> 4) != 0x3333333333333333ULL) return false;
  word = ((word & 0x0F0F0F0F0F0F0F0FULL) * 2561) >> 8;
  word = ((word & 0x00FF00FF00FF00FFULL) * 6553601) >> 16;
  *value = ((word & 0x0000FFFF0000FFFFULL) * 42949672960001ULL) >> 32;
  return true;
}

/// 1 to 8 digits. Eight bytes are read.
inline bool ShortDigits(const char* p, size_t size, uint64_t* value) {
  const unsigned shift = static_cast<unsigned>(8 - size) * 8;
  const uint64_t zeros = 0x3030303030303030ULL & ~(~0ULL << shift);
  return EightDigits(LoadEight(p) << shift | zeros, value);
}

/// 1 to 16 digits. As many bytes are read, and up to seven more.
inline bool SomeDigits(const char* p, size_t size, uint64_t* value) {
  if (size <= 8) return ShortDigits(p, size, value);
  uint64_t high = 0, low = 0;
  if (!ShortDigits(p, size - 8, &high) || !EightDigits(LoadEight(p + size - 8), &low)) return false;
  *value = high * 100'000'000 + low;
  return true;
}

/// How many of the eight characters at `p` are digits before the first that is none.
inline size_t LeadingDigits(const char* p) {
  const uint64_t nibbles = LoadEight(p) ^ 0x3030303030303030ULL;  // digits become 0 … 9
  const uint64_t others = ((nibbles + 0x7676767676767676ULL) | nibbles) & 0x8080808080808080ULL;
  return static_cast<size_t>(std::countr_zero(others)) / 8;
}

}  // namespace headrace::csv
