// Sums of products to 106 bits: an unevaluated sum of two doubles (Dekker 1971, Knuth). Sums in it
// do not depend on the order of their parts for any practical purpose.
#pragma once

#include <cmath>

namespace headrace {

struct DoubleDouble {
  double high = 0;
  double low = 0;

  __float128 Wide() const { return static_cast<__float128>(high) + low; }
};

inline DoubleDouble TwoSum(double a, double b) {
  const double sum = a + b;
  const double part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

inline DoubleDouble TwoProduct(double a, double b) {
  // Veltkamp's split of each factor in two halves of 26 bits.
  constexpr double kSplit = 134217729.0;
  const double product = a * b;
  const double a_scaled = kSplit * a;
  const double a_high = a_scaled - (a_scaled - a);
  const double a_low = a - a_high;
  const double b_scaled = kSplit * b;
  const double b_high = b_scaled - (b_scaled - b);
  const double b_low = b - b_high;
  const double error =
      ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  return {product, error == error ? error : 0};
}

inline DoubleDouble operator+(const DoubleDouble& a, const DoubleDouble& b) {
  DoubleDouble sum = TwoSum(a.high, b.high);
  sum.low += a.low + b.low;
  return TwoSum(sum.high, sum.low);
}

inline DoubleDouble operator*(const DoubleDouble& a, double b) {
  DoubleDouble product = TwoProduct(a.high, b);
  product.low += a.low * b;
  return TwoSum(product.high, product.low);
}

inline DoubleDouble operator*(const DoubleDouble& a, const DoubleDouble& b) {
  DoubleDouble product = TwoProduct(a.high, b.high);
  product.low += a.high * b.low + a.low * b.high;
  return TwoSum(product.high, product.low);
}

inline DoubleDouble operator-(const DoubleDouble& a) { return {-a.high, -a.low}; }

/// To the nearest double.
inline double Narrow(__float128 value) { return static_cast<double>(value); }

}  // namespace headrace
