// Hashing: a fast mixer for fixed-width keys in memory and XXH3 for bytes. HashBytes is used where
// hashes are persisted (key groups of checkpoints), so its values are part of the state format.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

/// XXH3-64 of `bytes`; stable across versions and machines.
uint64_t HashBytes(std::string_view bytes);

/// A bijective 64-bit mixer with good avalanche in all bits; stable.
inline uint64_t HashInteger(uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93ULL;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93ULL;
  value ^= value >> 32;
  return value;
}

/// Folds the hash of the next key column into `seed`. Not commutative.
inline uint64_t CombineHash(uint64_t seed, uint64_t hash) {
  return HashInteger(seed ^ (hash + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2)));
}

/// The hash of a null key cell.
inline constexpr uint64_t kNullHash = 0x9ae16a3b2f90404fULL;

/// The key group (0 … kKeyGroups - 1) of a key's hash: its top bits, so tables may use the low
/// ones.
inline int KeyGroupOf(uint64_t hash) { return static_cast<int>(hash >> 57); }

}  // namespace headrace
