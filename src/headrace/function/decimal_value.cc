// Arithmetic on the 128-bit integers behind decimal128.
#include "headrace/function/decimal_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "arrow/type.h"
#include "arrow/util/decimal.h"

namespace headrace {
namespace {

constexpr std::array<Int128, kDecimalPrecisionMax + 1> kPowers = [] {
  std::array<Int128, kDecimalPrecisionMax + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

arrow::Decimal128 ToArrow(Int128 value) {
  return {static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)};
}

UInt128 Magnitude(Int128 value) {
  return value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
}

/// The quotient of magnitudes, half up. REQUIRES: denominator <= 2^127.
template <typename T>
T RoundedQuotient(const T& numerator, const T& denominator) {
  const T quotient = numerator / denominator;
  const T remainder = numerator % denominator;
  return remainder + remainder >= denominator ? quotient + T(1) : quotient;
}

/// The slow path of DivideScaled, in 256 bits: the scaled numerator has at most 76 digits.
bool DivideWide(UInt128 numerator, int digits, UInt128 denominator, UInt128* out) {
  using arrow::Decimal256;
  const int spare_digits = std::min(Decimal256::kMaxPrecision - digits, kDecimalPrecisionMax);
  if (numerator >= static_cast<UInt128>(PowerOfTen(spare_digits))) return true;
  const auto widen = [](UInt128 value) {
    return Decimal256(arrow::BasicDecimal256::LittleEndianArray,
                      {static_cast<uint64_t>(value), static_cast<uint64_t>(value >> 64), 0, 0});
  };
  const Decimal256 scaled = widen(numerator) * Decimal256::GetScaleMultiplier(digits);
  const Decimal256 quotient = RoundedQuotient<arrow::BasicDecimal256>(scaled, widen(denominator));
  const auto words = quotient.little_endian_array();
  *out = (static_cast<UInt128>(words[1]) << 64) | words[0];
  return words[2] != 0 || words[3] != 0 || *out >= static_cast<UInt128>(kPowers.back());
}

/// ScaleDouble in 128 bits, for a scale of at most 18; nothing when the value is too large for it.
std::optional<UInt128> ScaleNear(double magnitude, int scale) {
  constexpr int kMantissaBits = std::numeric_limits<double>::digits - 1;
  constexpr int kExponentZero = 1'023 + kMantissaBits;
  const auto bits = std::bit_cast<uint64_t>(magnitude);
  const int biased = static_cast<int>(bits >> kMantissaBits);
  const uint64_t hidden = biased == 0 ? 0 : uint64_t{1} << kMantissaBits;
  const uint64_t mantissa = (bits & ((uint64_t{1} << kMantissaBits) - 1)) | hidden;
  const int exponent = std::max(biased, 1) - kExponentZero;
  // Below 2^53 * 10^18 < 2^113.
  const UInt128 scaled =
      static_cast<UInt128>(mantissa) * static_cast<uint64_t>(kPowers[static_cast<size_t>(scale)]);
  if (exponent > 13) return std::nullopt;
  if (exponent >= 0) return scaled << exponent;
  if (exponent < -113) return 0;
  return (scaled + (static_cast<UInt128>(1) << (-exponent - 1))) >> -exponent;
}

}  // namespace

Int128 PowerOfTen(int exponent) { return kPowers[static_cast<size_t>(exponent)]; }

bool FitsPrecision(Int128 value, int precision) {
  return Magnitude(value) < static_cast<UInt128>(PowerOfTen(precision));
}

bool ScaleUp(Int128 value, int digits, Int128* out) {
  if (digits == 0) return *out = value, false;
  if (digits > kDecimalPrecisionMax) {
    *out = 0;
    return value != 0;
  }
  return __builtin_mul_overflow(value, PowerOfTen(digits), out);
}

Int128 ScaleDown(Int128 value, int digits) {
  if (digits == 0) return value;
  if (digits > kDecimalPrecisionMax) return 0;
  const auto quotient = static_cast<Int128>(
      RoundedQuotient(Magnitude(value), static_cast<UInt128>(PowerOfTen(digits))));
  return value < 0 ? -quotient : quotient;
}

bool ScaleDouble(double value, int scale, Int128* out) {
  using arrow::BasicDecimal256;
  constexpr double kAboveAll = 1e39;
  *out = 0;
  if (const auto near = scale <= 18 ? ScaleNear(std::fabs(value), scale) : std::nullopt) {
    *out = value < 0 ? -static_cast<Int128>(*near) : static_cast<Int128>(*near);
    return *near >= static_cast<UInt128>(kPowers.back());
  }
  if (!(std::fabs(value) * static_cast<double>(PowerOfTen(scale)) < kAboveAll)) return true;
  // |value| = mantissa * 2^exponent exactly; mantissa * 10^scale has at most 53 + 127 bits.
  int exponent;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  exponent -= std::numeric_limits<double>::digits;
  const auto mantissa =
      static_cast<uint64_t>(std::ldexp(fraction, std::numeric_limits<double>::digits));
  BasicDecimal256 scaled =
      BasicDecimal256(mantissa) * BasicDecimal256(BasicDecimal256::GetScaleMultiplier(scale));
  if (exponent >= 0) {
    scaled <<= static_cast<uint32_t>(exponent);
  } else if (exponent > -200) {
    BasicDecimal256 half(1);
    half <<= static_cast<uint32_t>(-exponent - 1);
    scaled += half;
    scaled >>= static_cast<uint32_t>(-exponent);
  } else {
    scaled = BasicDecimal256(0);
  }
  const auto words = scaled.little_endian_array();
  const UInt128 magnitude = (static_cast<UInt128>(words[1]) << 64) | words[0];
  *out = static_cast<Int128>(value < 0 ? -magnitude : magnitude);
  return words[2] != 0 || words[3] != 0 || magnitude >= static_cast<UInt128>(kPowers.back());
}

bool DivideScaled(Int128 numerator, int digits, Int128 denominator, Int128* out) {
  UInt128 quotient;
  UInt128 scaled;
  const bool fits = digits <= kDecimalPrecisionMax &&
                    !__builtin_mul_overflow(Magnitude(numerator),
                                            static_cast<UInt128>(PowerOfTen(digits)), &scaled);
  bool failed;
  if (fits) {
    quotient = RoundedQuotient(scaled, Magnitude(denominator));
    failed = quotient >= static_cast<UInt128>(kPowers.back());
  } else {
    failed = DivideWide(Magnitude(numerator), digits, Magnitude(denominator), &quotient);
  }
  if (failed) {
    *out = 0;
    return true;
  }
  *out = (numerator < 0) != (denominator < 0) ? -static_cast<Int128>(quotient)
                                              : static_cast<Int128>(quotient);
  return false;
}

std::string FormatDecimal(Int128 value, int scale) { return ToArrow(value).ToString(scale); }

int ScaleOf(const arrow::DataType& type) {
  return static_cast<const arrow::DecimalType&>(type).scale();
}

int PrecisionOf(const arrow::DataType& type) {
  return static_cast<const arrow::DecimalType&>(type).precision();
}

}  // namespace headrace
