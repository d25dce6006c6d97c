// Truncated and bit-flipped files: an error with the path, or rows that are valid; never a crash, a
// read past the end or memory out of proportion.
#include <gtest/gtest.h>

#include "arrow/io/memory.h"
#include "arrow/ipc/writer.h"
#include "headrace/base/rng.h"
#include "headrace/format/test_files.h"
#include "headrace/memory/pool.h"

namespace headrace::format_test {
namespace {

/// Small files of nested, dictionary-encoded, compressed and plain columns.
class CorruptionTest : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kMemoryMax = int64_t{256} << 20;

  void SetUp() override {
    const SchemaPtr schema = arrow::schema({
        arrow::field("i", arrow::int64()),
        arrow::field("t", arrow::utf8()),
        arrow::field("d", arrow::dictionary(arrow::int32(), arrow::utf8())),
        arrow::field("x", arrow::float64()),
        arrow::field("when", arrow::timestamp(arrow::TimeUnit::MICRO)),
    });
    const auto batch = arrow::RecordBatch::Make(
        schema, 4,
        {FromJson(arrow::int64(), "[1, null, -3, 4]"),
         FromJson(arrow::utf8(), R"(["a,b", "é", "", null])"),
         FromJson(schema->field(2)->type(), R"(["x", "y", null, "x"])"),
         FromJson(arrow::float64(), "[0.5, null, 1e300, -0.0]"),
         FromJson(schema->field(4)->type(), "[0, 1357016400000000, null, -1]")});
    RecordBatchPtr written = batch;
    if (!IsCsv()) {
      const TypePtr nested = arrow::list(arrow::struct_({arrow::field("a", arrow::utf8())}));
      written =
          batch
              ->AddColumn(5, "n",
                          FromJson(nested, R"([[{"a": "p"}, null], [], null, [{"a": null}]])"))
              .ValueOrDie();
    }
    OptionMap options;
    if (std::string_view(path()).find("zstd") != std::string_view::npos) {
      options["compression"] = "zstd";
    }
    if (std::string_view(path()).ends_with("arrows")) {
      WriteStream(written);
    } else {
      ASSERT_ARROW_OK(WriteFile(*vfs_, path(), written->schema(), {written, written}, options));
    }
    bytes_ = GetFile(*vfs_, path());
    ASSERT_GT(bytes_.size(), 50u);
  }

  const char* path() const { return GetParam(); }
  bool IsCsv() const { return std::string_view(path()).find(".csv") != std::string_view::npos; }

  void WriteStream(const RecordBatchPtr& batch) {
    auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto writer = arrow::ipc::MakeStreamWriter(stream, batch->schema()).ValueOrDie();
    ASSERT_ARROW_OK(writer->WriteRecordBatch(*batch));
    ASSERT_ARROW_OK(writer->WriteRecordBatch(*batch));
    ASSERT_ARROW_OK(writer->Close());
    PutFile(*vfs_, path(), std::string_view(*stream->Finish().ValueOrDie()));
  }

  /// Reads `bytes` as the file; checks what comes. Returns the rows, or −1 for an error.
  int64_t Read(const std::string& bytes) {
    PutFile(*vfs_, path(), bytes);
    const auto pool = BudgetPool::Make(kMemoryMax);
    const Result<int64_t> rows = ReadRows(pool.get());
    if (rows.ok()) return *rows;
    const ErrorKind kind = KindOf(rows.status());
    EXPECT_TRUE(kind == ErrorKind::kBadData || kind == ErrorKind::kUnsupported ||
                kind == ErrorKind::kMemoryLimit)
        << rows.status().ToString();
    EXPECT_NE(rows.status().message().find(path()), std::string::npos) << rows.status().ToString();
    return -1;
  }

  Result<int64_t> ReadRows(arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(const SourcePtr source, OpenFiles(*vfs_, path(), {}));
    ScanRequest request = Everything(*source);
    request.limit = 1'000'000;  // counts are part of what may be wrong
    if (some_columns_ && request.projection.size() > 3) request.projection = {2, 0};
    ARROW_ASSIGN_OR_RAISE(const TablePtr table, ReadTable(*source, request, pool));
    (void)Rows(*table->Slice(0, 100));
    return table->num_rows();
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
  std::string bytes_;
  bool some_columns_ = false;
};

TEST_P(CorruptionTest, TruncatedAtEveryByte) {
  ASSERT_EQ(Read(bytes_), 8);
  int64_t read = 0;
  for (size_t size = 0; size < bytes_.size(); ++size) {
    const int64_t rows = Read(bytes_.substr(0, size));
    EXPECT_LE(rows, 8);
    if (rows >= 0) ++read;
  }
  // Formats with a footer notice every cut.
  const std::string_view name = path();
  if (name.ends_with("parquet") || name.ends_with("arrow") || name.ends_with("gz")) {
    EXPECT_EQ(read, 0);
  }
}

TEST_P(CorruptionTest, BitFlips) {
  Rng rng(20130101);
  int64_t errors = 0;
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    some_columns_ = i % 2 == 1;
    std::string bytes = bytes_;
    for (uint64_t flips = 1 + rng.Below(3); flips > 0; --flips) {
      bytes[rng.Below(bytes.size())] ^= static_cast<char>(1 << rng.Below(8));
    }
    if (Read(bytes) < 0) ++errors;
    if (HasFailure()) break;
  }
  EXPECT_GT(errors, 100);
}

TEST_P(CorruptionTest, BytesOverwritten) {
  Rng rng(7);
  for (int i = 0; i < 2000; ++i) {
    SCOPED_TRACE(i);
    std::string bytes = bytes_;
    const size_t begin = rng.Below(bytes.size());
    const char value = static_cast<char>(rng.Below(2) == 0 ? 0xFF : rng.Below(256));
    for (size_t at = begin; at < std::min(begin + 1 + rng.Below(8), bytes.size()); ++at) {
      bytes[at] = value;
    }
    Read(bytes);
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CorruptionTest,
                         ::testing::Values("/plain.csv", "/packed.csv.gz", "/plain.jsonl",
                                           "/packed.jsonl.gz", "/zstd.parquet", "/plain.arrow",
                                           "/zstd.arrow", "/stream.arrows"),
                         [](const auto& info) {
                           std::string name = info.param + 1;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(CorruptionTest, OtherFilesAreRefused) {
  const auto vfs = MakeMemoryVfs();
  for (const char* path : {"/x.parquet", "/x.arrow"}) {
    for (const std::string& bytes :
         {std::string(), std::string("a"), std::string("PAR1"), std::string("a,b\n1,2\n"),
          std::string(1000, '\0'), std::string(1000, '\xFF'), std::string("ARROW1"),
          std::string("FEA1....FEA1")}) {
      PutFile(*vfs, path, bytes);
      const Status status = ReadFile(*vfs, path).status();
      EXPECT_FALSE(status.ok());
      EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
    }
  }
}

}  // namespace
}  // namespace headrace::format_test
