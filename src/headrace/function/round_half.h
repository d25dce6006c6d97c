// Rounding of floats to whole numbers.
#pragma once

#include <cmath>

namespace headrace {

/// Halves go away from zero: std::round without its call, so that loops run in SIMD registers. The
/// greatest float below a half is added: with the half itself the float below a half would round to
/// one, and odd whole numbers without decimals to the next.
template <typename T>
T RoundHalfAway(T x) {
  constexpr T kBelowHalf = sizeof(T) == 8 ? T(0x1.fffffffffffffp-2) : T(0x1.fffffep-2);
  return std::trunc(x + std::copysign(kBelowHalf, x));
}

}  // namespace headrace
