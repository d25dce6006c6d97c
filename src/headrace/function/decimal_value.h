// Arithmetic on the 128-bit integers behind decimal128: powers of ten, rounding, text.
#pragma once

#include <string>

#include "headrace/function/view.h"

namespace headrace {

inline constexpr int kDecimalPrecisionMax = 38;

/// 10^exponent. REQUIRES: 0 <= exponent <= 38.
Int128 PowerOfTen(int exponent);
/// Whether |value| < 10^precision.
bool FitsPrecision(Int128 value, int precision);
/// value * 10^digits into `out`; true on overflow of 128 bits. REQUIRES: digits >= 0.
bool ScaleUp(Int128 value, int digits, Int128* out);
/// value / 10^digits, half away from zero. REQUIRES: digits >= 0.
Int128 ScaleDown(Int128 value, int digits);
/// value * 10^scale, rounded half away from zero from the double's exact value; true when it is not
/// finite or has more than 38 digits. REQUIRES: 0 <= scale <= 38.
bool ScaleDouble(double value, int scale, Int128* out);
/// numerator * 10^digits / denominator, half away from zero; true when it does not fit 38 digits.
/// REQUIRES: denominator != 0, 0 <= digits <= 76.
bool DivideScaled(Int128 numerator, int digits, Int128 denominator, Int128* out);
/// "-12.50" for −1250 with scale 2.
std::string FormatDecimal(Int128 value, int scale);

/// Scale and precision of a decimal type.
int ScaleOf(const arrow::DataType& type);
int PrecisionOf(const arrow::DataType& type);

}  // namespace headrace
