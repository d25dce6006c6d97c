// Numbers as 64-bit integers of the same order, for kernels that compare and keep them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace headrace {

inline constexpr int64_t kNanRank = std::numeric_limits<int64_t>::max();

/// −0 is below 0, NaN above all.
inline int64_t RankOf(double value) {
  if (std::isnan(value)) return kNanRank;
  const auto bits = std::bit_cast<int64_t>(value);
  return bits < 0 ? bits ^ std::numeric_limits<int64_t>::max() : bits;
}

/// The number of a rank.
inline double NumberOf(int64_t rank) {
  if (rank == kNanRank) return std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<double>(rank < 0 ? rank ^ std::numeric_limits<int64_t>::max() : rank);
}

}  // namespace headrace
