// Numbers learned of one batch are found in the next, whatever form the keys come in.
#include "headrace/exec/op/known_numbers.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "arrow/array.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/test_arrays.h"

namespace headrace {
namespace {

/// Looks the columns up one after the other, telling the numbers of keys in the order in which they
/// come first. Gives how many rows of each were unknown, after checking the others.
std::vector<int64_t> UnknownOf(const std::vector<ArrayPtr>& columns) {
  KnownNumbers known;
  std::map<std::string, uint32_t> number_of;
  std::vector<int64_t> unknown;
  for (const ArrayPtr& column : columns) {
    std::vector<uint32_t> found;
    unknown.push_back(known.Find(column, &found));
    std::vector<uint32_t> numbers;
    for (int64_t row = 0; row < column->length(); ++row) {
      const std::string key = column->GetScalar(row).ValueOrDie()->ToString();
      const auto number = static_cast<uint32_t>(number_of.size());
      numbers.push_back(number_of.try_emplace(key, number).first->second);
      if (unknown.back() == column->length()) continue;
      const uint32_t told = found[static_cast<size_t>(row)];
      EXPECT_TRUE(told == numbers.back() || told == KnownNumbers::kUnknown) << key;
    }
    known.Learn(numbers, static_cast<int64_t>(number_of.size()));
    EXPECT_LE(known.bytes(), 2 * KnownNumbers::BytesFor(static_cast<int64_t>(number_of.size())));
  }
  return unknown;
}

TEST(KnownNumbersTest, SmallIntegers) {
  const ArrayPtr first = FromJson(arrow::int64(), "[5, 0, 5, 4095, 4096, -1]");
  const ArrayPtr second = FromJson(arrow::int64(), "[0, 4095, 5, 6, 4096, -1]");
  EXPECT_EQ(UnknownOf({first, first, second}), (std::vector<int64_t>{6, 2, 3}));
  EXPECT_EQ(UnknownOf({second->Slice(1, 3), second->Slice(2, 2)}), (std::vector<int64_t>{3, 0}));
  const ArrayPtr days = FromJson(arrow::date32(), "[5, 0, 5]");
  EXPECT_EQ(UnknownOf({days, days}), (std::vector<int64_t>{3, 0}));
}

TEST(KnownNumbersTest, ShortTexts) {
  const ArrayPtr first = FromJson(arrow::utf8(), R"(["a", "", "a\u0000", "1234567", "a"])");
  EXPECT_EQ(UnknownOf({first, first}), (std::vector<int64_t>{5, 0}));
  const ArrayPtr other = FromJson(arrow::utf8(), R"(["", "b", "a"])");
  EXPECT_EQ(UnknownOf({first, other, other->Slice(1)}), (std::vector<int64_t>{5, 1, 0}));
  const ArrayPtr longer = FromJson(arrow::utf8(), R"(["a", "12345678"])");
  EXPECT_EQ(UnknownOf({first, longer, longer}), (std::vector<int64_t>{5, 2, 2}));
}

TEST(KnownNumbersTest, CodesOfADictionary) {
  const TypePtr type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const auto make = [&](const char* codes, const ArrayPtr& words) -> ArrayPtr {
    return std::make_shared<arrow::DictionaryArray>(type, FromJson(arrow::int32(), codes), words);
  };
  const ArrayPtr words = FromJson(arrow::utf8(), R"(["a long text", "b", "unused"])");
  const ArrayPtr others = FromJson(arrow::utf8(), R"(["b", "a long text"])");
  const ArrayPtr first = make("[1, 0, 1]", words);
  EXPECT_EQ(UnknownOf({first, first, make("[0, 2]", words)}), (std::vector<int64_t>{3, 0, 1}));
  EXPECT_EQ(UnknownOf({first, make("[0, 1]", others), first}), (std::vector<int64_t>{3, 2, 3}));
}

TEST(KnownNumbersTest, NothingIsKnownOfNullsAndOtherTypes) {
  for (const ArrayPtr& column :
       {FromJson(arrow::int64(), "[1, null]"), FromJson(arrow::float64(), "[1, 2]"),
        FromJson(arrow::boolean(), "[true, false]"), FromJson(arrow::utf8(), R"(["a", null])")}) {
    EXPECT_EQ(UnknownOf({column, column}), (std::vector<int64_t>{2, 2}));
  }
}

}  // namespace
}  // namespace headrace
