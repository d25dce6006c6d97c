// Arrow IPC: both formats, dictionaries that change, large batches, projection, splits.
#include <gtest/gtest.h>

#include <cstring>

#include "arrow/array/array_dict.h"
#include "arrow/array/util.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/writer.h"
#include "arrow/scalar.h"
#include "arrow/util/compression.h"
#include "headrace/format/test_files.h"

namespace headrace::format_test {
namespace {

class ArrowIpcTest : public ::testing::Test {
 protected:
  void WriteStream(const char* path, const std::vector<RecordBatchPtr>& batches,
                   const arrow::ipc::IpcWriteOptions& options) {
    auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto writer = arrow::ipc::MakeStreamWriter(stream, batches[0]->schema(), options).ValueOrDie();
    for (const RecordBatchPtr& batch : batches) ASSERT_ARROW_OK(writer->WriteRecordBatch(*batch));
    ASSERT_ARROW_OK(writer->Close());
    PutFile(*vfs_, path, std::string_view(*stream->Finish().ValueOrDie()));
  }

  static RecordBatchPtr Words(const char* codes, const char* words) {
    const TypePtr type = arrow::dictionary(arrow::int8(), arrow::utf8());
    const ArrayPtr array = arrow::DictionaryArray::FromArrays(type, FromJson(arrow::int8(), codes),
                                                              FromJson(arrow::utf8(), words))
                               .ValueOrDie();
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("w", type)}), array->length(),
                                    {array});
  }

  std::unique_ptr<Vfs> vfs_ = MakeMemoryVfs();
};

TEST_F(ArrowIpcTest, StreamsReplaceAndExtendDictionaries) {
  const std::vector<RecordBatchPtr> batches = {
      Words("[0, 1]", R"(["a", "b"])"), Words("[2, 0]", R"(["a", "b", "c"])"),
      Words("[0, 1]", R"(["x", "y"])"), Words("[1, 0]", R"(["a", "b"])")};
  for (const bool deltas : {false, true}) {
    arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
    options.emit_dictionary_deltas = deltas;
    WriteStream("/t.arrows", batches, options);
    EXPECT_EQ(Rows(*ReadFile(*vfs_, "/t.arrows").ValueOrDie()), "a;b;c;a;x;y;b;a");
    // The content tells which of the formats it is, not the name.
    WriteStream("/t.arrow", batches, options);
    EXPECT_EQ(Rows(*ReadFile(*vfs_, "/t.arrow").ValueOrDie()), "a;b;c;a;x;y;b;a");
  }
}

TEST_F(ArrowIpcTest, FilesExtendDictionaries) {
  const std::vector<RecordBatchPtr> batches = {Words("[0, 1]", R"(["a", "b"])"),
                                               Words("[1, 0, null]", R"(["x", "a"])"),
                                               Words("[0, 1]", R"(["y", "x"])")};
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.arrow", batches[0]->schema(), batches));
  EXPECT_EQ(Rows(*ReadFile(*vfs_, "/t.arrow").ValueOrDie()), "a;b;a;x;NULL;y;x");
}

// Codes under nulls may be anything, also codes that the dictionary does not have.
TEST_F(ArrowIpcTest, CodesUnderNullsAreNotLookedAt) {
  const auto codes = FromJson(arrow::int8(), "[0, 120, 1]");
  auto data = codes->data()->Copy();
  data->buffers[0] = arrow::Buffer::FromString(std::string(1, '\x05'));
  data->null_count = 1;
  const TypePtr type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const SchemaPtr schema = arrow::schema({arrow::field("w", type)});
  const auto array = std::make_shared<arrow::DictionaryArray>(
      type, arrow::MakeArray(data), FromJson(arrow::utf8(), R"(["a", "b"])"));
  const auto odd = arrow::RecordBatch::Make(schema, 3, {array});
  ASSERT_ARROW_OK(odd->ValidateFull());
  const auto first = Words("[0]", R"(["z"])");
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.arrow", schema, {first, odd, odd->Slice(1)}));
  EXPECT_EQ(Rows(*ReadFile(*vfs_, "/t.arrow").ValueOrDie()), "z;a;NULL;b;NULL;b");
}

TEST_F(ArrowIpcTest, LargeBatchesAreSliced) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("t", arrow::utf8())});
  std::string integers = "[0", texts = "[\"\"";
  for (int i = 1; i < 5000; ++i) {
    integers += fmt::format(",{}", i);
    texts += fmt::format(",\"{}\"", std::string(static_cast<size_t>(i % 50), 'x'));
  }
  const auto batch = arrow::RecordBatch::Make(
      schema, 5000,
      {FromJson(arrow::int64(), integers + "]"), FromJson(arrow::utf8(), texts + "]")});
  for (const char* compression : {"none", "lz4", "zstd"}) {
    ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.arrow", schema, {batch}, {{"compression", compression}}));
    const SourcePtr source = OpenFiles(*vfs_, "/t.arrow", {}).ValueOrDie();
    ScanRequest request = Everything(*source);
    request.batch_rows = 1024;
    request.batch_bytes = 16 << 10;
    int64_t rows = 0;
    for (const Batch& slice :
         ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie()) {
      EXPECT_LE(slice.num_bytes(), request.batch_bytes);
      rows += slice.num_rows();
    }
    EXPECT_EQ(rows, 5000);
    EXPECT_TRUE(ReadTable(*source, request)
                    .ValueOrDie()
                    ->Equals(*arrow::Table::FromRecordBatches({batch}).ValueOrDie()));
    request.projection = {1, 0};
    request.limit = 2;
    EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()), "|0;x|1");
    request.projection = {};
    request.limit = std::nullopt;
    rows = 0;
    for (const Batch& count :
         ReadBatches(*source, request, arrow::default_memory_pool()).ValueOrDie()) {
      rows += count.num_rows();
    }
    EXPECT_EQ(rows, 5000);
  }
}

TEST_F(ArrowIpcTest, BatchesWithoutColumnsHaveNoNegativeLength) {
  constexpr int64_t kRows = 0x1234567;
  constexpr int64_t kNegative = -kRows;
  const auto batch = arrow::RecordBatch::Make(arrow::schema({}), kRows, arrow::ArrayVector());
  WriteStream("/t.arrows", {batch}, arrow::ipc::IpcWriteOptions::Defaults());
  std::string bytes = GetFile(*vfs_, "/t.arrows");
  const size_t at =
      bytes.find(std::string_view(reinterpret_cast<const char*>(&kRows), sizeof kRows));
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, sizeof kNegative, reinterpret_cast<const char*>(&kNegative), sizeof kNegative);
  PutFile(*vfs_, "/t.arrows", bytes);
  const Status read = ReadFile(*vfs_, "/t.arrows").status();
  EXPECT_EQ(KindOf(read), ErrorKind::kBadData) << read.ToString();
}

// Arrow would allocate what the length before a compressed buffer says.
TEST_F(ArrowIpcTest, CompressedBuffersCannotClaimAnyLength) {
  const auto zeros = arrow::MakeArrayFromScalar(arrow::Int64Scalar(0), 5000).ValueOrDie();
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  const auto batch = arrow::RecordBatch::Make(schema, 5000, {zeros});
  const int64_t length = 5000 * 8, claim = int64_t{1} << 46;
  const std::string_view length_bytes(reinterpret_cast<const char*>(&length), sizeof length);
  for (const char* path : {"/t.arrow", "/t.arrows"}) {
    for (const auto codec : {arrow::Compression::LZ4_FRAME, arrow::Compression::ZSTD}) {
      arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
      options.codec = arrow::util::Codec::Create(codec).ValueOrDie();
      const bool is_stream = std::string_view(path).ends_with('s');
      auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
      auto writer = is_stream ? arrow::ipc::MakeStreamWriter(out, schema, options).ValueOrDie()
                              : arrow::ipc::MakeFileWriter(out, schema, options).ValueOrDie();
      ASSERT_ARROW_OK(writer->WriteRecordBatch(*batch));
      ASSERT_ARROW_OK(writer->Close());
      std::string bytes{std::string_view(*out->Finish().ValueOrDie())};
      PutFile(*vfs_, path, bytes);
      EXPECT_EQ(ReadFile(*vfs_, path).ValueOrDie()->num_rows(), 5000);
      const size_t at = bytes.find(length_bytes);
      ASSERT_NE(at, std::string::npos);
      std::memcpy(&bytes[at], &claim, sizeof claim);
      PutFile(*vfs_, path, bytes);
      const Status status = ReadFile(*vfs_, path).status();
      EXPECT_EQ(KindOf(status), ErrorKind::kBadData) << status.ToString();
      EXPECT_NE(status.message().find("claims to hold"), std::string::npos) << status.ToString();
    }
  }
}

TEST_F(ArrowIpcTest, ProjectsSomeColumns) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("a", arrow::int64()),
                     arrow::field("s", arrow::struct_({arrow::field(
                                           "d", arrow::dictionary(arrow::int8(), arrow::utf8()))})),
                     arrow::field("c", arrow::utf8())});
  const auto batch =
      arrow::RecordBatch::Make(schema, 2,
                               {FromJson(arrow::int64(), "[1, 2]"),
                                FromJson(schema->field(1)->type(), R"([{"d": "p"}, {"d": "q"}])"),
                                FromJson(arrow::utf8(), R"(["x", "y"])")});
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.arrow", schema, {batch, batch, batch}));
  const SourcePtr source = OpenFiles(*vfs_, "/t.arrow", {}).ValueOrDie();
  ScanRequest request;
  request.projection = {2, 1};
  EXPECT_EQ(Rows(*ReadTable(*source, request).ValueOrDie()),
            "x|{'d': 'p'};y|{'d': 'q'};x|{'d': 'p'};y|{'d': 'q'};x|{'d': 'p'};y|{'d': 'q'}");
}

TEST_F(ArrowIpcTest, EmptyTables) {
  const SchemaPtr schema = arrow::schema({arrow::field("a", arrow::int64())});
  ASSERT_ARROW_OK(WriteFile(*vfs_, "/t.arrow", schema, {}));
  const SourcePtr source = OpenFiles(*vfs_, "/t.arrow", {}).ValueOrDie();
  EXPECT_EQ(ReadTable(*source, Everything(*source)).ValueOrDie()->num_rows(), 0);
  EXPECT_EQ(Columns(*source->schema()), "a int64");
}

}  // namespace
}  // namespace headrace::format_test
