// Comparison of a column of numbers with one number, a bit per row.
#pragma once

#include <cstdint>

namespace headrace {

enum class CompareOp : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

/// Writes `count` bits, in (count + 7) / 8 bytes: whether values[i] `op` limit. NaN is above all
/// numbers; the limit is none. Values may lie at any address. T: int32_t, int64_t, float, double.
template <typename T>
void CompareBits(CompareOp op, const uint8_t* values, T limit, int64_t count, uint8_t* bits);

}  // namespace headrace
