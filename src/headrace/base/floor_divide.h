// Division of integers that cuts towards minus infinity, as calendars do, and the same by a divisor
// that many rows share.
#pragma once

#include <bit>
#include <cstdint>

namespace headrace {

inline int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

/// What `quotient` = FloorDivide(value, divisor) leaves of `value`. The product may wrap
/// around; the difference is right.
inline int64_t FloorRest(int64_t value, int64_t quotient, int64_t divisor) {
  return static_cast<int64_t>(static_cast<uint64_t>(value) -
                              static_cast<uint64_t>(quotient) * static_cast<uint64_t>(divisor));
}

/// Divides by one divisor above zero with a product in place of a division; exact for every value.
class FloorDivider {
 public:
  explicit FloorDivider(int64_t divisor)
      : shift_(64 - std::countl_zero(static_cast<uint64_t>(divisor - 1))) {
    const auto by = static_cast<unsigned __int128>(divisor);
    multiplier_ =
        static_cast<uint64_t>(((static_cast<unsigned __int128>(1) << (63 + shift_)) + by - 1) / by);
  }

  int64_t operator()(int64_t value) const {
    // Below zero floor(x / d) is ~floor(~x / d). The multiplier is off by less than the divisor, at
    // most 2^shift, so the quotient of a dividend under 2^63 by less than 1 / divisor.
    const int64_t sign = value >> 63;
    const auto doubled = static_cast<uint64_t>(value ^ sign) << 1;
    const auto high =
        static_cast<uint64_t>((static_cast<unsigned __int128>(doubled) * multiplier_) >> 64);
    return static_cast<int64_t>(high >> shift_) ^ sign;
  }

 private:
  int shift_;            // the least with divisor <= 2^shift
  uint64_t multiplier_;  // 2^(63 + shift) / divisor, rounded up
};

}  // namespace headrace
