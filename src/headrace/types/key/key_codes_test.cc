// Codes of key columns: rows of one code have one value, in every encoding and place of nulls.
#include "headrace/types/key/key_codes.h"

#include <gtest/gtest.h>

#include <set>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/test_arrays.h"

namespace headrace {
namespace {

void ExpectCodes(const ArrayPtr& column, size_t keys) {
  SCOPED_TRACE(column->ToString());
  KeyCodes codes;
  ASSERT_TRUE(CodeKeys(*column, 100, &codes));
  ASSERT_EQ(codes.codes.size(), static_cast<size_t>(column->length()));
  EXPECT_EQ(codes.first_rows.size(), keys);
  std::set<uint32_t> used;
  for (int64_t row = 0; row < column->length(); ++row) {
    const uint32_t code = codes.codes[static_cast<size_t>(row)];
    ASSERT_LT(code, codes.first_rows.size());
    const int64_t first = codes.first_rows[code];
    EXPECT_LE(first, row);
    EXPECT_TRUE(
        column->GetScalar(row).ValueOrDie()->Equals(*column->GetScalar(first).ValueOrDie()));
    used.insert(code);
  }
  EXPECT_EQ(used.size(), keys);
}

TEST(KeyCodesTest, IntegersOfASmallRange) {
  ExpectCodes(FromJson(arrow::int64(), "[5, 7, 5, -3, 7]"), 3);
  ExpectCodes(FromJson(arrow::int64(), "[5, null, 5, -3, null]"), 3);
  ExpectCodes(FromJson(arrow::int64(), "[null, null]"), 1);
  ExpectCodes(FromJson(arrow::int8(), "[-128, 127, 0, null]"), 4);
  ExpectCodes(FromJson(arrow::uint64(), "[18446744073709551615, 18446744073709551614]"), 2);
  ExpectCodes(FromJson(arrow::int64(), "[-9223372036854775808, -9223372036854775807]"), 2);
  ExpectCodes(FromJson(arrow::date32(), "[1, 2, 1, 3]")->Slice(1), 3);
}

TEST(KeyCodesTest, Dictionaries) {
  for (const TypePtr& index : {arrow::int8(), arrow::int32(), arrow::uint16(), arrow::int64()}) {
    const TypePtr type = arrow::dictionary(index, arrow::utf8());
    ExpectCodes(FromJson(type, R"(["a", null, "b", "a", null])"), 3);
    ExpectCodes(FromJson(type, R"(["a", "c", "b", "a", "b"])")->Slice(2), 2);
  }
}

TEST(KeyCodesTest, TextsOfEveryLength) {
  ExpectCodes(FromJson(arrow::utf8(), R"(["a", null, "", "a", "b", null, ""])"), 4);
  ExpectCodes(FromJson(arrow::utf8(), R"([null, null])"), 1);
  ExpectCodes(FromJson(arrow::utf8(), R"(["", ""])"), 1);
  ExpectCodes(FromJson(arrow::utf8(), R"(["x", "ab", "c", "ab", "c"])")->Slice(1, 3), 2);
  ExpectCodes(FromJson(arrow::binary(), R"(["a", "a\u0000", "", "\u0000", "a"])"), 4);
  // Lengths around words; the same bytes at either end; zeros that stand for nothing.
  for (size_t length = 1; length < 40; ++length) {
    arrow::StringBuilder builder;
    const std::string text(length, 'q');
    const std::string zeros(length, '\0');
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE(builder.Append(text).ok());
      ASSERT_TRUE(builder.Append(text + 'q').ok());
      ASSERT_TRUE(builder.Append(zeros).ok());
      ASSERT_TRUE(builder.Append(zeros + zeros).ok());
      for (size_t at = 0; at < length; ++at) {
        std::string other = text;
        other[at] = 'r';
        ASSERT_TRUE(builder.Append(other).ok());
      }
    }
    ExpectCodes(builder.Finish().ValueOrDie(), length + 4);
  }
}

TEST(KeyCodesTest, OthersHaveNone) {
  KeyCodes codes;
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::int64(), "[]"), 100, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::int64(), "[0, 801]"), 100, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::int64(), "[0, 1, 2]"), 2, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::int64(), "[-9223372036854775808, 9223372036854775807]"),
                        100, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::float64(), "[1, 2]"), 100, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::utf8(), R"(["a", "b", "c"])"), 2, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::utf8(), R"(["a", "b", null])"), 2, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::utf8(), R"(["a"])"), 0, &codes));
  EXPECT_FALSE(CodeKeys(*FromJson(arrow::list(arrow::int8()), "[[1]]"), 100, &codes));
}

}  // namespace
}  // namespace headrace
