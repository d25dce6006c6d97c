// The sum of many float64 values as several compensated sums side by side.
#pragma once

#include <cstdint>

namespace headrace {

/// No addition waits for the one before. The rounding does not depend on the machine.
struct SumsSideBySide {
  static constexpr int64_t kSums = 8;

  double highs[kSums] = {};
  double lows[kSums] = {};  // what the additions to highs lost
  bool are_finite = true;   // every value and every sum

  /// Adds the first `length` / kSums * kSums of `values`, which may lie at any address.
  void Add(const uint8_t* values, int64_t length);
};

}  // namespace headrace
