// Parquet: row groups, skipping by statistics, projection, sizes of batches, row groups written.
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/scalar.h"
#include "headrace/format/sink_threads.h"
#include "headrace/format/test_files.h"
#include "headrace/memory/pool.h"

namespace headrace::format_test {
namespace {

class ParquetTest : public ::testing::Test {
 protected:
  /// One column, a row group per array.
  SourcePtr WriteGroups(const std::vector<ArrayPtr>& groups) {
    const SchemaPtr schema = arrow::schema({arrow::field("v", groups[0]->type())});
    std::vector<RecordBatchPtr> batches;
    for (const ArrayPtr& group : groups) {
      EXPECT_EQ(group->length(), groups[0]->length());
      batches.push_back(arrow::RecordBatch::Make(schema, group->length(), {group}));
    }
    const std::string rows = std::to_string(groups[0]->length());
    const Status status =
        WriteFile(*vfs_, "/t.parquet", schema, batches, {{"row_group_rows", rows}});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return OpenFiles(*vfs_, "/t.parquet", {}).ValueOrDie();
  }

  SourcePtr WriteGroups(const TypePtr& type, const std::vector<const char*>& groups) {
    std::vector<ArrayPtr> arrays;
    for (const char* json : groups) arrays.push_back(FromJson(type, json));
    return WriteGroups(arrays);
  }

  /// The row groups left by `v op value`: "0 2".
  std::string Left(Source& source, BoundOp op, ScalarPtr value) {
    ScanRequest request = Everything(source);
    request.bounds = {{0, op, std::move(value)}};
    std::string text;
    for (const Split& split : source.Splits(request).ValueOrDie()) {
      if (!text.empty()) text += ' ';
      text += std::to_string(split.index);
    }
    return text;
  }

  std::string LeftJson(Source& source, BoundOp op, const char* json) {
    const TypePtr plain = PlainType(source.schema()->field(0)->type());
    const ArrayPtr value = FromJson(plain, "[" + std::string(json) + "]");
    return Left(source, op, value->GetScalar(0).ValueOrDie());
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
};

TEST_F(ParquetTest, SkipsByIntegers) {
  using namespace arrow;  // NOLINT: type names
  for (const TypePtr& type :
       {int8(), int16(), int32(), int64(), uint8(), uint16(), uint32(), uint64(), date32(),
        time32(TimeUnit::MILLI), time64(TimeUnit::NANO), timestamp(TimeUnit::SECOND),
        timestamp(TimeUnit::MILLI), timestamp(TimeUnit::NANO, "UTC"), duration(TimeUnit::MICRO)}) {
    SCOPED_TRACE(type->ToString());
    const SourcePtr source = WriteGroups(type, {"[1, 5]", "[6, 10]", "[11, 15]"});
    EXPECT_EQ(LeftJson(*source, BoundOp::kEqual, "7"), "1");
    EXPECT_EQ(LeftJson(*source, BoundOp::kLess, "6"), "0");
    EXPECT_EQ(LeftJson(*source, BoundOp::kLessEqual, "6"), "0 1");
    EXPECT_EQ(LeftJson(*source, BoundOp::kGreater, "10"), "2");
    EXPECT_EQ(LeftJson(*source, BoundOp::kGreaterEqual, "10"), "1 2");
    EXPECT_EQ(LeftJson(*source, BoundOp::kEqual, "100"), "");
  }
}

TEST_F(ParquetTest, SkipsBySignAndWidth) {
  const SourcePtr wide =
      WriteGroups(arrow::uint64(), {"[1, 2]", "[9223372036854775808, 18446744073709551615]"});
  EXPECT_EQ(LeftJson(*wide, BoundOp::kGreater, "9223372036854775808"), "1");
  EXPECT_EQ(LeftJson(*wide, BoundOp::kLess, "3"), "0");
  const SourcePtr before =
      WriteGroups(arrow::timestamp(arrow::TimeUnit::SECOND), {"[-10, -5]", "[-4, 3]"});
  EXPECT_EQ(LeftJson(*before, BoundOp::kEqual, "-5"), "0");
  EXPECT_EQ(LeftJson(*before, BoundOp::kEqual, "-4"), "1");
}

TEST_F(ParquetTest, SkipsByDecimalsTextAndBooleans) {
  const SourcePtr decimals =
      WriteGroups(arrow::decimal128(20, 2), {R"(["-5.00", "-1.00"])", R"(["0.01", "7.50"])"});
  EXPECT_EQ(LeftJson(*decimals, BoundOp::kEqual, R"("-2.00")"), "0");
  EXPECT_EQ(LeftJson(*decimals, BoundOp::kGreater, R"("0.00")"), "1");
  for (const TypePtr& type :
       {arrow::utf8(), arrow::large_utf8(), arrow::dictionary(arrow::int32(), arrow::utf8())}) {
    const SourcePtr text = WriteGroups(type, {R"(["a", "b"])", R"(["é", "z"])"});
    EXPECT_EQ(LeftJson(*text, BoundOp::kEqual, R"("b")"), "0");
    EXPECT_EQ(LeftJson(*text, BoundOp::kGreater, R"("zz")"), "1");
    EXPECT_EQ(LeftJson(*text, BoundOp::kLess, R"("a")"), "");
  }
  const SourcePtr flags = WriteGroups(arrow::boolean(), {"[false, false]", "[true, false]"});
  EXPECT_EQ(LeftJson(*flags, BoundOp::kEqual, "true"), "1");
}

TEST_F(ParquetTest, FloatsAreCareful) {
  const SourcePtr zeros = WriteGroups(arrow::float64(), {"[0.0, 1]", "[-1, -0.0]"});
  EXPECT_EQ(Left(*zeros, BoundOp::kEqual, arrow::MakeScalar(-0.0)), "0 1");
  EXPECT_EQ(Left(*zeros, BoundOp::kEqual, arrow::MakeScalar(0.0)), "0 1");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const SourcePtr nans = WriteGroups(arrow::float64(), {"[1, 2]", "[3, NaN]", "[NaN, NaN]"});
  // NaN sorts above everything and equals itself.
  EXPECT_EQ(Left(*nans, BoundOp::kGreater, arrow::MakeScalar(2.5)), "0 1 2");
  EXPECT_EQ(Left(*nans, BoundOp::kEqual, arrow::MakeScalar(nan)), "0 1 2");
  const std::string below = Left(*nans, BoundOp::kLess, arrow::MakeScalar(2.5));
  EXPECT_EQ(below.substr(0, 1), "0");
}

TEST_F(ParquetTest, SkipsByNulls) {
  const SourcePtr source = WriteGroups(arrow::int64(), {"[1, 2]", "[null, 3]", "[null, null]"});
  EXPECT_EQ(Left(*source, BoundOp::kIsNull, nullptr), "1 2");
  EXPECT_EQ(Left(*source, BoundOp::kIsNotNull, nullptr), "0 1");
  EXPECT_EQ(LeftJson(*source, BoundOp::kEqual, "3"), "1");
  EXPECT_EQ(LeftJson(*source, BoundOp::kGreater, "0"), "0 1");
}

TEST_F(ParquetTest, SplitsKeepTheirNumbers) {
  const SourcePtr source = WriteGroups(arrow::int64(), {"[1, 2]", "[3, 4]", "[5, 6]"});
  EXPECT_EQ(source->row_count(), 6);
  ScanRequest request = Everything(*source);
  request.bounds = {{0, BoundOp::kGreater, arrow::MakeScalar(int64_t{4})}};
  const auto splits = source->Splits(request).ValueOrDie();
  ASSERT_EQ(splits.size(), 1u);
  EXPECT_EQ(splits[0].name, "/t.parquet row group 2");
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "5;6");
}

TEST_F(ParquetTest, SeveralFilesNumberTheirSplits) {
  const SchemaPtr schema = arrow::schema({arrow::field("v", arrow::int64())});
  ASSERT_ARROW_OK(vfs_->MakeDirectories("/d"));
  for (const char* path : {"/d/a.parquet", "/d/b.parquet"}) {
    const auto batch = arrow::RecordBatch::Make(
        schema, 4, {FromJson(arrow::int64(), path[3] == 'a' ? "[1,2,3,4]" : "[5,6,7,8]")});
    ASSERT_ARROW_OK(WriteFile(*vfs_, path, schema, {batch}, {{"row_group_rows", "2"}}));
  }
  const SourcePtr source = OpenFiles(*vfs_, "/d/*.parquet", {}).ValueOrDie();
  const ScanRequest request = Everything(*source);
  const auto splits = source->Splits(request).ValueOrDie();
  ASSERT_EQ(splits.size(), 4u);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(splits[static_cast<size_t>(i)].index, i);
  EXPECT_EQ(splits[2].name, "/d/b.parquet row group 0");
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "1;2;3;4;5;6;7;8");
}

TEST_F(ParquetTest, ProjectsNestedColumns) {
  const SchemaPtr schema = arrow::schema(
      {arrow::field("a", arrow::int64()),
       arrow::field("s", arrow::struct_({arrow::field("x", arrow::list(arrow::int32())),
                                         arrow::field("y", arrow::utf8())})),
       arrow::field("m", arrow::map(arrow::utf8(), arrow::int64())),
       arrow::field("z", arrow::float64())});
  const auto batch = arrow::RecordBatch::Make(
      schema, 2,
      {FromJson(arrow::int64(), "[1, 2]"),
       FromJson(schema->field(1)->type(), R"([{"x": [1, 2], "y": "p"}, null])"),
       FromJson(schema->field(2)->type(), R"([[["k", 1]], []])"),
       FromJson(arrow::float64(), "[0.5, 1.5]")});
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.parquet", schema, {batch}));
  const SourcePtr source = OpenFiles(*vfs_, "/t.parquet", {}).ValueOrDie();
  ScanRequest request;
  request.projection = {3, 1, 3};
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()),
            "0.5|{'x': [1, 2], 'y': 'p'}|0.5;1.5|NULL|1.5");
  request.projection = {2};
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "{'k': 1};{}");
  request.projection = {};
  request.batch_rows = 1;
  EXPECT_EQ(ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie().size(), 2u);
}

// The footer says that the column takes some hundred bytes; decoded it is 200 MB.
TEST_F(ParquetTest, DictionaryTextDoesNotExplode) {
  const SchemaPtr schema = arrow::schema({arrow::field("v", arrow::utf8())});
  const std::string word(2000, 'w');
  std::string json = "[";
  for (int i = 0; i < 1000; ++i) json += (i > 0 ? ",\"" : "\"") + word + "\"";
  const auto batch = arrow::RecordBatch::Make(schema, 1000, {FromJson(arrow::utf8(), json + "]")});
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.parquet", schema, std::vector<RecordBatchPtr>(100, batch),
                            {{"row_group_bytes", "1000000000"}}));
  const SourcePtr source = OpenFiles(*vfs_, "/t.parquet", {}).ValueOrDie();
  ScanRequest request = Everything(*source);
  ASSERT_EQ(source->Splits(request).ValueOrDie().size(), 1u);
  const auto pool = BudgetPool::Make(int64_t{1} << 30);
  ReadContext context;
  context.pool = pool.get();
  const Split split = source->Splits(request).ValueOrDie().front();
  const auto reader = source->Open(split, request, context).ValueOrDie();
  int64_t rows = 0;
  while (true) {
    const ReadResult read = reader->Next().ValueOrDie();
    if (std::holds_alternative<EndOfSplit>(read)) break;
    EXPECT_LE(std::get<Batch>(read).num_bytes(), request.batch_bytes);
    rows += std::get<Batch>(read).num_rows();
  }
  EXPECT_EQ(rows, 100'000);
  EXPECT_LT(pool->max_memory(), int64_t{16} << 20);
}

TEST_F(ParquetTest, RowGroupsAreBounded) {
  const SchemaPtr schema = arrow::schema({arrow::field("v", arrow::int64())});
  std::string json = "[0";
  for (int i = 1; i < 1000; ++i) json += "," + std::to_string(i);
  const auto batch = arrow::RecordBatch::Make(schema, 1000, {FromJson(arrow::int64(), json + "]")});
  const std::vector<RecordBatchPtr> batches(10, batch);
  const auto groups = [&](OptionMap options) {
    EXPECT_TRUE(WriteFile(*vfs_, "/t.parquet", schema, batches, std::move(options)).ok());
    const SourcePtr source = OpenFiles(*vfs_, "/t.parquet", {}).ValueOrDie();
    EXPECT_EQ(ReadTable(*source, Everything(*source)).ValueOrDie()->num_rows(), 10'000);
    return source->Splits(Everything(*source)).ValueOrDie().size();
  };
  EXPECT_EQ(groups({}), 1u);
  EXPECT_EQ(groups({{"row_group_rows", "1500"}}), 7u);
  EXPECT_EQ(groups({{"row_group_rows", "100"}}), 100u);
  EXPECT_EQ(groups({{"row_group_bytes", "16000"}}), 5u);
  for (const char* compression : {"zstd", "snappy", "lz4", "gzip", "none"}) {
    EXPECT_EQ(groups({{"compression", compression}}), 1u);
  }
  EXPECT_EQ(KindOf(WriteFile(*vfs_, "/t.parquet", schema, {}, {{"compression", "rar"}})),
            ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindOf(WriteFile(*vfs_, "/t.parquet", schema, {}, {{"compresion", "zstd"}})),
            ErrorKind::kInvalidArgument);
}

/// Writes 20,000 rows in row groups of 3,000 with so many threads, in memory from `pool`.
Status WriteWithThreads(Vfs& vfs, int threads, arrow::MemoryPool* pool) {
  std::string numbers = "[null", texts = "[null";
  for (int i = 1; i < 2000; ++i) {
    numbers += fmt::format(",[{},null]", i % 17);
    texts += fmt::format(",\"text {}\"", i * 31 % 1009);
  }
  const SchemaPtr schema = arrow::schema(
      {arrow::field("l", arrow::list(arrow::int64())), arrow::field("t", arrow::utf8())});
  const auto batch = arrow::RecordBatch::Make(
      schema, 2000,
      {FromJson(schema->field(0)->type(), numbers + "]"), FromJson(arrow::utf8(), texts + "]")});
  ARROW_ASSIGN_OR_RAISE(const auto sink,
                        CreateFile(vfs, "/out/t.parquet", {{"row_group_rows", "3000"}}));
  dynamic_cast<SinkThreads&>(*sink).UseThreads(threads);
  ARROW_RETURN_NOT_OK(sink->Open(schema, pool));
  for (int i = 0; i < 10; ++i) ARROW_RETURN_NOT_OK(sink->Write(*batch));
  ARROW_RETURN_NOT_OK(sink->Prepare(0));
  return sink->Commit(0);
}

TEST_F(ParquetTest, AnyNumberOfThreadsWritesTheSameBytes) {
  ASSERT_TRUE(vfs_->MakeDirectories("/out").ok());
  ASSERT_TRUE(WriteWithThreads(*vfs_, 0, arrow::default_memory_pool()).ok());
  const std::string bytes = GetFile(*vfs_, "/out/t.parquet");
  for (const int threads : {1, 2, 3, 8}) {
    ASSERT_TRUE(WriteWithThreads(*vfs_, threads, arrow::default_memory_pool()).ok());
    EXPECT_TRUE(GetFile(*vfs_, "/out/t.parquet") == bytes) << threads;
  }
}

TEST_F(ParquetTest, WantOfMemoryInAThreadLeavesNoFile) {
  ASSERT_TRUE(vfs_->MakeDirectories("/out").ok());
  for (int64_t limit = 1 << 10; limit < (1 << 26); limit *= 2) {
    arrow::CappedMemoryPool pool(arrow::default_memory_pool(), limit);
    const Status status = WriteWithThreads(*vfs_, 3, &pool);
    EXPECT_EQ(pool.bytes_allocated(), 0);
    EXPECT_EQ(vfs_->List("/out").ValueOrDie().size(), status.ok() ? 1u : 0u) << limit;
    if (status.ok()) return;
    EXPECT_TRUE(status.IsOutOfMemory()) << status.ToString();
  }
  FAIL() << "no limit was enough";
}

/// 300,000 rows in one row group: their numbers, and twice a text of 60 bytes.
SourcePtr WriteLargeGroup(Vfs& vfs, const char* compression) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("v", arrow::int64()), arrow::field("s", arrow::utf8()),
                     arrow::field("t", arrow::utf8())});
  std::vector<RecordBatchPtr> batches;
  for (int64_t first = 0; first < 300'000; first += 10'000) {
    arrow::Int64Builder numbers;
    arrow::StringBuilder texts;
    for (int64_t row = first; row < first + 10'000; ++row) {
      EXPECT_TRUE(numbers.Append(row).ok());
      EXPECT_TRUE(texts.Append(fmt::format("{:060}", row)).ok());
    }
    const ArrayPtr text = texts.Finish().ValueOrDie();
    batches.push_back(
        arrow::RecordBatch::Make(schema, 10'000, {numbers.Finish().ValueOrDie(), text, text}));
  }
  const Status written = WriteFile(vfs, "/t.parquet", schema, batches,
                                   {{"row_group_rows", "1000000"},
                                    {"row_group_bytes", "1000000000"},
                                    {"compression", compression}});
  EXPECT_TRUE(written.ok()) << written.ToString();
  return OpenFiles(vfs, "/t.parquet", {}).ValueOrDie();
}

/// Numbers and texts of a split belong together; the first number, and how many there are.
std::pair<int64_t, int64_t> ReadPart(Source& source, const Split& split,
                                     const ScanRequest& request) {
  ReadContext context;
  context.pool = arrow::default_memory_pool();
  const auto reader = source.Open(split, request, context).ValueOrDie();
  int64_t first = -1, rows = 0;
  while (true) {
    const ReadResult read = reader->Next().ValueOrDie();
    if (std::holds_alternative<EndOfSplit>(read)) return {first, rows};
    const Batch& batch = std::get<Batch>(read);
    const auto& numbers = static_cast<const arrow::Int64Array&>(*batch.column(0));
    const auto& texts = static_cast<const arrow::StringArray&>(*batch.column(1));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (first < 0) first = numbers.Value(row);
      EXPECT_EQ(numbers.Value(row), first + rows++);
      EXPECT_EQ(texts.GetView(row), fmt::format("{:060}", numbers.Value(row)));
    }
  }
}

TEST_F(ParquetTest, LargeRowGroupsAreReadInParts) {
  const SourcePtr source = WriteLargeGroup(*vfs_, "zstd");
  const ScanRequest request = Everything(*source);
  const auto splits = source->Splits(request).ValueOrDie();
  ASSERT_EQ(splits.size(), 3u);
  EXPECT_EQ(splits[0].name, "/t.parquet row group 0 rows 0 to 100000");
  // Any order will do, and any number of times.
  for (const size_t i : {2, 0, 1, 2}) {
    SCOPED_TRACE(i);
    EXPECT_EQ(ReadPart(*source, splits[i], request),
              std::pair(static_cast<int64_t>(i) * 100'000, int64_t{100'000}));
  }
  // One narrow column is not worth it; a limit needs the first part only.
  ScanRequest narrow = request;
  narrow.projection = {0};
  EXPECT_EQ(source->Splits(narrow).ValueOrDie().size(), 1u);
  ScanRequest limited = request;
  limited.limit = 100'000;
  EXPECT_EQ(source->Splits(limited).ValueOrDie().size(), 1u);
}

TEST_F(ParquetTest, BoundsLeaveFewRows) {
  const SourcePtr source = WriteLargeGroup(*vfs_, "none");
  ScanRequest request = Everything(*source);
  request.projection = {0, 1};
  request.bounds = {{2, BoundOp::kGreaterEqual, arrow::MakeScalar(fmt::format("{:060}", 123'456))},
                    {0, BoundOp::kLess, arrow::MakeScalar(int64_t{123'460})}};
  EXPECT_EQ(ReadTable(*source, request).ValueOrDie()->num_rows(), 4);
  request.projection = {};
  int64_t rows = 0;
  for (const Batch& batch :
       ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie()) {
    rows += batch.num_rows();
  }
  EXPECT_EQ(rows, 4);
}

TEST_F(ParquetTest, LimitStopsTheReading) {
  const SourcePtr source = WriteGroups(arrow::int64(), {"[1, 2, 3, 4, 5, 6, 7, 8]"});
  ScanRequest request = Everything(*source);
  request.limit = 5;
  request.batch_rows = 2;
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "1;2;3;4;5");
  request.projection = {};
  int64_t rows = 0;
  for (const Batch& batch :
       ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie()) {
    rows += batch.num_rows();
  }
  EXPECT_EQ(rows, 5);
}

}  // namespace
}  // namespace headrace::format_test
