// The Arrow IPC reader on any bytes: the file format and the stream format, plain and compressed,
// with dictionaries that grow.
#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "file_case.h"
#include "fuzz.h"

namespace headrace::fuzz {
namespace {

constexpr const char* kPath = "/input.arrow";

std::string Chosen(std::string_view bytes) { return std::string(2, '\0') + std::string(bytes); }

std::string WriteStream(const std::vector<RecordBatchPtr>& batches) {
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto write = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(auto writer,
                          arrow::ipc::MakeStreamWriter(stream, batches.front()->schema(),
                                                       arrow::ipc::IpcWriteOptions::Defaults()));
    for (const RecordBatchPtr& batch : batches)
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    return writer->Close();
  };
  const Status written = write();
  Expect(written.ok(), written.message());
  return stream->Finish().ValueOrDie()->ToString();
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const auto& tables : {FlatTables(), RichTables()}) {
    for (const auto& table : tables) {
      for (const char* compression : {"none", "lz4", "zstd"}) {
        const std::string bytes = WriteBytes(kPath, table, {{"compression", compression}});
        if (!bytes.empty()) seeds.push_back(Chosen(bytes));
      }
      seeds.push_back(Chosen(WriteStream(table)));
    }
  }
  const auto no_columns = arrow::RecordBatch::Make(arrow::schema({}), 5, arrow::ArrayVector());
  seeds.push_back(Chosen(WriteStream({no_columns})));
  return seeds;
}

std::vector<std::string> Tokens() {
  return {"ARROW1",
          std::string("ARROW1\0\0", 8),
          "FEA1",
          "\xff\xff\xff\xff",
          std::string("\xff\xff\xff\xff\x00\x00\x00\x00", 8),
          std::string("\x08\x00\x00\x00\x00\x00\x00\x00", 8),
          std::string("\x00\x00\x00\x80", 4),
          std::string("\x00\x00\x00\x00\x00\x00\x00\x80", 8),
          std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::fuzz;
  Input input(data, size);
  FileCase one;
  one.path = kPath;
  const int shape = input.Choose(8);
  const int columns = input.Choose(6);
  if (columns > 0) one.columns.assign(static_cast<size_t>(columns - 1), columns);
  FileCase other = one;
  other.batch_rows = 1 + shape % 3;
  other.batch_bytes = shape < 4 ? 16 : 1000;
  const bool is_readable = ExpectSameRows(one, other, input.rest());
  Expect(is_readable || !IsSeed({reinterpret_cast<const char*>(data), size}), "seeds are valid");
  return 0;
}
