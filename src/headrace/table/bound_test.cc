// MayMatch against brute force: it may be wrong only by saying yes.
#include "headrace/table/bound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "arrow/json/from_string.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"

namespace headrace {
namespace {

ScalarPtr Value(const TypePtr& type, const std::string& json) {
  return arrow::json::ScalarFromJSONString(type, json).ValueOrDie();
}

ScalarPtr Double(double value) { return std::make_shared<arrow::DoubleScalar>(value); }

constexpr BoundOp kComparisons[] = {BoundOp::kEqual, BoundOp::kLess, BoundOp::kLessEqual,
                                    BoundOp::kGreater, BoundOp::kGreaterEqual};

bool Holds(int64_t value, BoundOp op, int64_t bound) {
  switch (op) {
    case BoundOp::kEqual:
      return value == bound;
    case BoundOp::kLess:
      return value < bound;
    case BoundOp::kLessEqual:
      return value <= bound;
    case BoundOp::kGreater:
      return value > bound;
    default:
      return value >= bound;
  }
}

// All ranges and bounds over a few ordered values of a type: exact, since min and max are.
void CheckType(const TypePtr& type, const std::vector<std::string>& ascending) {
  SCOPED_TRACE(type->ToString());
  const auto count = static_cast<int64_t>(ascending.size());
  const auto at = [&](int64_t i) { return Value(type, ascending[static_cast<size_t>(i)]); };
  for (int64_t min = 0; min < count; ++min) {
    for (int64_t max = min; max < count; ++max) {
      const ColumnRange range{.min = at(min), .max = at(max), .null_count = 1, .num_rows = 9};
      for (int64_t bound = 0; bound < count; ++bound) {
        for (const BoundOp op : kComparisons) {
          bool expected = false;
          for (int64_t value = min; value <= max; ++value) expected |= Holds(value, op, bound);
          EXPECT_EQ(MayMatch({.op = op, .value = at(bound)}, range), expected)
              << min << ".." << max << " op " << static_cast<int>(op) << " " << bound;
        }
      }
    }
  }
}

TEST(BoundTest, ComparesEveryOrderedType) {
  CheckType(arrow::int8(), {"-128", "-1", "0", "127"});
  CheckType(arrow::int64(), {"-9223372036854775808", "0", "9223372036854775807"});
  CheckType(arrow::uint8(), {"0", "1", "200"});
  CheckType(arrow::uint64(), {"0", "9223372036854775808", "18446744073709551615"});
  CheckType(arrow::boolean(), {"false", "true"});
  CheckType(arrow::date32(), {"-1", "0", "20000"});
  CheckType(arrow::time64(arrow::TimeUnit::MICRO), {"0", "1", "86399999999"});
  CheckType(arrow::timestamp(arrow::TimeUnit::NANO), {"-5", "0", "7"});
  CheckType(arrow::duration(arrow::TimeUnit::SECOND), {"-5", "0", "7"});
  CheckType(arrow::utf8(), {R"("")", R"("a")", R"("ab")", R"("b")", R"("ä")"});
  CheckType(arrow::binary(), {R"("")", R"("a")", R"("b")"});
  CheckType(arrow::large_utf8(), {R"("a")", R"("b")"});
  CheckType(arrow::fixed_size_binary(1), {R"("a")", R"("b")"});
  CheckType(arrow::decimal128(20, 2), {R"("-1.50")", R"("0.00")", R"("123456789012.34")"});
  CheckType(arrow::decimal256(50, 2), {R"("-1.50")", R"("0.00")", R"("1.00")"});
  CheckType(arrow::decimal64(10, 2), {R"("-1.50")", R"("0.00")", R"("1.00")"});
}

TEST(BoundTest, FloatsWithoutNaN) {
  const ColumnRange range{.min = Double(1), .max = Double(2), .null_count = 0, .num_rows = 5};
  EXPECT_FALSE(MayMatch({.op = BoundOp::kEqual, .value = Double(3)}, range));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kEqual, .value = Double(1.5)}, range));
  EXPECT_FALSE(MayMatch({.op = BoundOp::kLess, .value = Double(1)}, range));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kLessEqual, .value = Double(1)}, range));
  const ColumnRange zero{.min = Double(0.0), .max = Double(0.0), .null_count = 0, .num_rows = 1};
  EXPECT_TRUE(MayMatch({.op = BoundOp::kEqual, .value = Double(-0.0)}, zero));
}

// NaN sorts above +inf and no min or max shows it.
TEST(BoundTest, NaNMayHideBehindAnyMaximum) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ColumnRange range{.min = Double(1), .max = Double(2), .null_count = 0, .num_rows = 5};
  EXPECT_TRUE(MayMatch({.op = BoundOp::kGreater, .value = Double(9)}, range));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kGreaterEqual, .value = Double(9)}, range));
  for (const BoundOp op : kComparisons) {
    EXPECT_TRUE(MayMatch({.op = op, .value = Double(nan)}, range));
    const ColumnRange unknown{.min = Double(nan), .max = Double(nan), .num_rows = 5};
    EXPECT_TRUE(MayMatch({.op = op, .value = Double(1)}, unknown));
  }
  const ColumnRange halves{.min = Value(arrow::float16(), "1"),
                           .max = Value(arrow::float16(), "2"),
                           .null_count = 0,
                           .num_rows = 5};
  EXPECT_TRUE(MayMatch({.op = BoundOp::kGreater, .value = Value(arrow::float16(), "5")}, halves));
  EXPECT_FALSE(MayMatch({.op = BoundOp::kLess, .value = Value(arrow::float16(), "0.5")}, halves));
}

TEST(BoundTest, Nulls) {
  const ScalarPtr one = Value(arrow::int64(), "1");
  const ColumnRange none{.min = one, .max = one, .null_count = 0, .num_rows = 5};
  const ColumnRange some{.min = one, .max = one, .null_count = 2, .num_rows = 5};
  const ColumnRange all{.null_count = 5, .num_rows = 5};
  const ColumnRange unknown{.num_rows = 5};
  EXPECT_FALSE(MayMatch({.op = BoundOp::kIsNull}, none));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNull}, some));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNull}, all));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNull}, unknown));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNotNull}, none));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNotNull}, some));
  EXPECT_FALSE(MayMatch({.op = BoundOp::kIsNotNull}, all));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kIsNotNull}, unknown));
  for (const BoundOp op : kComparisons) {
    EXPECT_FALSE(MayMatch({.op = op, .value = one}, all)) << "null satisfies no comparison";
    EXPECT_TRUE(MayMatch({.op = op, .value = one}, unknown));
  }
}

TEST(BoundTest, OneSideMayBeUnknown) {
  const ScalarPtr five = Value(arrow::int32(), "5");
  const ColumnRange from_five{.min = five, .num_rows = 5};
  const ColumnRange to_five{.max = five, .num_rows = 5};
  EXPECT_FALSE(MayMatch({.op = BoundOp::kEqual, .value = Value(arrow::int32(), "4")}, from_five));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kEqual, .value = Value(arrow::int32(), "6")}, from_five));
  EXPECT_FALSE(MayMatch({.op = BoundOp::kGreater, .value = five}, to_five));
  EXPECT_TRUE(MayMatch({.op = BoundOp::kGreater, .value = five}, from_five));
}

TEST(BoundTest, WhatIsNotUnderstoodMayMatch) {
  const ColumnRange range{
      .min = Value(arrow::int32(), "5"), .max = Value(arrow::int32(), "6"), .num_rows = 5};
  EXPECT_TRUE(MayMatch({.op = BoundOp::kEqual, .value = Value(arrow::int64(), "9")}, range))
      << "another type";
  EXPECT_TRUE(
      MayMatch({.op = BoundOp::kEqual, .value = arrow::MakeNullScalar(arrow::int32())}, range));
  const auto list = arrow::list(arrow::int8());
  const ColumnRange lists{.min = Value(list, "[1]"), .max = Value(list, "[2]"), .num_rows = 5};
  EXPECT_TRUE(MayMatch({.op = BoundOp::kEqual, .value = Value(list, "[3]")}, lists));
  const ColumnRange text{
      .min = Value(arrow::utf8(), R"("a")"), .max = Value(arrow::utf8(), R"("b")"), .num_rows = 5};
  EXPECT_FALSE(
      MayMatch({.op = BoundOp::kEqual, .value = Value(arrow::large_utf8(), R"("c")")}, text))
      << "encodings of text compare";
}

}  // namespace
}  // namespace headrace
