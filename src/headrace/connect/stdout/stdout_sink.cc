// Text waits in a buffer that the clock empties.
#include "headrace/connect/stdout/stdout_sink.h"

#include <cerrno>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "headrace/base/ascii_case.h"
#include "headrace/format/json_lines/row_text.h"
#include "headrace/io/system_error.h"

namespace headrace {
namespace {

constexpr int64_t kFlushMicros = 5'000;
constexpr size_t kPrintedBytesMax = size_t{64} << 10;

/// Outlives the sink while the clock has a call to it.
class TextBuffer {
 public:
  explicit TextBuffer(WriteText write) : write_(std::move(write)) {}

  /// Whether it was empty before.
  Result<bool> Add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    ARROW_RETURN_NOT_OK(failure_);
    const bool was_empty = text_.empty();
    text_ += text;
    if (text_.size() >= kPrintedBytesMax) ARROW_RETURN_NOT_OK(WriteAll());
    return was_empty && !text_.empty();
  }
  Status Flush() {
    const std::lock_guard lock(mutex_);
    ARROW_RETURN_NOT_OK(failure_);
    return WriteAll();
  }

 private:
  Status WriteAll() {
    if (!text_.empty()) failure_ = write_(text_);
    text_.clear();
    return failure_;
  }

  const WriteText write_;
  std::mutex mutex_;
  std::string text_;
  Status failure_;
};

class StdoutSink final : public Sink {
 public:
  StdoutSink(Clock& clock, WriteText write)
      : clock_(clock), buffer_(std::make_shared<TextBuffer>(std::move(write))) {}
  ~StdoutSink() override { (void)buffer_->Flush(); }

  std::string name() const override { return "stdout"; }
  bool Accepts(ChangeMode) const override { return true; }

  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override {
    ARROW_RETURN_NOT_OK(json_lines::CheckColumns(*schema));
    pool_ = pool;
    rows_.emplace(*schema);
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(rows_->SetBatch(batch, pool_));
    for (int64_t row = 0; row < rows_->num_rows(); ++row) {
      rows_->Append(row, &text_);
      text_ += '\n';
      if (text_.size() >= kPrintedBytesMax) ARROW_RETURN_NOT_OK(Add());
    }
    return text_.empty() ? Status::OK() : Add();
  }

  Status Prepare(int64_t) override { return buffer_->Flush(); }
  Status Commit(int64_t) override { return Status::OK(); }
  Status Abort() override { return Status::OK(); }

 private:
  Status Add() {
    ARROW_ASSIGN_OR_RAISE(const bool first, buffer_->Add(text_));
    text_.clear();
    if (first) {
      clock_.CallAt(clock_.MonotonicMicros() + kFlushMicros,
                    [buffer = buffer_] { (void)buffer->Flush(); });
    }
    return Status::OK();
  }

  Clock& clock_;
  const std::shared_ptr<TextBuffer> buffer_;
  std::optional<json_lines::RowText> rows_;
  arrow::MemoryPool* pool_ = nullptr;
  std::string text_;
};

Status WriteStdout(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return Status::OK();
  return SystemError("write", "standard output", errno);
}

}  // namespace

std::unique_ptr<Sink> MakeStdoutSink(Clock& clock, WriteText write) {
  return std::make_unique<StdoutSink>(clock, std::move(write));
}

Result<std::unique_ptr<Sink>> CreateStdoutSink(const ConnectContext& context,
                                               const OptionMap& options) {
  OptionReader reader("stdout sink", options);
  ARROW_ASSIGN_OR_RAISE(const std::string format, reader.Text("format", "json"));
  ARROW_RETURN_NOT_OK(reader.Finish());
  const std::string name = LowerCase(format);
  if (name != "json" && name != "jsonl" && name != "jsonlines" && name != "json_lines") {
    return Error(ErrorKind::kInvalidArgument, "stdout sink: option format expects json, got '{}'",
                 format);
  }
  return MakeStdoutSink(context.clock, WriteStdout);
}

}  // namespace headrace
