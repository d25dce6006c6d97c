// Encodings: every encoding of a type, whole and sliced, decodes to the same values and is restored
// exactly.
#include "headrace/types/encoding.h"

#include <gtest/gtest.h>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/key_value_metadata.h"
#include "headrace/base/test_status.h"
#include "headrace/types/test_arrays.h"

namespace headrace {
namespace {

ArrayPtr Dictionary(const TypePtr& index, const TypePtr& value, const std::string& indices,
                    const std::string& values) {
  return arrow::DictionaryArray::FromArrays(arrow::dictionary(index, value),
                                            FromJson(index, indices), FromJson(value, values))
      .ValueOrDie();
}

// Decodes every slice of `encoded` and compares it with the same slice of `plain`; then back.
void CheckAllSlices(const ArrayPtr& encoded, const ArrayPtr& plain) {
  SCOPED_TRACE(encoded->type()->ToString());
  ASSERT_OK(encoded->ValidateFull());
  ASSERT_EQ(encoded->length(), plain->length());
  for (int64_t offset = 0; offset <= plain->length(); ++offset) {
    for (int64_t length = 0; length <= plain->length() - offset; ++length) {
      SCOPED_TRACE(testing::Message() << "slice " << offset << " + " << length);
      const ArrayPtr expected = plain->Slice(offset, length);
      ASSERT_OK_AND_ASSIGN(const ArrayPtr decoded,
                           Decode(encoded->Slice(offset, length), TestPool()));
      ASSERT_OK(decoded->ValidateFull());
      ASSERT_TRUE(decoded->Equals(expected)) << decoded->ToString() << expected->ToString();
      ASSERT_OK_AND_ASSIGN(const ArrayPtr restored, Encode(expected, encoded->type(), TestPool()));
      ASSERT_OK(restored->ValidateFull());
      ASSERT_TRUE(restored->type()->Equals(encoded->type()));
      ASSERT_OK_AND_ASSIGN(const ArrayPtr again, Decode(restored, TestPool()));
      ASSERT_TRUE(again->Equals(expected)) << again->ToString() << expected->ToString();
    }
  }
}

const std::vector<TypePtr>& IndexTypes() {
  static const std::vector<TypePtr> types = {arrow::int8(),   arrow::int16(), arrow::int32(),
                                             arrow::int64(),  arrow::uint8(), arrow::uint16(),
                                             arrow::uint32(), arrow::uint64()};
  return types;
}

TEST(PlainTypeTest, GivesTheSameObjectForPlainTypes) {
  for (const TypePtr& type :
       {arrow::int32(), arrow::utf8(), arrow::binary(), arrow::list(arrow::utf8()),
        arrow::struct_({arrow::field("a", arrow::utf8())}),
        arrow::map(arrow::utf8(), arrow::int8()), arrow::fixed_size_list(arrow::int64(), 2),
        arrow::decimal128(10, 2), arrow::null()}) {
    EXPECT_EQ(PlainType(type), type) << type->ToString();
  }
}

TEST(PlainTypeTest, ReplacesEncodingsRecursively) {
  const auto symbol = arrow::dictionary(arrow::int8(), arrow::large_utf8());
  EXPECT_TRUE(PlainType(symbol)->Equals(arrow::utf8()));
  EXPECT_TRUE(PlainType(arrow::utf8_view())->Equals(arrow::utf8()));
  EXPECT_TRUE(PlainType(arrow::binary_view())->Equals(arrow::binary()));
  EXPECT_TRUE(PlainType(arrow::large_binary())->Equals(arrow::binary()));
  EXPECT_TRUE(PlainType(arrow::large_list(symbol))->Equals(arrow::list(arrow::utf8())));
  EXPECT_TRUE(PlainType(arrow::list_view(symbol))->Equals(arrow::list(arrow::utf8())));
  EXPECT_TRUE(PlainType(arrow::run_end_encoded(arrow::int32(), symbol))->Equals(arrow::utf8()));
  EXPECT_TRUE(PlainType(arrow::struct_({arrow::field("s", symbol, false)}))
                  ->Equals(arrow::struct_({arrow::field("s", arrow::utf8(), false)})));
  EXPECT_TRUE(PlainType(arrow::map(symbol, arrow::large_list(arrow::int8())))
                  ->Equals(arrow::map(arrow::utf8(), arrow::list(arrow::int8()))));
}

TEST(SameLogicalTypeTest, LooksThroughEncodingsAndNamesOnly) {
  const auto list_of = [](const char* name) {
    return arrow::list(arrow::field(name, arrow::int32()));
  };
  EXPECT_TRUE(SameLogicalType(*arrow::utf8(), *arrow::dictionary(arrow::int8(), arrow::utf8())));
  EXPECT_TRUE(SameLogicalType(*list_of("item"), *list_of("element")));
  EXPECT_FALSE(SameLogicalType(*arrow::utf8(), *arrow::binary()));
  EXPECT_FALSE(SameLogicalType(*arrow::int32(), *arrow::int64()));
  EXPECT_FALSE(SameLogicalType(*arrow::timestamp(arrow::TimeUnit::MICRO),
                               *arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  EXPECT_FALSE(SameLogicalType(*arrow::fixed_size_list(arrow::int8(), 2),
                               *arrow::fixed_size_list(arrow::int8(), 3)));
  EXPECT_FALSE(SameLogicalType(*arrow::struct_({arrow::field("a", arrow::int8())}),
                               *arrow::struct_({arrow::field("b", arrow::int8())})));
}

TEST(EncodingTest, TextInEveryLayout) {
  const std::string json = R"(["a", null, "", "longer than twelve bytes", "b", null])";
  const ArrayPtr plain = FromJson(arrow::utf8(), json);
  CheckAllSlices(FromJson(arrow::large_utf8(), json), plain);
  CheckAllSlices(FromJson(arrow::utf8_view(), json), plain);
  const ArrayPtr bytes = FromJson(arrow::binary(), json);
  CheckAllSlices(FromJson(arrow::large_binary(), json), bytes);
  CheckAllSlices(FromJson(arrow::binary_view(), json), bytes);
}

TEST(EncodingTest, DictionariesOfEveryIndexType) {
  const ArrayPtr text = FromJson(arrow::utf8(), R"(["b", null, "a", null, "b", "c"])");
  const ArrayPtr numbers = FromJson(arrow::int64(), "[2, null, 1, null, 2, 3]");
  for (const TypePtr& index : IndexTypes()) {
    const std::string codes = "[1, null, 0, 3, 1, 2]";  // code 3 is a null in the dictionary
    CheckAllSlices(Dictionary(index, arrow::utf8(), codes, R"(["a", "b", "c", null, "x"])"), text);
    CheckAllSlices(Dictionary(index, arrow::large_utf8(), codes, R"(["a", "b", "c", null])"), text);
    CheckAllSlices(Dictionary(index, arrow::int64(), codes, "[1, 2, 3, null]"), numbers);
  }
}

TEST(EncodingTest, SlicedDictionaryValues) {
  const ArrayPtr values = FromJson(arrow::utf8(), R"(["x", "y", "a", "b"])")->Slice(2);
  const ArrayPtr encoded =
      arrow::DictionaryArray::FromArrays(FromJson(arrow::int8(), "[1, 0, null]"), values)
          .ValueOrDie();
  CheckAllSlices(encoded, FromJson(arrow::utf8(), R"(["b", "a", null])"));
}

TEST(EncodingTest, DictionariesOfNestedValues) {
  const TypePtr list = arrow::list(arrow::int32());
  CheckAllSlices(Dictionary(arrow::int8(), list, "[1, null, 0, 1]", "[[1, 2], [], [3]]"),
                 FromJson(list, "[[], null, [1, 2], []]"));
}

TEST(EncodingTest, ListsInEveryLayout) {
  const std::string json = R"([["a", "b"], null, [], ["c", null], ["a"]])";
  const ArrayPtr plain = FromJson(arrow::list(arrow::utf8()), json);
  CheckAllSlices(FromJson(arrow::large_list(arrow::utf8()), json), plain);
  CheckAllSlices(FromJson(arrow::large_list(arrow::large_utf8()), json), plain);
  CheckAllSlices(FromJson(arrow::list(arrow::large_utf8()), json), plain);
  CheckAllSlices(FromJson(arrow::list_view(arrow::utf8()), json), plain);
  CheckAllSlices(FromJson(arrow::large_list_view(arrow::utf8_view()), json), plain);
}

TEST(EncodingTest, ListsOfDictionaries) {
  const ArrayPtr items =
      Dictionary(arrow::uint8(), arrow::utf8(), "[0, 1, 2, null, 0]", R"(["a", "b", "c"])");
  const ArrayPtr offsets = FromJson(arrow::int32(), "[0, 2, 2, 4, 5]");
  const ArrayPtr lists = arrow::ListArray::FromArrays(*offsets, *items).ValueOrDie();
  CheckAllSlices(lists,
                 FromJson(arrow::list(arrow::utf8()), R"([["a", "b"], [], ["c", null], ["a"]])"));
}

TEST(EncodingTest, OverlappingListViews) {
  const auto view = arrow::list_view(arrow::int32());
  const ArrayPtr encoded =
      arrow::ListViewArray::FromArrays(view, *FromJson(arrow::int32(), "[2, 0, 1]"),
                                       *FromJson(arrow::int32(), "[2, 3, 0]"),
                                       *FromJson(arrow::int32(), "[1, 2, 3, 4]"))
          .ValueOrDie();
  CheckAllSlices(encoded, FromJson(arrow::list(arrow::int32()), "[[3, 4], [1, 2, 3], []]"));
}

TEST(EncodingTest, FixedSizeListsStructsAndMaps) {
  const auto symbol = arrow::dictionary(arrow::int16(), arrow::utf8());
  const std::string pairs = R"([["a", "b"], null, ["c", null], ["d", "e"]])";
  CheckAllSlices(FromJson(arrow::fixed_size_list(arrow::large_utf8(), 2), pairs),
                 FromJson(arrow::fixed_size_list(arrow::utf8(), 2), pairs));
  const std::string rows =
      R"([{"a": "x", "b": 1}, null, {"a": null, "b": 2}, {"a": "y", "b": null}])";
  const auto struct_of = [](const TypePtr& text) {
    return arrow::struct_({arrow::field("a", text), arrow::field("b", arrow::int8())});
  };
  CheckAllSlices(FromJson(struct_of(arrow::large_utf8()), rows),
                 FromJson(struct_of(arrow::utf8()), rows));
  CheckAllSlices(FromJson(struct_of(symbol), rows), FromJson(struct_of(arrow::utf8()), rows));
  const std::string maps = R"([[["k", "v"], ["l", null]], null, [], [["k", "w"]]])";
  CheckAllSlices(FromJson(arrow::map(arrow::large_utf8(), arrow::utf8_view()), maps),
                 FromJson(arrow::map(arrow::utf8(), arrow::utf8()), maps));
}

TEST(EncodingTest, DeepNesting) {
  const auto nested = [](const TypePtr& text) {
    return arrow::list(arrow::struct_({arrow::field("m", arrow::map(text, arrow::list(text))),
                                       arrow::field("f", arrow::float64())}));
  };
  const std::string json =
      R"([[{"m": [["a", ["b", null]]], "f": 1.5}, null], null, [], [{"m": null, "f": null}]])";
  CheckAllSlices(FromJson(nested(arrow::large_utf8()), json),
                 FromJson(nested(arrow::utf8()), json));
}

TEST(EncodingTest, RunEnds) {
  const ArrayPtr plain = FromJson(arrow::utf8(), R"(["a", "a", null, "b", "b", "b"])");
  for (const TypePtr& ends : {arrow::int16(), arrow::int32(), arrow::int64()}) {
    ASSERT_OK_AND_ASSIGN(
        const ArrayPtr runs,
        arrow::RunEndEncodedArray::Make(6, FromJson(ends, "[2, 3, 6]"),
                                        FromJson(arrow::large_utf8(), R"(["a", null, "b"])")));
    for (int64_t offset = 0; offset <= 6; ++offset) {
      ASSERT_OK_AND_ASSIGN(const ArrayPtr decoded, Decode(runs->Slice(offset), TestPool()));
      EXPECT_TRUE(decoded->Equals(plain->Slice(offset))) << decoded->ToString();
    }
  }
}

TEST(EncodingTest, AllNullsAndEmpty) {
  const std::string nulls = "[null, null, null]";
  for (const TypePtr& type :
       {arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::large_utf8(), arrow::utf8_view(),
        arrow::large_list(arrow::int8()), arrow::dictionary(arrow::int32(), arrow::null())}) {
    CheckAllSlices(arrow::MakeArrayOfNull(type, 3).ValueOrDie(), FromJson(PlainType(type), nulls));
    CheckAllSlices(arrow::MakeEmptyArray(type).ValueOrDie(), FromJson(PlainType(type), "[]"));
  }
}

TEST(EncodingTest, PlainArraysPassUntouched) {
  const ArrayPtr array = FromJson(arrow::list(arrow::utf8()), R"([["a"], null])")->Slice(1);
  ASSERT_OK_AND_ASSIGN(const ArrayPtr decoded, Decode(array, TestPool()));
  EXPECT_EQ(decoded, array);
}

TEST(EncodingTest, NamesOfItemsAreRestored) {
  const auto type = arrow::list(arrow::field("element", arrow::int32(), /*nullable=*/false));
  const ArrayPtr array = FromJson(arrow::list(arrow::int32()), "[[1], [2, 3]]");
  ASSERT_OK_AND_ASSIGN(const ArrayPtr encoded, Encode(array, type, TestPool()));
  EXPECT_TRUE(encoded->type()->Equals(type, /*check_metadata=*/true));
  EXPECT_OK(encoded->ValidateFull());
}

TEST(EncodingTest, CodesSurviveAWiderIndex) {
  const ArrayPtr narrow = Dictionary(arrow::int8(), arrow::utf8(), "[1, 0]", R"(["a", "b", "c"])");
  ASSERT_OK_AND_ASSIGN(
      const ArrayPtr wide,
      Encode(narrow, arrow::dictionary(arrow::int32(), arrow::utf8()), TestPool()));
  const auto& codes = static_cast<const arrow::DictionaryArray&>(*wide);
  EXPECT_EQ(codes.GetValueIndex(0), 1);
  EXPECT_EQ(codes.dictionary()->length(), 3);
}

ArrayPtr DistinctTexts(int64_t count) {
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < count; ++i) EXPECT_OK(builder.Append(std::to_string(i)));
  return builder.Finish().ValueOrDie();
}

TEST(EncodingTest, ANarrowIndexHoldsWhatItCan) {
  const auto narrow = arrow::dictionary(arrow::int8(), arrow::utf8());
  EXPECT_OK(Encode(DistinctTexts(128), narrow, TestPool()));
  EXPECT_ERROR(Encode(DistinctTexts(129), narrow, TestPool()), kOverflow, "int8");
  EXPECT_OK(
      Encode(DistinctTexts(256), arrow::dictionary(arrow::uint8(), arrow::utf8()), TestPool()));
  // A dictionary that is too large is built again from the values that occur.
  ASSERT_OK_AND_ASSIGN(
      const ArrayPtr wide,
      Encode(DistinctTexts(1000), arrow::dictionary(arrow::int32(), arrow::utf8()), TestPool()));
  ASSERT_OK_AND_ASSIGN(const ArrayPtr few, Encode(wide->Slice(990), narrow, TestPool()));
  EXPECT_OK(few->ValidateFull());
}

TEST(EncodingTest, OtherTypesAreRefusedByName) {
  const ArrayPtr array = FromJson(arrow::int32(), "[1]");
  const auto refused = Encode(array, arrow::utf8(), TestPool());
  EXPECT_ERROR(refused, kTypeMismatch, "expected a column of type string, got int32");
}

// 2 GiB of text without 2 GiB of memory: offsets that claim more than the buffer has.
TEST(EncodingTest, TextOverTwoGibibytesIsAnError) {
  std::vector<int64_t> offsets = {0, 5, (int64_t{1} << 31) + 7};
  const auto large = std::make_shared<arrow::LargeStringArray>(
      2, arrow::Buffer::Wrap(offsets), std::make_shared<arrow::Buffer>("hello"));
  EXPECT_ERROR(Decode(large, TestPool()), kMemoryLimit, "2147483647 bytes");
  ASSERT_OK_AND_ASSIGN(const ArrayPtr part, Decode(large->Slice(0, 1), TestPool()));
  EXPECT_TRUE(part->Equals(FromJson(arrow::utf8(), R"(["hello"])")));
}

TEST(RestoreSchemaTest, GivesExactlyTheSchemaOrNamesTheColumn) {
  const auto schema = arrow::schema(
      {arrow::field("s", arrow::large_utf8(), false), arrow::field("n", arrow::int32())},
      arrow::key_value_metadata({{"k", "v"}}));
  const Batch batch({Dictionary(arrow::int8(), arrow::utf8(), "[0, 0]", R"(["a"])"),
                     FromJson(arrow::int32(), "[1, 2]")},
                    2);
  ASSERT_OK_AND_ASSIGN(const auto restored, RestoreSchema(batch, schema, TestPool()));
  EXPECT_TRUE(restored->schema()->Equals(*schema, /*check_metadata=*/true));
  EXPECT_OK(restored->ValidateFull());
  const auto wrong = arrow::schema({schema->field(0), arrow::field("n", arrow::int64())});
  EXPECT_ERROR(RestoreSchema(batch, wrong, TestPool()), kTypeMismatch, "column n: expected");
  EXPECT_ERROR(RestoreSchema(batch, arrow::schema({schema->field(0)}), TestPool()), kInternal,
               "expected a batch of 1 columns, got 2");
}

TEST(DecodeBatchTest, KeepsSelectionOrdinalAndChanges) {
  Batch batch({FromJson(arrow::large_utf8(), R"(["a", "b", "c"])")}, 3);
  batch.set_ordinal({1, 2});
  batch.set_change(FromJson(arrow::int8(), "[1, -1, 1]"));
  batch = batch.WithSelection(
      std::make_shared<const std::vector<uint32_t>>(std::vector<uint32_t>{0, 2}));
  ASSERT_OK_AND_ASSIGN(const Batch decoded, DecodeBatch(batch, TestPool()));
  EXPECT_TRUE(decoded.column(0)->type()->Equals(arrow::utf8()));
  EXPECT_EQ(decoded.num_rows(), 2);
  EXPECT_EQ(decoded.ordinal().seq, 2);
  EXPECT_EQ(decoded.change(), batch.change());
}

}  // namespace
}  // namespace headrace
