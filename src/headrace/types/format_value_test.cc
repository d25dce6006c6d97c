// The text form of every type of cell.
#include "headrace/types/format_value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "arrow/array.h"
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/builder_time.h"
#include "arrow/array/util.h"
#include "arrow/json/from_string.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/base/test_status.h"
#include "headrace/types/batch.h"

namespace headrace {
namespace {

using arrow::TimeUnit;

// The cells of the array that `json` is, joined by ";".
std::string Texts(const TypePtr& type, const std::string& json) {
  const ArrayPtr array = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  std::string text;
  for (int64_t row = 0; row < array->length(); ++row) {
    if (row > 0) text += ";";
    AppendValue(*array, row, &text);
  }
  return text;
}

template <typename Builder, typename... Args>
std::string One(auto value, Args&&... args) {
  Builder builder(std::forward<Args>(args)...);
  EXPECT_OK(builder.Append(value));
  return FormatValue(*builder.Finish().ValueOrDie(), 0);
}

TEST(FormatValueTest, IntegersAndBooleans) {
  EXPECT_EQ(Texts(arrow::int8(), "[-128, 127, null]"), "-128;127;NULL");
  EXPECT_EQ(Texts(arrow::int64(), "[-9223372036854775808, 0]"), "-9223372036854775808;0");
  EXPECT_EQ(Texts(arrow::uint64(), "[18446744073709551615]"), "18446744073709551615");
  EXPECT_EQ(Texts(arrow::uint8(), "[255]"), "255");
  EXPECT_EQ(Texts(arrow::boolean(), "[true, false, null]"), "true;false;NULL");
  EXPECT_EQ(Texts(arrow::null(), "[null]"), "NULL");
}

TEST(FormatValueTest, FloatsAreShortestAndKeepTheirPoint) {
  using Double = arrow::DoubleBuilder;
  EXPECT_EQ(One<Double>(1.0), "1.0");
  EXPECT_EQ(One<Double>(-0.0), "-0.0");
  EXPECT_EQ(One<Double>(0.1), "0.1");
  EXPECT_EQ(One<Double>(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(One<Double>(1e15), "1000000000000000.0");
  EXPECT_EQ(One<Double>(1e16), "1e+16");
  EXPECT_EQ(One<Double>(1e-5), "1e-05");
  EXPECT_EQ(One<Double>(5e-324), "5e-324");
  EXPECT_EQ(One<Double>(std::nan("")), "nan");
  EXPECT_EQ(One<Double>(-std::nan("")), "nan");
  EXPECT_EQ(One<Double>(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(One<Double>(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(One<arrow::FloatBuilder>(0.1F), "0.1");
  EXPECT_EQ(Texts(arrow::float16(), "[1.5, null]"), "1.5;NULL");
}

TEST(FormatValueTest, DecimalsHaveAllDigitsOfTheirScale) {
  EXPECT_EQ(Texts(arrow::decimal128(10, 2), R"(["1.50", "-0.05", "0.00", "12345678.90", null])"),
            "1.50;-0.05;0.00;12345678.90;NULL");
  EXPECT_EQ(Texts(arrow::decimal128(20, 12), R"(["0.000000000001"])"), "0.000000000001");
  EXPECT_EQ(Texts(arrow::decimal128(5, 0), R"(["-7"])"), "-7");
  EXPECT_EQ(Texts(arrow::decimal256(60, 1), R"(["123456789012345678901234567890123456789.5"])"),
            "123456789012345678901234567890123456789.5");
  EXPECT_EQ(Texts(arrow::decimal32(5, 2), R"(["1.25"])"), "1.25");
  EXPECT_EQ(Texts(arrow::decimal64(15, 3), R"(["-1.250"])"), "-1.250");
  EXPECT_EQ(One<arrow::Decimal128Builder>(arrow::Decimal128(12), arrow::decimal128(5, -3)),
            "12000");
}

TEST(FormatValueTest, DatesAndTimes) {
  EXPECT_EQ(Texts(arrow::date32(), "[0, -1, 18321, 11016, -719528, 2932896]"),
            "1970-01-01;1969-12-31;2020-02-29;2000-02-29;0000-01-01;9999-12-31");
  EXPECT_EQ(Texts(arrow::date64(), "[0, -86400000]"), "1970-01-01;1969-12-31");
  EXPECT_EQ(Texts(arrow::time32(TimeUnit::SECOND), "[0, 86399]"), "00:00:00;23:59:59");
  EXPECT_EQ(Texts(arrow::time32(TimeUnit::MILLI), "[1, 100, 3600000]"),
            "00:00:00.001;00:00:00.1;01:00:00");
  EXPECT_EQ(Texts(arrow::time64(TimeUnit::MICRO), "[1000001]"), "00:00:01.000001");
  EXPECT_EQ(Texts(arrow::time64(TimeUnit::NANO), "[1]"), "00:00:00.000000001");
}

TEST(FormatValueTest, Timestamps) {
  EXPECT_EQ(Texts(arrow::timestamp(TimeUnit::MICRO), "[0, -1, 1356998400250000]"),
            "1970-01-01 00:00:00;1969-12-31 23:59:59.999999;2013-01-01 00:00:00.25");
  EXPECT_EQ(Texts(arrow::timestamp(TimeUnit::SECOND, "UTC"), "[1582934400]"),
            "2020-02-29 00:00:00Z");
  EXPECT_EQ(Texts(arrow::timestamp(TimeUnit::MILLI, "Asia/Tokyo"), "[1]"),
            "1970-01-01 00:00:00.001Z");
  EXPECT_EQ(Texts(arrow::timestamp(TimeUnit::NANO), "[1000000001]"),
            "1970-01-01 00:00:01.000000001");
}

TEST(FormatValueTest, ExtremeTimesDoNotOverflow) {
  for (const auto unit : {TimeUnit::SECOND, TimeUnit::MILLI, TimeUnit::MICRO, TimeUnit::NANO}) {
    for (const int64_t value :
         {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
      EXPECT_FALSE(
          One<arrow::TimestampBuilder>(value, arrow::timestamp(unit), arrow::default_memory_pool())
              .empty());
      EXPECT_FALSE(
          One<arrow::DurationBuilder>(value, arrow::duration(unit), arrow::default_memory_pool())
              .empty());
    }
  }
}

TEST(FormatValueTest, Durations) {
  EXPECT_EQ(Texts(arrow::duration(TimeUnit::SECOND), "[0, 59, 3661, 86400, 180000, -1]"),
            "00:00:00;00:00:59;01:01:01;1 day 00:00:00;2 days 02:00:00;-00:00:01");
  EXPECT_EQ(Texts(arrow::duration(TimeUnit::MICRO), "[1500000, -86400000001]"),
            "00:00:01.5;-1 day 00:00:00.000001");
  EXPECT_EQ(Texts(arrow::month_interval(), "[1, 14, -2]"), "1 month;14 months;-2 months");
  EXPECT_EQ(Texts(arrow::day_time_interval(), "[[1, 1500]]"), "1 day 00:00:01.5");
  EXPECT_EQ(
      Texts(
          arrow::month_day_nano_interval(),
          "[[1, 2, 3], [-13, -1, 0], [0, 0, 0], [24, 0, -3600000000000], [0, 1, 90000000000000]]"),
      "1 month 2 days 00:00:00.000000003;-1 year -1 month -1 day;00:00:00;2 years "
      "-01:00:00;1 day 25:00:00");
}

TEST(FormatValueTest, TextAndBytes) {
  for (const TypePtr& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view()}) {
    EXPECT_EQ(Texts(type, R"(["it's", "", null, "a\nb"])"), "it's;;NULL;a\nb");
  }
  for (const TypePtr& type : {arrow::binary(), arrow::large_binary(), arrow::binary_view()}) {
    EXPECT_EQ(Texts(type, R"(["az", "", null])"), "\\x617a;\\x;NULL");
  }
  EXPECT_EQ(Texts(arrow::fixed_size_binary(2), R"(["az"])"), "\\x617a");
}

TEST(FormatValueTest, NestedValuesQuoteTheirText) {
  for (const TypePtr& type : {arrow::list(arrow::utf8()), arrow::large_list(arrow::utf8()),
                              arrow::list_view(arrow::utf8())}) {
    EXPECT_EQ(Texts(type, R"([["a", "it's", null], [], null])"), R"(['a', 'it\'s', NULL];[];NULL)");
  }
  EXPECT_EQ(Texts(arrow::fixed_size_list(arrow::int8(), 2), "[[1, 2], null]"), "[1, 2];NULL");
  EXPECT_EQ(Texts(arrow::struct_({arrow::field("a", arrow::int8()),
                                  arrow::field("b", arrow::list(arrow::float64()))}),
                  R"([{"a": 1, "b": [1, 2.5]}, null, {"a": null, "b": null}])"),
            "{'a': 1, 'b': [1.0, 2.5]};NULL;{'a': NULL, 'b': NULL}");
  EXPECT_EQ(Texts(arrow::map(arrow::utf8(), arrow::int8()), R"([[["k", 1], ["l", null]], []])"),
            "{'k': 1, 'l': NULL};{}");
  EXPECT_EQ(Texts(arrow::list(arrow::utf8()), R"([["a\nb\\c"]])"), R"(['a\nb\\c'])");
}

TEST(FormatValueTest, DictionariesShowTheirValues) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  EXPECT_EQ(Texts(type, R"(["a", null, "b", "a"])"), "a;NULL;b;a");
  EXPECT_EQ(Texts(arrow::list(type), R"([["a"], null])"), "['a'];NULL");
  const ArrayPtr null_value =
      arrow::DictionaryArray::FromArrays(
          type, arrow::json::ArrayFromJSONString(arrow::int8(), "[0]").ValueOrDie(),
          arrow::json::ArrayFromJSONString(arrow::utf8(), "[null]").ValueOrDie())
          .ValueOrDie();
  EXPECT_EQ(FormatValue(*null_value, 0), "NULL");
}

TEST(FormatValueTest, SlicesShowTheirOwnRows) {
  const ArrayPtr array =
      arrow::json::ArrayFromJSONString(arrow::struct_({arrow::field("a", arrow::utf8())}),
                                       R"([{"a": "x"}, {"a": "y"}, {"a": "z"}])")
          .ValueOrDie();
  EXPECT_EQ(FormatValue(*array->Slice(1), 1), "{'a': 'z'}");
}

TEST(FormatValueTest, OtherTypesStillHaveAText) {
  EXPECT_FALSE(Texts(arrow::dense_union({arrow::field("a", arrow::int8())}), "[[0, 5]]").empty());
}

}  // namespace
}  // namespace headrace
