// Rows as an Arrow IPC stream.
#include "arrow/io/interfaces.h"
#include "arrow/ipc/options.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

/// Output as Arrow's writers see it.
class StreamOverOutput final : public arrow::io::OutputStream {
 public:
  explicit StreamOverOutput(Output& output) : output_(output) {}
  Status Close() override { return Status::OK(); }
  bool closed() const override { return false; }
  Result<int64_t> Tell() const override { return written_; }
  Status Write(const void* data, int64_t size) override {
    written_ += size;
    return output_.Write({static_cast<const char*>(data), static_cast<size_t>(size)});
  }

 private:
  Output& output_;
  int64_t written_ = 0;
};

class ArrowWriter final : public RowWriter {
 public:
  explicit ArrowWriter(Output& output) : stream_(output), is_terminal_(output.is_terminal()) {}

  Status Begin(const arrow::Schema& schema) override {
    if (is_terminal_) {
      return Error(ErrorKind::kInvalidArgument,
                   "the format arrow is binary: send it to a file (> rows.arrows) or a pipe");
    }
    auto fields = std::make_shared<arrow::Schema>(schema.fields(), schema.metadata());
    return arrow::ipc::MakeStreamWriter(&stream_, std::move(fields)).Value(&writer_);
  }
  Status Write(const arrow::RecordBatch& batch) override {
    return writer_->WriteRecordBatch(batch);
  }
  Status End() override { return writer_->Close(); }

 private:
  StreamOverOutput stream_;
  const bool is_terminal_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeArrowWriter(Output& output) {
  return std::make_unique<ArrowWriter>(output);
}

}  // namespace headrace::app
