// Casts: values, rounding, misfits, round trips through text, active rows, nested types.
#include <cmath>

#include "arrow/array/array_primitive.h"
#include "headrace/expression/test_binding.h"

namespace headrace {
namespace {

using arrow::TimeUnit;

Result<ArrayPtr> Cast(const TypePtr& from, const std::string& json, const TypePtr& to,
                      bool try_cast = false) {
  const ArrayPtr array = Sliced(FromJson(from, json));
  ARROW_ASSIGN_OR_RAISE(auto result,
                        CastArray(array, to, try_cast, Rows{array->length()}, TestPool()));
  ARROW_RETURN_NOT_OK(result->ValidateFull());
  return result;
}

void ExpectCast(const TypePtr& from, const std::string& json, const TypePtr& to,
                const std::string& expected) {
  SCOPED_TRACE(from->ToString() + " " + json + " to " + to->ToString());
  const auto result = Cast(from, json, to);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_TRUE((*result)->Equals(*FromJson(to, expected))) << (*result)->ToString();
}

void ExpectMisfit(const TypePtr& from, const std::string& value, const TypePtr& to,
                  const std::string& message) {
  SCOPED_TRACE(from->ToString() + " " + value + " to " + to->ToString());
  const auto result = Cast(from, "[null, " + value + "]", to);
  ASSERT_FALSE(result.ok()) << (*result)->ToString();
  EXPECT_NE(result.status().message().find(message), std::string::npos)
      << result.status().message();
  const auto tried = Cast(from, "[null, " + value + "]", to, /*try_cast=*/true);
  ASSERT_TRUE(tried.ok()) << tried.status().ToString();
  EXPECT_EQ((*tried)->null_count(), 2);
}

TEST(CastTest, Integers) {
  ExpectCast(arrow::int64(), "[1, null, -128]", arrow::int8(), "[1, null, -128]");
  ExpectCast(arrow::uint64(), "[18446744073709551615]", arrow::float64(), "[18446744073709551615]");
  ExpectCast(arrow::int32(), "[0, 5, null]", arrow::boolean(), "[false, true, null]");
  ExpectCast(arrow::boolean(), "[false, true, null]", arrow::int16(), "[0, 1, null]");
  ExpectCast(arrow::boolean(), "[true]", arrow::decimal128(3, 1), R"(["1.0"])");
  ExpectMisfit(arrow::int64(), "128", arrow::int8(), "cannot cast 128 to int8");
  ExpectMisfit(arrow::int64(), "-1", arrow::uint64(), "cannot cast -1 to uint64");
  ExpectMisfit(arrow::uint64(), "9223372036854775808", arrow::int64(), "9223372036854775808");
}

TEST(CastTest, FractionsRoundHalfAwayFromZero) {
  ExpectCast(arrow::float64(), "[2.5, -2.5, 1.5, 0.49, -0.5]", arrow::int32(), "[3, -3, 2, 0, -1]");
  ExpectCast(arrow::decimal128(4, 2), R"(["2.50", "-2.50", "2.49"])", arrow::int64(), "[3, -3, 2]");
  ExpectCast(arrow::decimal128(5, 3), R"(["1.125", "-1.125", "1.124"])", arrow::decimal128(5, 2),
             R"(["1.13", "-1.13", "1.12"])");
  ExpectCast(arrow::float64(), "[0.125, 1e3]", arrow::decimal128(6, 2), R"(["0.13", "1000.00"])");
}

TEST(CastTest, NegativeScales) {
  const TypePtr hundreds = arrow::decimal128(3, -2);
  for (const auto& [type, json] : {std::pair{arrow::float64(), "[12350, -12349]"},
                                   std::pair{arrow::int64(), "[12350, -12349]"}}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr cast, Cast(type, json, hundreds));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr back,
                         CastArray(cast, arrow::int64(), false, Rows{2}, TestPool()));
    EXPECT_TRUE(back->Equals(*FromJson(arrow::int64(), "[12400, -12300]"))) << back->ToString();
    const Batch batch = Columns({cast});
    ASSERT_OK_AND_ASSIGN(const ArrayPtr sum, Eval(Fn("+", {Col("x"), Col("x")}), batch));
    EXPECT_EQ(FormatValue(*sum, 0), "24800");
  }
}

TEST(CastTest, FloatsThatDoNotFit) {
  for (const char* value : {"NaN", "Inf", "-Inf", "9223372036854775808", "1e300"}) {
    ExpectMisfit(arrow::float64(), value, arrow::int64(), "cannot cast");
  }
  ExpectCast(arrow::float64(), "[-9223372036854775808]", arrow::int64(), "[-9223372036854775808]");
  ExpectMisfit(arrow::float64(), "-1", arrow::uint32(), "cannot cast -1.0 to uint32");
  ExpectMisfit(arrow::float64(), "1e300", arrow::float32(), "1e+300");
  ExpectCast(arrow::float64(), "[Inf, 0.5]", arrow::float32(), "[Inf, 0.5]");
  ExpectMisfit(arrow::float64(), "NaN", arrow::decimal128(5, 2), "nan");
  ExpectMisfit(arrow::float64(), "1000", arrow::decimal128(5, 2), "1000.0");
}

TEST(CastTest, Decimals) {
  ExpectCast(arrow::int64(), "[12, null]", arrow::decimal128(4, 2), R"(["12.00", null])");
  ExpectCast(arrow::decimal128(4, 2), R"(["12.50"])", arrow::float64(), "[12.5]");
  ExpectCast(arrow::decimal128(4, 2), R"(["0.00", "0.01"])", arrow::boolean(), "[false, true]");
  ExpectMisfit(arrow::int64(), "100", arrow::decimal128(4, 2),
               "cannot cast 100 to decimal128(4, 2)");
  ExpectMisfit(arrow::decimal128(5, 2), "\"999.99\"", arrow::decimal128(4, 1), "999.99");
  ExpectMisfit(arrow::decimal128(5, 2), "\"300.00\"", arrow::uint8(), "300.00 to uint8");
  ExpectCast(arrow::decimal256(40, 2), R"(["1.25"])", arrow::decimal128(4, 1), R"(["1.3"])");
  ExpectCast(arrow::float16(), "[1.5]", arrow::int32(), "[2]");
}

TEST(CastTest, TextToNumbers) {
  ExpectCast(arrow::utf8(), R"(["1", " -2 ", "+3", null])", arrow::int64(), "[1, -2, 3, null]");
  ExpectCast(arrow::utf8(), R"(["1.5", "1e3", "-inf", "+2"])", arrow::float64(),
             "[1.5, 1000, -Inf, 2]");
  ExpectCast(arrow::utf8(), R"(["1.255", "-1e1", "7"])", arrow::decimal128(5, 2),
             R"(["1.26", "-10.00", "7.00"])");
  ExpectCast(arrow::utf8(), R"(["true", "F", "1", "No"])", arrow::boolean(),
             "[true, false, true, false]");
  for (const char* text : {"abc", "", "1x", "+-1", "1 2", "0x10", "1.5"}) {
    ExpectMisfit(arrow::utf8(), "\"" + std::string(text) + "\"", arrow::int64(),
                 "cannot cast '" + std::string(text) + "' to int64");
  }
  ExpectMisfit(arrow::utf8(), "\"256\"", arrow::uint8(), "'256' to uint8");
  ExpectMisfit(arrow::utf8(), "\"-1\"", arrow::uint64(), "'-1'");
  ExpectMisfit(arrow::utf8(), "\"1.5.\"", arrow::float64(), "'1.5.'");
  ExpectMisfit(arrow::utf8(), "\"maybe\"", arrow::boolean(), "'maybe' to bool");
  ExpectMisfit(arrow::utf8(), "\"1000\"", arrow::decimal128(5, 2), "'1000'");
  ExpectMisfit(arrow::utf8(), "\"1,5\"", arrow::decimal128(5, 2), "'1,5'");
}

TEST(CastTest, LongValuesAreCutInMessages) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "é";
  EXPECT_ERROR(Cast(arrow::utf8(), "[\"" + text + "\"]", arrow::int64()), kBadData,
               "éé… (400 bytes)' to int64");
}

TEST(CastTest, TextToTimes) {
  ExpectCast(arrow::utf8(), R"(["1970-01-02", "2013-01-01 23:59:59", "1969-12-31"])",
             arrow::date32(), "[1, 15706, -1]");
  ExpectCast(arrow::utf8(), R"(["1970-01-02"])", arrow::date64(), "[86400000]");
  ExpectCast(arrow::utf8(), R"(["1970-01-01 00:00:01.5", "1970-01-01T00:01", "1970-01-01"])",
             arrow::timestamp(TimeUnit::MILLI), "[1500, 60000, 0]");
  ExpectCast(arrow::utf8(), R"(["1970-01-01 01:00:00+01:00", "1970-01-01 00:00:01"])",
             arrow::timestamp(TimeUnit::SECOND, "Europe/Berlin"), "[0, 1]");
  ExpectCast(arrow::utf8(), R"(["00:01:00"])", arrow::time32(TimeUnit::SECOND), "[60]");
  ExpectCast(arrow::utf8(), R"(["00:00:00.000001"])", arrow::time64(TimeUnit::MICRO), "[1]");
  ExpectMisfit(arrow::utf8(), "\"2013-02-30\"", arrow::date32(), "'2013-02-30' to date32");
  ExpectMisfit(arrow::utf8(), "\"yesterday\"", arrow::timestamp(TimeUnit::MICRO), "'yesterday'");
  ExpectMisfit(arrow::utf8(), "\"25:00:00\"", arrow::time32(TimeUnit::SECOND), "'25:00:00'");
  ExpectMisfit(arrow::utf8(), "\"1970-01-01 00:00:00Z\"", arrow::timestamp(TimeUnit::MICRO), "Z'");
}

TEST(CastTest, Times) {
  const TypePtr seconds = arrow::timestamp(TimeUnit::SECOND);
  const TypePtr millis = arrow::timestamp(TimeUnit::MILLI);
  ExpectCast(arrow::date32(), "[1, -1]", seconds, "[86400, -86400]");
  ExpectCast(seconds, "[86399, -1]", arrow::date32(), "[0, -1]");
  ExpectCast(millis, "[1999, -1]", seconds, "[1, -1]");
  ExpectCast(seconds, "[2]", arrow::timestamp(TimeUnit::NANO, "UTC"), "[2000000000]");
  ExpectCast(millis, "[-1]", arrow::time32(TimeUnit::MILLI), "[86399999]");
  ExpectCast(arrow::date32(), "[2]", arrow::date64(), "[172800000]");
  ExpectCast(arrow::date64(), "[172800000]", arrow::date32(), "[2]");
  ExpectCast(arrow::time32(TimeUnit::SECOND), "[3]", arrow::time64(TimeUnit::NANO), "[3000000000]");
  ExpectCast(arrow::duration(TimeUnit::SECOND), "[3]", arrow::duration(TimeUnit::MICRO),
             "[3000000]");
  ExpectCast(arrow::int32(), "[3]", arrow::duration(TimeUnit::MICRO), "[3]");
  ExpectCast(arrow::duration(TimeUnit::MICRO), "[3]", arrow::int32(), "[3]");
  ExpectMisfit(seconds, "9223372036854775807", arrow::timestamp(TimeUnit::NANO), "timestamp[ns]");
  ExpectMisfit(seconds, "9223372036854775807", arrow::date32(), "date32");
}

TEST(CastTest, WhatIsPrintedReadsBack) {
  const std::vector<std::pair<TypePtr, std::string>> cases = {
      {arrow::boolean(), "[true, false, null]"},
      {arrow::int8(), "[-128, 127]"},
      {arrow::uint64(), "[18446744073709551615]"},
      {arrow::float32(), "[0.1, -1.5, 3e38]"},
      {arrow::float64(), "[0.1, 1e300, -0.0, Inf]"},
      {arrow::decimal128(10, 3), R"(["-1.250", "0.001"])"},
      {arrow::date32(), "[0, 15706, -719162]"},
      {arrow::date64(), "[86400000]"},
      {arrow::time32(TimeUnit::MILLI), "[1, 86399999]"},
      {arrow::time64(TimeUnit::NANO), "[1]"},
      {arrow::timestamp(TimeUnit::NANO), "[1, -1]"},
      {arrow::timestamp(TimeUnit::SECOND, "UTC"), "[0, 1357016400]"},
  };
  for (const auto& [type, json] : cases) {
    SCOPED_TRACE(type->ToString());
    ASSERT_OK_AND_ASSIGN(const ArrayPtr text, Cast(type, json, arrow::utf8()));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr back,
                         CastArray(text, type, false, Rows{text->length()}, TestPool()));
    EXPECT_TRUE(back->Equals(*FromJson(type, json))) << text->ToString();
  }
}

TEST(CastTest, TextAndBytes) {
  ExpectCast(arrow::int64(), "[1, null]", arrow::utf8(), R"(["1", null])");
  ExpectCast(arrow::list(arrow::int64()), "[[1, null], null]", arrow::utf8(),
             R"(["[1, NULL]", null])");
  ExpectCast(arrow::utf8(), R"(["aé", null])", arrow::binary(), R"(["aé", null])");
  ExpectCast(arrow::fixed_size_binary(2), R"(["ab", null])", arrow::binary(), R"(["ab", null])");
  ExpectCast(arrow::null(), "[null, null]", arrow::int64(), "[null, null]");
  ExpectCast(arrow::null(), "[null]", arrow::list(arrow::int64()), "[null]");
}

TEST(CastTest, NestedTypesByTheirParts) {
  ExpectCast(arrow::list(arrow::utf8()), R"([["1", null], null, [], ["2"]])",
             arrow::list(arrow::int64()), "[[1, null], null, [], [2]]");
  ExpectCast(arrow::struct_({arrow::field("a", arrow::int64())}), R"([{"a": 1}, null])",
             arrow::struct_({arrow::field("b", arrow::utf8())}), R"([{"b": "1"}, null])");
  ExpectCast(arrow::map(arrow::utf8(), arrow::int8()), R"([[["1", 2]], null])",
             arrow::map(arrow::int32(), arrow::float64()), "[[[1, 2]], null]");
  EXPECT_ERROR(Cast(arrow::list(arrow::utf8()), R"([["1"], ["x"]])", arrow::list(arrow::int8())),
               kBadData, "'x'");
  const auto tried =
      Cast(arrow::list(arrow::utf8()), R"([["1", "x"]])", arrow::list(arrow::int8()), true);
  EXPECT_TRUE((*tried)->Equals(*FromJson(arrow::list(arrow::int8()), "[[1, null]]")));
  EXPECT_ERROR(Cast(arrow::struct_({arrow::field("a", arrow::int64())}), "[]", arrow::struct_({})),
               kTypeMismatch, "no cast");
}

TEST(CastTest, OnlyActiveRowsRaise) {
  const ArrayPtr texts = FromJson(arrow::utf8(), R"(["1", "x", "3"])");
  const ArrayPtr lists = FromJson(arrow::list(arrow::utf8()), R"([["1"], ["x"], ["3"]])");
  const std::vector<uint32_t> good = {0, 2};
  const std::vector<uint32_t> bad = {1};
  for (const auto& [array, type] :
       {std::pair{texts, arrow::int64()}, std::pair{lists, arrow::list(arrow::int64())}}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result,
                         CastArray(array, type, false, Rows{3, &good}, TestPool()));
    EXPECT_TRUE(result->ValidateFull().ok());
    EXPECT_TRUE(result->IsValid(0) && result->IsValid(2));
    EXPECT_ERROR(CastArray(array, type, false, Rows{3, &bad}, TestPool()), kBadData, "'x'");
  }
}

TEST(CastTest, EncodedSourcesAndTargets) {
  const ArrayPtr words = FromJson(arrow::utf8(), R"(["1", null, "2"])");
  for (const auto& [name, array] : Representations(words)) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const ArrayPtr result,
                         CastArray(array, arrow::int32(), false, Rows{3}, TestPool()));
    EXPECT_TRUE(result->Equals(*FromJson(arrow::int32(), "[1, null, 2]")));
  }
  const TypePtr coded = arrow::dictionary(arrow::int32(), arrow::utf8());
  ASSERT_OK_AND_ASSIGN(const ArrayPtr result, CastArray(FromJson(arrow::int32(), "[1, null, 1]"),
                                                        coded, false, Rows{3}, TestPool()));
  EXPECT_TRUE(result->type()->Equals(*coded));
}

TEST(CastTest, CastsThatDoNotExist) {
  for (const auto& [from, to] : std::vector<std::pair<TypePtr, TypePtr>>{
           {arrow::int64(), arrow::date32()},
           {arrow::date32(), arrow::boolean()},
           {arrow::binary(), arrow::int64()},
           {arrow::list(arrow::int64()), arrow::int64()},
           {arrow::int64(), arrow::list(arrow::int64())},
           {arrow::time32(TimeUnit::SECOND), arrow::timestamp(TimeUnit::SECOND)},
           {arrow::date32(), arrow::time32(TimeUnit::SECOND)},
           {arrow::utf8(), arrow::duration(TimeUnit::SECOND)}}) {
    EXPECT_ERROR(Cast(from, "[]", to), kTypeMismatch, "there is no cast from " + from->ToString());
  }
}

}  // namespace
}  // namespace headrace
