// Comparisons by bits against comparisons one by one.
#include "headrace/function/compare_bits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace headrace {
namespace {

template <typename T>
bool IsNan(T value) {
  return value != value;
}

template <typename T>
bool Holds(CompareOp op, T value, T limit) {
  switch (op) {
    case CompareOp::kEqual:
      return value == limit;
    case CompareOp::kNotEqual:
      return value != limit;
    case CompareOp::kLess:
      return value < limit;
    case CompareOp::kLessEqual:
      return value <= limit;
    case CompareOp::kGreater:
      return value > limit || IsNan(value);
    case CompareOp::kGreaterEqual:
      return value >= limit || IsNan(value);
  }
  return false;
}

template <typename T>
class CompareBitsTest : public ::testing::Test {
 protected:
  static std::vector<T> Values() {
    using Limits = std::numeric_limits<T>;
    std::vector<T> values = {0, 1, static_cast<T>(-1), Limits::max(), Limits::lowest(), 3, 5};
    if constexpr (Limits::has_quiet_NaN) {
      values.insert(values.end(), {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(),
                                   static_cast<T>(-0.0), Limits::denorm_min()});
    }
    return values;
  }
};

using Types = ::testing::Types<int32_t, int64_t, float, double>;
TYPED_TEST_SUITE(CompareBitsTest, Types);

TYPED_TEST(CompareBitsTest, AgreesWithOneByOne) {
  using T = TypeParam;
  std::mt19937 random(5);
  const std::vector<T> special = this->Values();
  for (const int64_t count : {0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1000}) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& value : values) value = special[random() % special.size()];
    // Values at an odd address, in memory that ends with them.
    std::vector<uint8_t> bytes(1 + values.size() * sizeof(T));
    if (count > 0) std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
    for (const T limit : special) {
      if (IsNan(limit)) continue;
      for (int op = 0; op < 6; ++op) {
        std::vector<uint8_t> bits(static_cast<size_t>((count + 7) / 8));
        CompareBits(static_cast<CompareOp>(op), bytes.data() + 1, limit, count, bits.data());
        for (size_t i = 0; i < values.size(); ++i) {
          ASSERT_EQ((bits[i / 8] >> (i % 8)) & 1,
                    Holds(static_cast<CompareOp>(op), values[i], limit))
              << count << " " << op << " " << i << " " << values[i] << " " << limit;
        }
      }
    }
  }
}

}  // namespace
}  // namespace headrace
