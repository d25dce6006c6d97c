// A reader that counts rows, and a sink that hands over epochs.
#include "headrace/connect/memory/memory_connector.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/connect/memory/slice_reader.h"

namespace headrace {
namespace {

class MemoryReader final : public SplitReader {
 public:
  MemoryReader(MemoryStreamPtr stream, SchemaPtr schema, const ScanRequest& request,
               const ReadContext& context)
      : stream_(std::move(stream)),
        schema_(std::move(schema)),
        projection_(request.projection),
        rows_max_(std::clamp<int64_t>(request.batch_rows, 1, kBatchRowsMax)),
        bytes_max_(request.batch_bytes),
        waker_(context.waker),
        end_(request.limit.value_or(std::numeric_limits<int64_t>::max())),
        subscription_(stream_->Subscribe(context.waker)) {}
  ~MemoryReader() override { stream_->Unsubscribe(subscription_); }

  Status Seek(const std::string& position) {
    ARROW_ASSIGN_OR_RAISE(row_, ParsePosition(position));
    if (row_ <= stream_->num_rows()) return Status::OK();
    return Error(
        ErrorKind::kStale,
        "memory stream {}: the job goes on behind row {}, and the stream has {}: what is in "
        "memory ends with its process, so the state of the job is to be given up too",
        stream_->name(), row_, stream_->num_rows());
  }

  Result<ReadResult> Next() override {
    if (row_ >= end_) return ReadResult(EndOfSplit{});
    ARROW_ASSIGN_OR_RAISE(MemoryStream::Fetch fetch,
                          stream_->Read(row_, std::min(rows_max_, end_ - row_)));
    if (std::holds_alternative<Pending>(fetch)) return ReadResult(Pending{});
    if (std::holds_alternative<EndOfSplit>(fetch)) return ReadResult(EndOfSplit{});
    const auto& fetched = std::get<MemoryStream::Fetched>(fetch);
    const int64_t known = std::min(row_ - fetched.begin, fetched.rows.num_rows());
    Batch rows = fetched.rows.Slice(known, fetched.rows.num_rows() - known);
    if (rows.num_rows() == 0) {
      waker_.Wake();
      return ReadResult(Pending{});
    }
    rows = rows.Slice(0, std::min(rows.num_rows(), RowsThatFit(rows, rows_max_, bytes_max_)));
    ARROW_RETURN_NOT_OK(CheckNulls(rows));
    row_ += rows.num_rows();
    return ReadResult(Project(rows));
  }

  Result<std::string> Position() const override { return std::to_string(row_); }

 private:
  Batch Project(const Batch& rows) const {
    std::vector<ArrayPtr> columns;
    for (const int column : projection_) columns.push_back(rows.column(column));
    return rows.WithColumns(std::move(columns));
  }

  Status CheckNulls(const Batch& rows) const {
    for (const int column : projection_) {
      const arrow::Field& field = *schema_->field(column);
      if (field.nullable() || rows.column(column)->null_count() == 0) continue;
      return Error(ErrorKind::kBadData,
                   "memory stream {}, rows {} to {}: column {} is NOT NULL, got a null",
                   stream_->name(), row_, row_ + rows.num_rows(), field.name());
    }
    return Status::OK();
  }

  const MemoryStreamPtr stream_;
  const SchemaPtr schema_;
  const std::vector<int> projection_;
  const int64_t rows_max_;
  const int64_t bytes_max_;
  const Waker waker_;
  const int64_t end_;
  const int64_t subscription_;
  int64_t row_ = 0;
};

class MemorySource final : public Source {
 public:
  MemorySource(MemoryStreamPtr stream, SchemaPtr schema)
      : stream_(std::move(stream)), schema_(std::move(schema)) {}

  std::string name() const override { return "memory stream " + stream_->name(); }
  const SchemaPtr& schema() const override { return schema_; }
  Boundedness boundedness() const override { return Boundedness::kUnbounded; }
  Result<std::vector<Split>> Splits(const ScanRequest&) override {
    return std::vector<Split>{{.name = name()}};
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split&, const ScanRequest& request,
                                            const ReadContext& context) override {
    auto reader = std::make_unique<MemoryReader>(stream_, schema_, request, context);
    if (!context.position.empty()) ARROW_RETURN_NOT_OK(reader->Seek(context.position));
    return std::unique_ptr<SplitReader>(std::move(reader));
  }
  Result<std::string> Snapshot() override {
    return fmt::format("{} {}", name(), schema_->ToString());
  }

 private:
  const MemoryStreamPtr stream_;
  const SchemaPtr schema_;
};

class MemorySink final : public Sink {
 public:
  explicit MemorySink(MemoryStreamPtr stream) : stream_(std::move(stream)) {}

  std::string name() const override { return "memory stream " + stream_->name(); }
  bool Accepts(ChangeMode) const override { return true; }

  Status Open(const SchemaPtr& schema, arrow::MemoryPool*) override {
    ARROW_ASSIGN_OR_RAISE(writer_, stream_->OpenWriter(schema));
    return Status::OK();
  }
  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(Begin(-1));
    ARROW_RETURN_NOT_OK(stream_->Write(writer_));
    pending_.push_back(batch.Slice(0));
    return Status::OK();
  }
  Status Prepare(int64_t epoch) override {
    ARROW_RETURN_NOT_OK(Begin(-1));
    return stream_->Prepare(writer_, epoch, std::exchange(pending_, {}));
  }
  Status Commit(int64_t epoch) override {
    ARROW_RETURN_NOT_OK(Begin(epoch));
    return stream_->Commit(writer_, epoch);
  }
  Status Abort() override {
    pending_.clear();
    return Status::OK();
  }

 private:
  /// At the first call, which no other accompanies: what is prepared behind `epoch` is none of this
  /// job's.
  Status Begin(int64_t epoch) {
    if (has_begun_) return Status::OK();
    has_begun_ = true;
    return stream_->BeginAt(writer_, epoch);
  }

  const MemoryStreamPtr stream_;
  int64_t writer_ = 0;
  bool has_begun_ = false;
  MemoryStream::Batches pending_;
};

/// The stream that the options name.
Result<MemoryStreamPtr> StreamOf(const ConnectContext& context, const OptionMap& options) {
  OptionReader reader("memory stream", options);
  ARROW_ASSIGN_OR_RAISE(const std::string name, reader.Text("name", ""));
  ARROW_ASSIGN_OR_RAISE(const std::string text, reader.Text("faults", ""));
  ARROW_RETURN_NOT_OK(reader.Finish());
  ARROW_ASSIGN_OR_RAISE(const std::vector<MemoryFault> faults, ParseMemoryFaults(text));
  if (name.empty()) {
    return Error(ErrorKind::kInvalidArgument,
                 "memory stream: option name is missing, as in name = 'trades'");
  }
  if (context.memory_streams == nullptr) {
    return Error(ErrorKind::kUnsupported, "memory stream {}: there is no session to hold it", name);
  }
  MemoryStreamPtr stream = context.memory_streams->Find(name);
  stream->AddFaults(faults);
  return stream;
}

}  // namespace

Result<SourcePtr> MakeMemorySource(MemoryStreamPtr stream, SchemaPtr schema) {
  ARROW_RETURN_NOT_OK(stream->Declare(schema));
  return std::make_shared<MemorySource>(std::move(stream), std::move(schema));
}

std::unique_ptr<Sink> MakeMemorySink(MemoryStreamPtr stream) {
  return std::make_unique<MemorySink>(std::move(stream));
}

Result<SourcePtr> OpenMemorySource(const ConnectContext& context, const OptionMap& options) {
  if (context.schema == nullptr || context.schema->num_fields() == 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "memory stream: expected declared columns, as in CREATE STREAM s (a BIGINT, …)");
  }
  ARROW_ASSIGN_OR_RAISE(MemoryStreamPtr stream, StreamOf(context, options));
  return MakeMemorySource(std::move(stream), context.schema);
}

Result<std::unique_ptr<Sink>> CreateMemorySink(const ConnectContext& context,
                                               const OptionMap& options) {
  ARROW_ASSIGN_OR_RAISE(MemoryStreamPtr stream, StreamOf(context, options));
  return MakeMemorySink(std::move(stream));
}

}  // namespace headrace
