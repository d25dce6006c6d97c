// The Arrow IPC sink: the file format, optionally compressed.
#include <memory>
#include <string>
#include <utility>

#include "arrow/ipc/options.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/util/compression.h"
#include "headrace/format/arrow_ipc/dictionary_merger.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"

namespace headrace {
namespace arrow_ipc {
namespace {

Result<std::shared_ptr<arrow::util::Codec>> CodecOf(const std::string& name) {
  if (name == "none") return nullptr;
  if (name == "lz4") return arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME);
  if (name == "zstd") return arrow::util::Codec::Create(arrow::Compression::ZSTD);
  return Error(ErrorKind::kInvalidArgument,
               "arrow_ipc writer: expected compression lz4, zstd or none, got \"{}\"", name);
}

class IpcEncoder final : public FileEncoder {
 public:
  IpcEncoder(std::shared_ptr<arrow::ipc::RecordBatchWriter> writer, arrow::MemoryPool* pool)
      : writer_(std::move(writer)), merger_(pool) {}

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_ASSIGN_OR_RAISE(const auto merged, merger_.Merge(batch));
    return writer_->WriteRecordBatch(*merged);
  }
  Status Finish() override { return writer_->Close(); }

 private:
  const std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  DictionaryMerger merger_;
};

}  // namespace
}  // namespace arrow_ipc

Result<MakeEncoder> EncodeArrowIpc(const std::string&, const OptionMap& options) {
  OptionReader reader("arrow_ipc writer", options);
  ARROW_ASSIGN_OR_RAISE(const std::string compression, reader.Text("compression", "none"));
  ARROW_RETURN_NOT_OK(reader.Finish());
  arrow::ipc::IpcWriteOptions write = arrow::ipc::IpcWriteOptions::Defaults();
  ARROW_ASSIGN_OR_RAISE(write.codec, arrow_ipc::CodecOf(compression));
  write.use_threads = false;
  write.emit_dictionary_deltas = true;
  MakeEncoder make = [write](
                         const SchemaPtr& schema, std::shared_ptr<arrow::io::OutputStream> stream,
                         arrow::MemoryPool* pool) mutable -> Result<std::unique_ptr<FileEncoder>> {
    write.memory_pool = pool;
    ARROW_ASSIGN_OR_RAISE(auto writer,
                          arrow::ipc::MakeFileWriter(std::move(stream), schema, write));
    return std::make_unique<arrow_ipc::IpcEncoder>(std::move(writer), pool);
  };
  return make;
}

}  // namespace headrace
