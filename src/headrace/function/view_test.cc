// Raw access, bits, and the arithmetic of decimals.
#include "headrace/function/view.h"

#include <cmath>

#include "headrace/function/cell.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/test_arrays.h"

namespace headrace {
namespace {

TEST(PackBitsTest, EveryLengthGivesTheBitsOfItsBytes) {
  Rng rng(1);
  for (int64_t length = 0; length < 70; ++length) {
    std::vector<uint8_t> bytes;
    for (int64_t i = 0; i < length; ++i) bytes.push_back(rng.Below(2) == 0 ? 0 : 1);
    std::vector<uint8_t> bits(static_cast<size_t>(length / 8 + 1), 0);
    PackBits(bytes.data(), length, bits.data());
    for (int64_t i = 0; i < length; ++i) {
      EXPECT_EQ(arrow::bit_util::GetBit(bits.data(), i), bytes[static_cast<size_t>(i)] == 1);
    }
  }
}

TEST(ViewTest, OffsetsAndConstants) {
  const ArrayPtr array = FromJson(arrow::int32(), "[1, 2, null, 4]")->Slice(1);
  const View<int32_t> view(*array);
  EXPECT_EQ(view[0], 2);
  EXPECT_EQ(view[2], 4);
  const Validity valid(*array);
  EXPECT_TRUE(valid[0]);
  EXPECT_FALSE(valid[1]);
  const Argument constant{array->Slice(2, 1), true};
  EXPECT_EQ(View<int32_t>(constant)[17], 4);
  EXPECT_TRUE(Validity(constant)[17]);
  EXPECT_FALSE(Validity(Argument{FromJson(arrow::null(), "[null]"), true})[3]);
}

TEST(ViewTest, TextOfSlicesAndEmptyArrays) {
  const ArrayPtr array = FromJson(arrow::utf8(), R"(["a", "bc", "", "é"])")->Slice(1);
  const BytesView text(*array);
  EXPECT_EQ(text[0], "bc");
  EXPECT_EQ(text[1], "");
  EXPECT_EQ(text[2], "é");
  const ArrayPtr bytes = FromJson(arrow::fixed_size_binary(2), R"(["ab", "cd"])")->Slice(1);
  EXPECT_EQ(BytesView(*bytes)[0], "cd");
  const BytesView none(*FromJson(arrow::utf8(), "[]"));
}

TEST(DecimalValueTest, RoundsHalfAwayFromZero) {
  EXPECT_EQ(ScaleDown(125, 1), 13);
  EXPECT_EQ(ScaleDown(-125, 1), -13);
  EXPECT_EQ(ScaleDown(124, 1), 12);
  EXPECT_EQ(ScaleDown(-1249, 2), -12);
  EXPECT_EQ(ScaleDown(7, 0), 7);
  EXPECT_EQ(ScaleDown(PowerOfTen(38) - 1, 38), 1);
}

TEST(DecimalValueTest, DividesBeyond128Bits) {
  Int128 quotient;
  ASSERT_FALSE(DivideScaled(1, 6, 3, &quotient));
  EXPECT_EQ(quotient, 333333);
  ASSERT_FALSE(DivideScaled(-2, 1, 3, &quotient));
  EXPECT_EQ(quotient, -7);
  // (10^38 − 1) * 10^10 / 10^30 = 10^18 − 10^-20, which rounds up.
  ASSERT_FALSE(DivideScaled(PowerOfTen(38) - 1, 10, PowerOfTen(30), &quotient));
  EXPECT_EQ(quotient, PowerOfTen(18));
  EXPECT_TRUE(DivideScaled(PowerOfTen(37), 38, 1, &quotient));
  EXPECT_TRUE(DivideScaled(PowerOfTen(37), 76, 1, &quotient));
}

TEST(DecimalValueTest, DoublesAreRoundedFromTheirExactValue) {
  Int128 out;
  ASSERT_FALSE(ScaleDouble(0.125, 2, &out));
  EXPECT_EQ(out, 13);
  ASSERT_FALSE(ScaleDouble(-0.125, 2, &out));
  EXPECT_EQ(out, -13);
  // 1.005 is a little less than it says, 0.115 a little more.
  ASSERT_FALSE(ScaleDouble(1.005, 2, &out));
  EXPECT_EQ(out, 100);
  ASSERT_FALSE(ScaleDouble(0.115, 2, &out));
  EXPECT_EQ(out, 12);
  ASSERT_FALSE(ScaleDouble(1e22, 15, &out));
  EXPECT_EQ(out, PowerOfTen(37));
  ASSERT_FALSE(ScaleDouble(5e-324, 38, &out));
  EXPECT_EQ(out, 0);
  EXPECT_TRUE(ScaleDouble(1.001e38, 0, &out));
  EXPECT_TRUE(ScaleDouble(1e300, 0, &out));
  EXPECT_TRUE(ScaleDouble(std::nan(""), 0, &out));
  EXPECT_TRUE(ScaleDouble(-HUGE_VAL, 0, &out));
}

TEST(DecimalValueTest, PrecisionAndText) {
  EXPECT_TRUE(FitsPrecision(999, 3));
  EXPECT_TRUE(FitsPrecision(-999, 3));
  EXPECT_FALSE(FitsPrecision(1000, 3));
  EXPECT_EQ(FormatDecimal(-1250, 2), "-12.50");
  Int128 out;
  EXPECT_TRUE(ScaleUp(PowerOfTen(20), 19, &out));
  EXPECT_FALSE(ScaleUp(3, 2, &out));
  EXPECT_EQ(out, 300);
}

struct CellCase {
  TypePtr type;
  std::string json;
};

std::vector<CellCase> CellCases() {
  return {
      {arrow::boolean(), "[true, false]"},
      {arrow::int8(), "[-5, 7]"},
      {arrow::uint16(), "[5, 65535]"},
      {arrow::uint64(), "[18446744073709551615, 0]"},
      {arrow::float32(), "[1.5, -0.25]"},
      {arrow::float64(), "[1e300, -0.0]"},
      {arrow::decimal128(10, 2), R"(["1.25", "-99999999.99"])"},
      {arrow::decimal256(50, 2), R"(["1.25", "-99999999.99"])"},
      {arrow::utf8(), R"(["é", ""])"},
      {arrow::binary(), R"(["ab", ""])"},
      {arrow::fixed_size_binary(2), R"(["ab", "cd"])"},
      {arrow::date32(), "[15000, -1]"},
      {arrow::date64(), "[86400000, 0]"},
      {arrow::time32(arrow::TimeUnit::SECOND), "[1, 2]"},
      {arrow::time64(arrow::TimeUnit::NANO), "[1, 2]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[1, -2]"},
      {arrow::duration(arrow::TimeUnit::MILLI), "[1, -2]"},
      {arrow::list(arrow::int64()), "[[1, null], []]"},
      {arrow::struct_({arrow::field("a", arrow::utf8())}), R"([{"a": "x"}, {"a": null}])"},
      {arrow::map(arrow::utf8(), arrow::int32()), R"([[["k", 1]], []])"},
  };
}

TEST(CellTest, EveryTypeComesBackFromASlice) {
  for (const CellCase& test : CellCases()) {
    SCOPED_TRACE(test.type->ToString());
    const ArrayPtr array = Sliced(FromJson(test.type, test.json));
    auto builder = arrow::MakeBuilder(test.type).ValueOrDie();
    for (int64_t row = 0; row < array->length(); ++row) {
      std::string bytes;
      ASSERT_OK(EncodeCell(*array, row, &bytes));
      ASSERT_OK(AppendCell(bytes, *test.type, builder.get()));
    }
    EXPECT_TRUE(builder->Finish().ValueOrDie()->Equals(*array));
  }
}

TEST(CellTest, DamagedBytesAreAnError) {
  for (const CellCase& test : CellCases()) {
    SCOPED_TRACE(test.type->ToString());
    if (test.type->id() == arrow::Type::BINARY) continue;  // any bytes are binary
    auto builder = arrow::MakeBuilder(test.type).ValueOrDie();
    EXPECT_ERROR(AppendCell("\xff\xfe\xfd", *test.type, builder.get()), kBadData, "saved value");
    EXPECT_EQ(builder->length(), 0);
  }
}

TEST(CellTest, DamagedStreamsOfNestedValuesAreErrors) {
  const TypePtr type = arrow::list(arrow::utf8());
  std::string bytes;
  ASSERT_OK(EncodeCell(*FromJson(type, R"([["a", null, "bcd"]])"), 0, &bytes));
  auto builder = arrow::MakeBuilder(type).ValueOrDie();
  for (size_t length = 0; length + 8 < bytes.size(); ++length) {
    EXPECT_FALSE(AppendCell(bytes.substr(0, length), *type, builder.get()).ok());
  }
  Rng rng(5);
  for (int i = 0; i < 500; ++i) {
    std::string flipped = bytes;
    flipped[rng.Below(flipped.size())] ^= static_cast<char>(1 << rng.Below(8));
    ARROW_UNUSED(AppendCell(flipped, *type, builder.get()));
  }
  EXPECT_TRUE(builder->Finish().ValueOrDie()->ValidateFull().ok());
}

}  // namespace
}  // namespace headrace
