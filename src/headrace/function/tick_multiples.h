// Begins of periods that are multiples of a number of ticks.
#pragma once

#include "headrace/base/floor_divide.h"
#include "headrace/function/view.h"

namespace headrace {

/// The multiples of `step`, above zero, at or before the ticks; false when one does not fit.
inline bool CutToMultiples(int64_t step, const View<int64_t>& ticks, int64_t length, int64_t* out) {
  const FloorDivider steps(step);
  uint64_t wrapped = 0;
  for (int64_t row = 0; row < length; ++row) {
    const int64_t value = ticks[row];
    const auto cut =
        static_cast<int64_t>(static_cast<uint64_t>(steps(value)) * static_cast<uint64_t>(step));
    wrapped |= cut > value ? 1 : 0;
    out[row] = cut;
  }
  return wrapped == 0;
}

}  // namespace headrace
