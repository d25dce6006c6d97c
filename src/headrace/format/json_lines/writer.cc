// The JSON lines sink: batches as one object a line.
#include <memory>
#include <string>
#include <utility>

#include "arrow/io/interfaces.h"
#include "arrow/record_batch.h"
#include "headrace/format/compressed_stream.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"
#include "headrace/format/json_lines/row_text.h"

namespace headrace {
namespace json_lines {
namespace {

constexpr size_t kLinesBufferBytes = 256 << 10;

class JsonEncoder final : public FileEncoder {
 public:
  JsonEncoder(std::unique_ptr<RowText> rows, std::shared_ptr<arrow::io::OutputStream> stream,
              arrow::MemoryPool* pool)
      : rows_(std::move(rows)), stream_(std::move(stream)), pool_(pool) {}

  // Unfinished compressors must not write when they die.
  ~JsonEncoder() override { (void)stream_->Abort(); }

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(rows_->SetBatch(batch, pool_));
    for (int64_t row = 0; row < rows_->num_rows(); ++row) {
      rows_->Append(row, &buffer_);
      buffer_ += '\n';
      if (buffer_.size() >= kLinesBufferBytes) ARROW_RETURN_NOT_OK(FlushBuffer());
    }
    return Status::OK();
  }

  Status Finish() override {
    ARROW_RETURN_NOT_OK(FlushBuffer());
    return stream_->Close();
  }

 private:
  Status FlushBuffer() {
    ARROW_RETURN_NOT_OK(stream_->Write(buffer_.data(), static_cast<int64_t>(buffer_.size())));
    buffer_.clear();
    return Status::OK();
  }

  const std::unique_ptr<RowText> rows_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  arrow::MemoryPool* const pool_;
  std::string buffer_;
};

}  // namespace
}  // namespace json_lines

Result<MakeEncoder> EncodeJsonLines(const std::string& path, const OptionMap& options) {
  ARROW_RETURN_NOT_OK(OptionReader("json_lines writer", options).Finish());
  MakeEncoder make = [path](const SchemaPtr& schema,
                            std::shared_ptr<arrow::io::OutputStream> stream,
                            arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    ARROW_RETURN_NOT_OK(json_lines::CheckColumns(*schema));
    auto rows = std::make_unique<json_lines::RowText>(*schema);
    ARROW_ASSIGN_OR_RAISE(stream, PackInto(std::move(stream), path, pool));
    return std::make_unique<json_lines::JsonEncoder>(std::move(rows), std::move(stream), pool);
  };
  return make;
}

}  // namespace headrace
