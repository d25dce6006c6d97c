// MemoryTable: reading in any cut, encodings, changes, and its Lookup against brute force.
#include "headrace/connect/memory/memory_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/base/rng.h"
#include "headrace/connect/test_read.h"
#include "headrace/types/encoding.h"

namespace headrace::connect_test {
namespace {

using RecordBatches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

SchemaPtr TwoColumns() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("s", arrow::utf8())});
}

// Three batches whose text is a dictionary, a slice of plain text and a view.
RecordBatches MixedBatches(const SchemaPtr& schema) {
  const auto batch = [&](const std::string& ids, const TypePtr& type, const std::string& text) {
    const ArrayPtr column = FromJson(arrow::int64(), ids);
    return arrow::RecordBatch::Make(
        schema->SetField(1, schema->field(1)->WithType(type)).ValueOrDie(), column->length(),
        {column, FromJson(type, text)});
  };
  return {batch("[1, 2]", arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["a", null])"),
          batch("[]", arrow::utf8(), "[]"),
          batch("[0, 3, null, 5]", arrow::utf8(), R"(["", "b", "a", "c"])")->Slice(1),
          batch("[6]", arrow::utf8_view(), R"(["a"])")};
}

constexpr const char* kMixedText = "1|a;2|NULL;3|b;NULL|a;5|c;6|a;";

TEST(MemoryTableTest, ReadsTheSameRowsInAnyCut) {
  for (const int64_t rows_per_split : {0, 1, 2, 4, 100}) {
    MemoryTableOptions options;
    options.rows_per_split = rows_per_split;
    ASSERT_OK_AND_ASSIGN(auto table,
                         MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns()), options));
    EXPECT_EQ(table->row_count(), 6);
    for (const int64_t batch_rows : {1, 2, 100}) {
      for (const int64_t batch_bytes : {1, 20, 1 << 20}) {
        ScanRequest request = Everything(*table);
        request.batch_rows = batch_rows;
        request.batch_bytes = batch_bytes;
        EXPECT_EQ(ReadAll(*table, request), kMixedText);
      }
    }
    ScanRequest request = Everything(*table);
    request.projection = {1};
    EXPECT_EQ(ReadAll(*table, request), "a;NULL;b;a;c;a;");
    request.projection = {};
    EXPECT_EQ(ReadAll(*table, request), ";;;;;;");
  }
}

TEST(MemoryTableTest, LimitsStopEarly) {
  MemoryTableOptions options;
  options.rows_per_split = 4;
  ASSERT_OK_AND_ASSIGN(auto table,
                       MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns()), options));
  ScanRequest request = Everything(*table);
  request.limit = 3;
  EXPECT_EQ(ReadAll(*table, request), "1|a;2|NULL;3|b;");
  request.limit = 0;
  EXPECT_EQ(ReadAll(*table, request), "");
}

TEST(MemoryTableTest, PositionsResume) {
  MemoryTableOptions options;
  options.boundedness = Boundedness::kUnbounded;
  options.pending_before_batches = true;
  ASSERT_OK_AND_ASSIGN(auto table,
                       MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns()), options));
  ScanRequest request = Everything(*table);
  request.batch_rows = 1;
  ASSERT_OK_AND_ASSIGN(const auto splits, table->Splits(request));
  ASSERT_EQ(splits.size(), 1u) << "a stream is one split";
  for (int64_t batches = 0; batches <= 6; ++batches) {
    auto first = table->Open(splits[0], request, Context()).ValueOrDie();
    std::string text = Drain(*first, request, batches);
    auto second = table->Open(splits[0], request, Context(*first->Position())).ValueOrDie();
    text += Drain(*second, request);
    EXPECT_EQ(text, kMixedText);
  }
  EXPECT_ERROR(table->Open(splits[0], request, Context("?")), kInvalidArgument, "'?'");
}

TEST(MemoryTableTest, PendingIsFollowedByAWake) {
  MemoryTableOptions options;
  options.pending_before_batches = true;
  ASSERT_OK_AND_ASSIGN(auto table,
                       MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns()), options));
  int wakes = 0;
  ReadContext context = Context();
  context.waker = Waker([&] { ++wakes; });
  const ScanRequest request = Everything(*table);
  auto reader = table->Open(table->Splits(request)->front(), request, context).ValueOrDie();
  EXPECT_EQ(Drain(*reader, request), kMixedText);
  EXPECT_EQ(wakes, 3);
}

TEST(MemoryTableTest, ChangesComeOutOfTheirColumn) {
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("_change", arrow::int8()),
                     arrow::field("s", arrow::utf8())});
  const auto rows = Rows(schema, R"([[1, 1, "a"], [1, -1, "a"], [1, 1, "b"]])");
  MemoryTableOptions options;
  options.change_mode = ChangeMode::kRetract;
  options.key = {0};
  ASSERT_OK_AND_ASSIGN(auto table, MemoryTable::Make(schema, {rows}, options));
  EXPECT_EQ(table->schema()->num_fields(), 2);
  EXPECT_EQ(table->change_mode(), ChangeMode::kRetract);
  EXPECT_EQ(table->lookup(), nullptr);
  EXPECT_EQ(table->row_count(), std::nullopt);
  EXPECT_EQ(ReadAll(*table), "+1|a;-1|a;+1|b;");
  ASSERT_OK_AND_ASSIGN(auto plain, MemoryTable::Make(schema, {rows}));
  EXPECT_EQ(ReadAll(*plain), "1|1|a;1|-1|a;1|1|b;") << "an append table has no changes";
  const auto bad = Rows(schema, R"([[1, 1, "a"], [1, 2, "a"]])");
  EXPECT_ERROR(MemoryTable::Make(schema, {bad}, options), kBadData,
               "row 1: expected 1 or -1, got 2");
}

TEST(MemoryTableTest, BatchesOfOtherTypesAreRefused) {
  const auto other =
      Rows(arrow::schema({arrow::field("id", arrow::int32()), arrow::field("s", arrow::utf8())}),
           R"([[1, "a"]])");
  EXPECT_ERROR(MemoryTable::Make(TwoColumns(), {other}), kTypeMismatch,
               "column id: expected type int64, got int32");
  EXPECT_ERROR(MemoryTable::Make(TwoColumns(), {other->SelectColumns({0}).ValueOrDie()}),
               kTypeMismatch, "expected batches of 2 columns, got 1");
}

TEST(MemoryTableTest, AnEmptyTableHasNoSplits) {
  ASSERT_OK_AND_ASSIGN(auto table, MemoryTable::Make(TwoColumns(), {}));
  EXPECT_TRUE(table->Splits(Everything(*table))->empty());
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(std::vector<int>{0}));
  const std::vector<ArrayPtr> keys = {FromJson(arrow::int64(), "[1]")};
  LookupMatches matches = {{1}, {1}};
  ASSERT_OK(reader->Probe(keys, &matches));
  EXPECT_TRUE(matches.row_ids.empty());
  EXPECT_TRUE(matches.probe_rows.empty());
  ASSERT_OK_AND_ASSIGN(
      const auto nothing,
      reader->Gather(std::vector<int64_t>{-1}, std::vector<int>{1}, arrow::default_memory_pool()));
  EXPECT_TRUE(nothing[0]->Equals(FromJson(arrow::utf8(), "[null]")));
}

TEST(MemoryTableTest, SnapshotsTellTablesApart) {
  ASSERT_OK_AND_ASSIGN(auto a, MemoryTable::Make(TwoColumns(), {}));
  ASSERT_OK_AND_ASSIGN(auto b, MemoryTable::Make(TwoColumns(), {}));
  EXPECT_EQ(*a->Snapshot(), *a->Snapshot());
  EXPECT_NE(*a->Snapshot(), *b->Snapshot());
}

// A dictionary that is much larger than the rows must not shrink the batches to nothing.
TEST(MemoryTableTest, LargeDictionariesDoNotShrinkBatches) {
  arrow::StringBuilder values;
  for (int i = 0; i < 10'000; ++i) ASSERT_OK(values.Append(std::string(100, 'x')));
  arrow::Int32Builder codes;
  for (int i = 0; i < 500; ++i) ASSERT_OK(codes.Append(i));
  const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const ArrayPtr column =
      arrow::DictionaryArray::FromArrays(type, *codes.Finish(), *values.Finish()).ValueOrDie();
  const auto schema = arrow::schema({arrow::field("s", type)});
  ASSERT_OK_AND_ASSIGN(
      auto table, MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, 500, {column})}));
  ScanRequest request = Everything(*table);
  request.batch_bytes = 10'000;
  auto reader = table->Open(table->Splits(request)->front(), request, Context()).ValueOrDie();
  EXPECT_EQ(std::get<Batch>(*reader->Next()).num_rows(), 500);
}

// ---- Lookup ----

std::string Matches(MemoryTable& table, const std::vector<int>& columns,
                    const std::vector<ArrayPtr>& keys) {
  LookupMatches matches;
  EXPECT_OK(table.OpenReader(columns).ValueOrDie()->Probe(keys, &matches));
  std::string text;
  for (size_t i = 0; i < matches.row_ids.size(); ++i) {
    text += fmt::format("{}-{} ", matches.probe_rows[i], matches.row_ids[i]);
  }
  return text;
}

TEST(MemoryLookupTest, FindsRowsOverEncodingsInProbeAndTableOrder) {
  ASSERT_OK_AND_ASSIGN(auto table, MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns())));
  ASSERT_EQ(table->lookup(), table.get());
  const ArrayPtr text = FromJson(arrow::dictionary(arrow::int8(), arrow::large_utf8()),
                                 R"(["c", "a", null, "x", "a"])");
  EXPECT_EQ(Matches(*table, {1}, {text}), "0-4 1-0 1-3 1-5 4-0 4-3 4-5 ");
  EXPECT_EQ(Matches(*table, {0}, {FromJson(arrow::int64(), "[null, 6, 1, 7]")}), "1-5 2-0 ");
  EXPECT_EQ(Matches(*table, {1, 0}, {text->Slice(1), FromJson(arrow::int64(), "[6, 1, 1, null]")}),
            "0-5 ")
      << "a tuple with a null matches nothing";
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(std::vector<int>{0}));
  ASSERT_OK_AND_ASSIGN(const auto gathered,
                       reader->Gather(std::vector<int64_t>{5, 0, -1, 5}, std::vector<int>{1, 0},
                                      arrow::default_memory_pool()));
  EXPECT_TRUE(gathered[0]->Equals(FromJson(arrow::utf8(), R"(["a", "a", null, "a"])")));
  EXPECT_TRUE(gathered[1]->Equals(FromJson(arrow::int64(), "[6, 1, null, 6]")));
}

TEST(MemoryLookupTest, MisuseIsNamed) {
  ASSERT_OK_AND_ASSIGN(auto table, MemoryTable::Make(TwoColumns(), MixedBatches(TwoColumns())));
  const std::vector<ArrayPtr> ids = {FromJson(arrow::int64(), "[1]")};
  ASSERT_OK_AND_ASSIGN(const auto reader, table->OpenReader(std::vector<int>{1}));
  LookupMatches matches;
  EXPECT_ERROR(reader->Probe(ids, &matches), kTypeMismatch,
               "expected keys of type string, got int64");
  EXPECT_ERROR(table->OpenReader(std::vector<int>{2}), kInternal, "no column number 2");
}

TEST(MemoryLookupTest, ZerosAndNaNsAreOneKeyEach) {
  const auto schema = arrow::schema({arrow::field("x", arrow::float64())});
  arrow::DoubleBuilder builder;
  ASSERT_OK(builder.AppendValues({0.0, -0.0, std::nan("1"), -std::nan("2"), 1.0}));
  const ArrayPtr column = builder.Finish().ValueOrDie();
  ASSERT_OK_AND_ASSIGN(auto table,
                       MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, 5, {column})}));
  EXPECT_EQ(Matches(*table, {0}, {column}), "0-0 0-1 1-0 1-1 2-2 2-3 3-2 3-3 4-4 ");
}

TEST(MemoryLookupTest, EveryKindOfKey) {
  const std::vector<std::pair<TypePtr, std::string>> cases = {
      {arrow::boolean(), "[true, false, true]"},
      {arrow::float16(), "[1, 2, 1]"},
      {arrow::decimal128(10, 2), R"(["1.00", "2.00", "1.00"])"},
      {arrow::fixed_size_binary(2), R"(["aa", "bb", "aa"])"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "[1, 2, 1]"},
      {arrow::month_day_nano_interval(), "[[1, 2, 3], [1, 2, 4], [1, 2, 3]]"},
      {arrow::list(arrow::utf8()), R"([["a", "b"], ["ab"], ["a", "b"]])"},
      {arrow::fixed_size_list(arrow::int8(), 1), "[[1], [null], [1]]"},
      {arrow::struct_({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())}),
       R"([{"a": "x", "b": null}, {"a": null, "b": "x"}, {"a": "x", "b": null}])"},
      {arrow::map(arrow::utf8(), arrow::int8()), R"([[["k", 1]], [], [["k", 1]]])"}};
  for (const auto& [type, json] : cases) {
    SCOPED_TRACE(type->ToString());
    const auto schema = arrow::schema({arrow::field("k", type)});
    const ArrayPtr column = FromJson(type, json);
    ASSERT_OK_AND_ASSIGN(
        auto table, MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, 3, {column})}));
    EXPECT_EQ(Matches(*table, {0}, {column}), "0-0 0-2 1-1 2-0 2-2 ");
    EXPECT_EQ(Matches(*table, {0}, {column->Slice(1)}), "0-1 1-0 1-2 ");
  }
  const auto schema = arrow::schema({arrow::field(
      "k", arrow::dense_union(arrow::FieldVector{arrow::field("a", arrow::int8())}))});
  ASSERT_OK_AND_ASSIGN(auto table, MemoryTable::Make(schema, {}));
  EXPECT_ERROR(table->OpenReader(std::vector<int>{0}), kTypeMismatch, "cannot be keys");
}

TEST(MemoryLookupTest, RandomKeysAgreeWithBruteForce) {
  Rng rng(5);
  const auto schema =
      arrow::schema({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())});
  const auto random_rows = [&](int64_t count) {
    arrow::Int32Builder a;
    arrow::StringBuilder b;
    for (int64_t i = 0; i < count; ++i) {
      const bool null = rng.Below(10) == 0;
      EXPECT_OK(null ? a.AppendNull() : a.Append(static_cast<int32_t>(rng.Below(8))));
      EXPECT_OK(rng.Below(10) == 0 ? b.AppendNull() : b.Append(std::string(rng.Below(3), 'x')));
    }
    return arrow::RecordBatch::Make(schema, count, {*a.Finish(), *b.Finish()});
  };
  const auto build = random_rows(300);
  const auto probe = random_rows(100);
  ASSERT_OK_AND_ASSIGN(auto table,
                       MemoryTable::Make(schema, {build->Slice(0, 7), build->Slice(7)}));
  std::string expected;
  for (int64_t i = 0; i < probe->num_rows(); ++i) {
    if (probe->column(0)->IsNull(i) || probe->column(1)->IsNull(i)) continue;
    for (int64_t j = 0; j < build->num_rows(); ++j) {
      if (FormatValue(*probe->column(0), i) == FormatValue(*build->column(0), j) &&
          build->column(1)->IsValid(j) &&
          FormatValue(*probe->column(1), i) == FormatValue(*build->column(1), j)) {
        expected += fmt::format("{}-{} ", i, j);
      }
    }
  }
  EXPECT_EQ(Matches(*table, {0, 1}, probe->columns()), expected);
  EXPECT_GT(expected.size(), 1000u);
}

}  // namespace
}  // namespace headrace::connect_test
