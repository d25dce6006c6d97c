// Batches: selections, slices, gathering, joining different encodings, sizes, positions.
#include "headrace/types/batch.h"

#include <gtest/gtest.h>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/key_value_metadata.h"
#include "headrace/base/limits.h"
#include "headrace/base/test_status.h"
#include "headrace/memory/pool.h"
#include "headrace/types/encoding.h"
#include "headrace/types/ordering.h"
#include "headrace/types/test_arrays.h"

namespace headrace {
namespace {

Selection Select(std::vector<uint32_t> rows) {
  return std::make_shared<const std::vector<uint32_t>>(std::move(rows));
}

Batch Numbers(const std::string& json) {
  const ArrayPtr column = FromJson(arrow::int64(), json);
  return Batch({column}, column->length());
}

// The first column in its plain type, as JSON-like text.
std::string Text(const Batch& batch) {
  return Decode(batch.column(0), TestPool()).ValueOrDie()->ToString();
}

TEST(BatchTest, SelectedRowsAreTheRowsThatCount) {
  const Batch batch = Numbers("[0, 1, 2, 3, 4]");
  EXPECT_EQ(batch.num_rows(), 5);
  const Batch some = batch.WithSelection(Select({1, 3}));
  EXPECT_EQ(some.num_rows(), 2);
  EXPECT_EQ(some.physical_rows(), 5);
  EXPECT_EQ(some.WithSelection(nullptr).num_rows(), 5);
}

TEST(BatchTest, CompactGathersTheSelectedRows) {
  Batch batch = Numbers("[0, 1, 2, null, 4]");
  batch.set_change(FromJson(arrow::int8(), "[1, -1, 1, -1, 1]"));
  batch.set_ordinal({3, 4});
  const std::vector<std::pair<Selection, Batch>> cases = {
      {nullptr, Numbers("[0, 1, 2, null, 4]")},
      {Select({}), Numbers("[]")},
      {Select({0, 1, 2, 3, 4}), Numbers("[0, 1, 2, null, 4]")},
      {Select({2, 3, 4}), Numbers("[2, null, 4]")},
      {Select({0, 3}), Numbers("[0, null]")},
      {Select({4}), Numbers("[4]")}};
  for (const auto& [selection, expected] : cases) {
    ASSERT_OK_AND_ASSIGN(const Batch compact, batch.WithSelection(selection).Compact(TestPool()));
    EXPECT_EQ(compact.selection(), nullptr);
    EXPECT_EQ(compact.num_rows(), expected.num_rows());
    EXPECT_TRUE(compact.column(0)->Equals(expected.column(0))) << Text(compact);
    EXPECT_EQ(compact.change()->length(), expected.num_rows());
    EXPECT_EQ(compact.ordinal().seq, 4);
  }
}

TEST(BatchTest, FewRowsInARowDoNotHoldTheOthers) {
  arrow::Int64Builder builder;
  ASSERT_OK(builder.AppendEmptyValues(4096));
  ASSERT_OK_AND_ASSIGN(const ArrayPtr column, builder.Finish());
  const Batch few = Batch({column}, 4096).WithSelection(Select({70, 71}));
  ASSERT_OK_AND_ASSIGN(const Batch compact, few.Compact(TestPool()));
  EXPECT_EQ(compact.num_rows(), 2);
  EXPECT_LT(compact.column(0)->data()->buffers[1]->size(), 4096);
}

TEST(BatchTest, CompactOfASliceSelectsWithinIt) {
  const Batch batch = Numbers("[9, 9, 0, 1, 2, 3]").Slice(2, 4).WithSelection(Select({0, 2}));
  ASSERT_OK_AND_ASSIGN(const Batch compact, batch.Compact(TestPool()));
  EXPECT_TRUE(compact.column(0)->Equals(FromJson(arrow::int64(), "[0, 2]")));
}

// Every encoding goes through Take, also those that Arrow's own Take does not know.
TEST(BatchTest, TakeWorksOnEveryEncoding) {
  const ArrayPtr plain = FromJson(arrow::utf8(), R"(["a", "b", null, "d"])");
  const ArrayPtr expected = FromJson(arrow::utf8(), R"([null, "d", "a", "a", null])");
  const ArrayPtr indices = FromJson(arrow::int64(), "[2, 3, 0, 0, null]");
  for (const TypePtr& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view(),
                              arrow::dictionary(arrow::int8(), arrow::utf8())}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr column, Encode(plain, type, TestPool()));
    ASSERT_OK_AND_ASSIGN(const Batch taken, Batch({column}, 4).Take(*indices, TestPool()));
    ASSERT_OK_AND_ASSIGN(const ArrayPtr decoded, Decode(taken.column(0), TestPool()));
    EXPECT_TRUE(decoded->Equals(expected)) << type->ToString() << decoded->ToString();
    EXPECT_EQ(taken.num_rows(), 5);
  }
}

// With and without nulls, from the second of more rows on.
TEST(BatchTest, TakeWorksOnNumbersOfEveryWidth) {
  const ArrayPtr indices = FromJson(arrow::uint32(), "[2, 0, 0, 1]");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[7, 1, 2, 3, 9]", "[3, 1, 1, 2]"}, {"[7, 1, null, 3, 9]", "[3, 1, 1, null]"}};
  for (const TypePtr& type :
       {arrow::int8(), arrow::uint16(), arrow::date32(), arrow::float32(), arrow::int64(),
        arrow::float64(), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")}) {
    for (const auto& [json, expected] : cases) {
      const Batch batch = Batch({FromJson(type, json)}, 5).Slice(1, 3);
      ASSERT_OK_AND_ASSIGN(const Batch taken, batch.Take(*indices, TestPool()));
      EXPECT_TRUE(taken.column(0)->Equals(FromJson(type, expected))) << type->ToString();
      EXPECT_OK(taken.column(0)->ValidateFull());
    }
  }
}

TEST(BatchTest, TakeWorksOnNestedTypes) {
  const ArrayPtr indices = FromJson(arrow::uint32(), "[1, 0, 1]");
  const std::vector<std::pair<TypePtr, std::pair<std::string, std::string>>> cases = {
      {arrow::list(arrow::int8()), {"[[1, 2], null]", "[null, [1, 2], null]"}},
      {arrow::list_view(arrow::utf8()), {R"([["a"], []])", R"([[], ["a"], []])"}},
      {arrow::fixed_size_list(arrow::int8(), 2), {"[[1, 2], [3, 4]]", "[[3, 4], [1, 2], [3, 4]]"}},
      {arrow::struct_({arrow::field("a", arrow::utf8_view())}),
       {R"([{"a": "x"}, {"a": null}])", R"([{"a": null}, {"a": "x"}, {"a": null}])"}},
      {arrow::map(arrow::utf8(), arrow::int8()),
       {R"([[["k", 1]], []])", R"([[], [["k", 1]], []])"}},
      {arrow::null(), {"[null, null]", "[null, null, null]"}}};
  for (const auto& [type, json] : cases) {
    const Batch batch({FromJson(type, json.first)}, 2);
    ASSERT_OK_AND_ASSIGN(const Batch taken, batch.Take(*indices, TestPool()));
    EXPECT_TRUE(taken.column(0)->Equals(FromJson(PlainType(type), json.second)))
        << taken.column(0)->ToString();
    EXPECT_OK(taken.column(0)->ValidateFull());
  }
}

TEST(BatchTest, SlicesShareMemoryAndKeepOrdinalAndChanges) {
  Batch batch = Numbers("[0, 1, 2, 3]");
  batch.set_change(FromJson(arrow::int8(), "[1, 1, -1, -1]"));
  batch.set_ordinal({1, 7});
  const Batch slice = batch.Slice(1, 2);
  EXPECT_TRUE(slice.column(0)->Equals(FromJson(arrow::int64(), "[1, 2]")));
  EXPECT_TRUE(slice.change()->Equals(FromJson(arrow::int8(), "[1, -1]")));
  EXPECT_EQ(slice.column(0)->data()->buffers[1], batch.column(0)->data()->buffers[1]);
  EXPECT_EQ(slice.ordinal().seq, 7);
}

TEST(BatchTest, PositionsOrderRowsOverBatchesAndSplits) {
  Batch batch = Numbers("[0, 1]");
  batch.set_ordinal({2, 3});
  EXPECT_EQ(batch.PositionOf(1), (RowPosition{2, 3 * kBatchRowsMax + 1}));
  EXPECT_LT(batch.PositionOf(0), batch.PositionOf(1));
  EXPECT_LT(batch.PositionOf(1), (RowPosition{3, 0}));
}

TEST(BatchTest, NumBytesCountsThePartOfASlice) {
  const ArrayPtr numbers = FromJson(arrow::int64(), "[1, 2, 3, 4, 5, 6, 7, 8]");
  const Batch batch({numbers}, 8);
  EXPECT_EQ(batch.num_bytes(), 64);
  EXPECT_EQ(batch.Slice(2, 3).num_bytes(), 24);
  const ArrayPtr text = FromJson(arrow::utf8(), R"(["aaaa", "bb", "cccccc"])");
  EXPECT_EQ(Batch({text}, 3).num_bytes(), 4 * 4 + 12);
  EXPECT_EQ(Batch({text}, 3).Slice(1, 1).num_bytes(), 2 * 4 + 2);
  const ArrayPtr lists = FromJson(arrow::list(arrow::int64()), "[[1, 2], [3], [4, 5, 6]]");
  EXPECT_EQ(Batch({lists}, 3).Slice(1, 1).num_bytes(), 2 * 4 + 8);
  const ArrayPtr rows = FromJson(arrow::struct_({arrow::field("a", arrow::int32())}),
                                 R"([{"a": 1}, {"a": 2}, {"a": 3}])");
  EXPECT_EQ(Batch({rows}, 3).Slice(1, 2).num_bytes(), 8);
  const ArrayPtr with_null = FromJson(arrow::int64(), "[1, null]");
  EXPECT_EQ(Batch({with_null}, 2).num_bytes(), 16 + 1);
}

TEST(BatchTest, NumBytesKnowsEveryType) {
  for (const TypePtr& type :
       {arrow::null(), arrow::boolean(), arrow::utf8_view(), arrow::large_list(arrow::utf8()),
        arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::fixed_size_binary(3),
        arrow::fixed_size_list(arrow::int16(), 4), arrow::map(arrow::utf8(), arrow::int8()),
        arrow::list_view(arrow::int8()), arrow::decimal128(20, 2),
        arrow::dense_union({arrow::field("a", arrow::int8())})}) {
    ASSERT_OK_AND_ASSIGN(const ArrayPtr column, arrow::MakeArrayOfNull(type, 100));
    const int64_t bytes = Batch({column}, 100).num_bytes();
    EXPECT_GE(bytes, 0) << type->ToString();
    EXPECT_LT(bytes, 10'000) << type->ToString();
    EXPECT_LE(Batch({column}, 100).Slice(10, 5).num_bytes(), bytes) << type->ToString();
    EXPECT_GE(Batch({arrow::MakeEmptyArray(type).ValueOrDie()}, 0).num_bytes(), 0);
  }
}

TEST(BatchTest, ToRecordBatchShowsTheEncodingOfTheColumns) {
  const auto schema = arrow::schema(
      {arrow::field("s", arrow::utf8(), false, arrow::key_value_metadata({{"k", "v"}}))});
  const Batch batch({FromJson(arrow::large_utf8(), R"(["a"])")}, 1);
  const auto record_batch = batch.ToRecordBatch(schema);
  EXPECT_OK(record_batch->ValidateFull());
  EXPECT_TRUE(record_batch->schema()->field(0)->type()->Equals(arrow::large_utf8()));
  EXPECT_TRUE(record_batch->schema()->field(0)->HasMetadata());
  const Batch plain({FromJson(arrow::utf8(), R"(["a"])")}, 1);
  EXPECT_EQ(plain.ToRecordBatch(schema)->schema(), schema);
  EXPECT_EQ(Batch::FromRecordBatch(*record_batch).num_rows(), 1);
}

TEST(ConcatenateTest, EncodingsMayDifferFromBatchToBatch) {
  std::vector<Batch> batches;
  for (const TypePtr& type :
       {arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::utf8(), arrow::utf8_view(),
        arrow::dictionary(arrow::uint32(), arrow::large_utf8()), arrow::large_utf8()}) {
    const ArrayPtr plain = FromJson(arrow::utf8(), R"(["x", "a", null])")->Slice(1);
    batches.emplace_back(std::vector<ArrayPtr>{*Encode(plain, type, TestPool())}, 2);
  }
  batches[0].set_ordinal({5, 1});
  ASSERT_OK_AND_ASSIGN(const Batch all, ConcatenateBatches(batches, TestPool()));
  EXPECT_EQ(all.num_rows(), 10);
  EXPECT_EQ(all.ordinal().split, 5);
  EXPECT_TRUE(all.column(0)->Equals(
      FromJson(arrow::utf8(), R"(["a", null, "a", null, "a", null, "a", null, "a", null])")));
  EXPECT_OK(all.column(0)->ValidateFull());
}

TEST(ConcatenateTest, DifferentDictionariesDoNotMixCodes) {
  const auto symbol = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto make = [&](const char* indices, const char* values) {
    return Batch({arrow::DictionaryArray::FromArrays(symbol, FromJson(arrow::int8(), indices),
                                                     FromJson(arrow::utf8(), values))
                      .ValueOrDie()},
                 2);
  };
  ASSERT_OK_AND_ASSIGN(const Batch all, ConcatenateBatches({make("[0, 1]", R"(["a", "b"])"),
                                                            make("[0, 1]", R"(["b", null])")},
                                                           TestPool()));
  EXPECT_TRUE(all.column(0)->Equals(FromJson(arrow::utf8(), R"(["a", "b", "b", null])")));
  const Batch one = make("[0, 1]", R"(["a", "b"])");
  ASSERT_OK_AND_ASSIGN(const Batch shared,
                       ConcatenateBatches({one.Slice(1, 1), one, one.Slice(0, 1)}, TestPool()));
  EXPECT_TRUE(shared.column(0)->type()->Equals(symbol)) << "one dictionary stays a dictionary";
  ASSERT_OK_AND_ASSIGN(const ArrayPtr decoded, Decode(shared.column(0), TestPool()));
  EXPECT_TRUE(decoded->Equals(FromJson(arrow::utf8(), R"(["b", "a", "b", "a"])")));
}

TEST(ConcatenateTest, ChangesAreFilledInWithInsertions) {
  Batch changed = Numbers("[1, 2]");
  changed.set_change(FromJson(arrow::int8(), "[-1, 1]"));
  ASSERT_OK_AND_ASSIGN(const Batch all,
                       ConcatenateBatches({Numbers("[0]"), changed, Numbers("[3]")}, TestPool()));
  EXPECT_TRUE(all.change()->Equals(FromJson(arrow::int8(), "[1, -1, 1, 1]")));
  ASSERT_OK_AND_ASSIGN(const Batch plain,
                       ConcatenateBatches({Numbers("[0]"), Numbers("[1]")}, TestPool()));
  EXPECT_EQ(plain.change(), nullptr);
}

TEST(ConcatenateTest, ColumnsOfOtherTypesAreRefused) {
  const Batch text({FromJson(arrow::utf8(), R"(["a"])")}, 1);
  EXPECT_ERROR(ConcatenateBatches({Numbers("[0]"), text}, TestPool()), kTypeMismatch, "int64");
}

TEST(BatchTest, EveryAllocationIsChargedToThePool) {
  auto pool = BudgetPool::Make(1 << 20);
  {
    const Batch batch = Numbers("[0, 1, 2, 3, 4]").WithSelection(Select({0, 4}));
    ASSERT_OK_AND_ASSIGN(const Batch compact, batch.Compact(pool.get()));
    EXPECT_GT(pool->bytes_allocated(), 0);
    ASSERT_OK_AND_ASSIGN(const ArrayPtr text,
                         Encode(FromJson(arrow::utf8(), R"(["a", "a"])"),
                                arrow::dictionary(arrow::int8(), arrow::utf8()), pool.get()));
    ASSERT_OK_AND_ASSIGN(const Batch both, ConcatenateBatches({compact, compact}, pool.get()));
  }
  EXPECT_EQ(pool->bytes_allocated(), 0);
}

TEST(OrderingTest, SatisfiesPrefixes) {
  const SortKey a{.column = 0};
  const SortKey b{.column = 1, .descending = true, .nulls = NullPlacement::kFirst};
  EXPECT_TRUE(Satisfies({a, b}, {a}));
  EXPECT_TRUE(Satisfies({a, b}, {a, b}));
  EXPECT_TRUE(Satisfies({}, {}));
  EXPECT_FALSE(Satisfies({a}, {a, b}));
  EXPECT_FALSE(Satisfies({a, b}, {b}));
  EXPECT_FALSE(Satisfies({a}, {SortKey{.column = 0, .nulls = NullPlacement::kFirst}}));
  EXPECT_EQ(ToString(Ordering{a, b}, {"x", "y"}), "x ASC NULLS LAST, y DESC NULLS FIRST");
}

}  // namespace
}  // namespace headrace
