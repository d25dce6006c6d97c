// Equality keys: equal cells, and only those, have equal encodings, whatever the column's encoding.
#include "headrace/types/key/key_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "headrace/base/hash.h"
#include "headrace/exec/op/pipe_drive.h"
#include "headrace/types/key/key_hash.h"

namespace headrace {
namespace {

using pipe_test::Pool;

struct KeyCase {
  TypePtr type;
  std::string json;
};

std::vector<KeyCase> KeyCases() {
  return {
      {arrow::boolean(), "[true, false, null, true, false]"},
      {arrow::int8(), "[1, -128, null, 127, 1]"},
      {arrow::uint8(), "[1, 255, null, 0, 1]"},
      {arrow::int16(), "[1, -32768, null, 5, 1]"},
      {arrow::uint16(), "[1, 65535, null, 0, 1]"},
      {arrow::int32(), "[1, -2147483648, null, 0, 1]"},
      {arrow::uint32(), "[1, 4294967295, null, 0, 1]"},
      {arrow::int64(), "[1, -9223372036854775808, null, 0, 1]"},
      {arrow::uint64(), "[1, 18446744073709551615, null, 0, 1]"},
      {arrow::float32(), "[1.5, -0.25, null, 0, 1.5]"},
      {arrow::float64(), "[1.5, -0.25, null, 0, 1.5]"},
      {arrow::utf8(), R"(["", "a", null, "a\u0000b", "a"])"},
      {arrow::binary(), R"(["", "a", null, "ab", "a"])"},
      {arrow::fixed_size_binary(3), R"(["abc", "abd", null, "aaa", "abc"])"},
      {arrow::date32(), "[1, -1, null, 0, 1]"},
      {arrow::date64(), "[86400000, 0, null, 0, 86400000]"},
      {arrow::time32(arrow::TimeUnit::SECOND), "[1, 2, null, 0, 1]"},
      {arrow::time64(arrow::TimeUnit::NANO), "[1, 2, null, 0, 1]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[1, -2, null, 0, 1]"},
      {arrow::duration(arrow::TimeUnit::MILLI), "[1, -2, null, 0, 1]"},
      {arrow::decimal128(10, 2), R"(["1.25", "-3.00", null, "0.00", "1.25"])"},
      {arrow::decimal256(40, 2), R"(["1.25", "-3.00", null, "0.00", "1.25"])"},
      {arrow::month_interval(), "[1, -2, null, 0, 1]"},
      {arrow::null(), "[null, null, null, null, null]"},
  };
}

KeyEncoder EncoderOf(const std::vector<TypePtr>& types) {
  std::vector<KeyColumn> keys;
  for (const TypePtr& type : types) {
    const int column = static_cast<int>(keys.size());
    keys.push_back({column, "k" + std::to_string(column), type});
  }
  return KeyEncoder::Make(keys).ValueOrDie();
}

// What Equal must agree with.
std::string IdentityOf(const EncodedKeys& keys, int64_t row) {
  const auto at = static_cast<size_t>(row);
  if (!keys.is_fixed) return std::string(keys.Bytes(row));
  return std::to_string(keys.values[at]) + (keys.nulls[at] != 0 ? "n" : "v");
}

void CheckRoundTrip(const std::vector<ArrayPtr>& columns) {
  std::vector<TypePtr> types;
  for (const ArrayPtr& column : columns) types.push_back(column->type());
  const KeyEncoder encoder = EncoderOf(types);
  EncodedKeys keys;
  ASSERT_OK(encoder.EncodeColumns(columns, columns[0]->length(), Pool(), &keys));
  ASSERT_OK_AND_ASSIGN(auto decoded, encoder.Decode(keys, Pool()));
  for (size_t i = 0; i < columns.size(); ++i) {
    ASSERT_OK(decoded[i]->ValidateFull());
    EXPECT_TRUE(decoded[i]->Equals(columns[i])) << columns[i]->type()->ToString();
  }
  std::vector<uint64_t> hashes;
  ASSERT_OK(HashKeys(columns, columns[0]->length(), Pool(), &hashes));
  EXPECT_EQ(hashes, keys.hashes);
}

TEST(KeyEncoderTest, DecodesToTheSameCells) {
  for (const KeyCase& one : KeyCases()) CheckRoundTrip({FromJson(one.type, one.json)});
  for (const KeyCase& one : KeyCases()) {
    for (const KeyCase& other : KeyCases()) {
      CheckRoundTrip({FromJson(one.type, one.json), FromJson(other.type, other.json)});
    }
  }
}

TEST(KeyEncoderTest, EqualCellsOnlyAreEqual) {
  for (const KeyCase& one : KeyCases()) {
    const ArrayPtr cells = FromJson(one.type, one.json);
    const KeyEncoder encoder = EncoderOf({one.type});
    EncodedKeys keys;
    ASSERT_OK(encoder.EncodeColumns({cells}, cells->length(), Pool(), &keys));
    for (int64_t a = 0; a < cells->length(); ++a) {
      for (int64_t b = 0; b < cells->length(); ++b) {
        const bool equal = cells->RangeEquals(*cells, a, a + 1, b);
        EXPECT_EQ(equal, IdentityOf(keys, a) == IdentityOf(keys, b))
            << one.type->ToString() << " " << a << " " << b;
        if (equal) {
          EXPECT_EQ(keys.hashes[a], keys.hashes[b]);
        }
      }
      EXPECT_EQ(keys.nulls[a] != 0, cells->IsNull(a));
    }
  }
}

TEST(KeyEncoderTest, ZerosAndNansAreOneEach) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  arrow::DoubleBuilder doubles;
  ASSERT_OK(doubles.AppendValues(std::vector<double>{0.0, -0.0, nan, -nan, std::nan("7")}));
  arrow::FloatBuilder floats;
  const float narrow = std::nanf("");
  ASSERT_OK(floats.AppendValues({0.0F, -0.0F, narrow, -narrow, std::nanf("7")}));
  arrow::HalfFloatBuilder halves;
  ASSERT_OK(halves.AppendValues(std::vector<uint16_t>{0, 0x8000, 0x7e00, 0xfe00, 0x7e01}));
  for (arrow::ArrayBuilder* builder :
       std::initializer_list<arrow::ArrayBuilder*>{&doubles, &floats, &halves}) {
    const ArrayPtr cells = builder->Finish().ValueOrDie();
    for (const bool twice : {false, true}) {
      std::vector<ArrayPtr> columns(twice ? 2 : 1, cells);
      const KeyEncoder encoder = EncoderOf(std::vector<TypePtr>(columns.size(), cells->type()));
      EncodedKeys keys;
      ASSERT_OK(encoder.EncodeColumns(columns, 5, Pool(), &keys));
      EXPECT_EQ(IdentityOf(keys, 0), IdentityOf(keys, 1));
      EXPECT_EQ(IdentityOf(keys, 2), IdentityOf(keys, 3));
      EXPECT_EQ(IdentityOf(keys, 2), IdentityOf(keys, 4));
      EXPECT_NE(IdentityOf(keys, 0), IdentityOf(keys, 2));
    }
  }
}

TEST(KeyEncoderTest, EncodingsOfAColumnAreEqual) {
  Rng rng(3);
  for (int i = 0; i < 50; ++i) {
    const int64_t count = 1 + static_cast<int64_t>(rng.Below(40));
    const ArrayPtr plain = pipe_test::Texts(count, [&](int64_t) -> std::optional<std::string> {
      if (rng.Below(5) == 0) return std::nullopt;
      return std::string(rng.Below(4), 'x');
    });
    const ArrayPtr numbers = pipe_test::Int64s(count, [&](int64_t) -> std::optional<int64_t> {
      if (rng.Below(5) == 0) return std::nullopt;
      return static_cast<int64_t>(rng.Below(3));
    });
    const KeyEncoder encoder = EncoderOf({arrow::utf8(), arrow::int64()});
    EncodedKeys expected;
    ASSERT_OK(encoder.EncodeColumns({plain, numbers}, count, Pool(), &expected));
    EncodedKeys keys;
    ASSERT_OK(encoder.EncodeColumns(
        {pipe_test::DisguiseColumn(plain, rng), pipe_test::DisguiseColumn(numbers, rng)}, count,
        Pool(), &keys));
    EXPECT_EQ(keys.bytes, expected.bytes);
    EXPECT_EQ(keys.offsets, expected.offsets);
    EXPECT_EQ(keys.hashes, expected.hashes);
  }
}

// Key groups of checkpoints follow from these.
TEST(KeyEncoderTest, HashesAreStable) {
  EncodedKeys keys;
  ASSERT_OK(EncoderOf({arrow::int64()})
                .EncodeColumns({FromJson(arrow::int64(), "[0, 1, -1, null]")}, 4, Pool(), &keys));
  EXPECT_EQ(keys.hashes[0], HashInteger(0));
  EXPECT_EQ(keys.hashes[1], HashInteger(1));
  EXPECT_EQ(keys.hashes[2], HashInteger(~uint64_t{0}));
  EXPECT_EQ(keys.hashes[3], kNullHash);
  ASSERT_OK(EncoderOf({arrow::int32()})
                .EncodeColumns({FromJson(arrow::int32(), "[-1]")}, 1, Pool(), &keys));
  EXPECT_EQ(keys.hashes[0], HashInteger(~uint64_t{0}));
  ASSERT_OK(EncoderOf({arrow::utf8()})
                .EncodeColumns({FromJson(arrow::utf8(), R"(["ab", null])")}, 2, Pool(), &keys));
  EXPECT_EQ(keys.hashes[0], HashBytes(std::string_view("\x01\x02\x00\x00\x00"
                                                       "ab",
                                                       7)));
  EXPECT_EQ(keys.hashes[1], HashBytes(std::string_view("\x00", 1)));
}

TEST(KeyEncoderTest, NestedTypesAreRefusedByName) {
  const KeyColumn key{0, "tags", arrow::list(arrow::int64())};
  EXPECT_ERROR(KeyEncoder::Make({key}), kUnsupported, "column tags cannot be a key");
  const KeyColumn pair{0, "pair", arrow::struct_({arrow::field("x", arrow::int64())})};
  EXPECT_ERROR(KeyEncoder::Make({pair}), kUnsupported, "struct<x: int64>");
}

}  // namespace
}  // namespace headrace
