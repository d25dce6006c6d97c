// Rows are gathered into batches of a useful size; the file is Arrow IPC with LZ4.
#include "headrace/engine/stored_table.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "arrow/array/array_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/util/byte_size.h"
#include "headrace/base/limits.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/format/format.h"
#include "headrace/memory/spill_space.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

constexpr const char* kTableFileFormat = "arrow_ipc";
/// Batches of fewer rows and bytes are put together.
constexpr int64_t kStoredBatchRows = kBatchRowsDefault;

/// `schema` with the types that rows have on disk.
SchemaPtr PlainSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  for (auto& field : fields) field = field->WithType(PlainType(field->type()));
  return arrow::schema(std::move(fields), schema.metadata());
}

int64_t StoredBatchBytes(const Session& session) {
  return std::min(kBatchBytesMax, session.settings().memory_limit / kBatchBudgetFraction);
}

/// In buffers of their own.
Result<Batch> CopyOfRows(const Batch& rows, arrow::MemoryPool* pool) {
  std::vector<int64_t> numbers(static_cast<size_t>(rows.num_rows()));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return rows.Take(arrow::Int64Array(rows.num_rows(), arrow::Buffer::Wrap(numbers)), pool);
}

std::string NextSnapshot() {
  static std::atomic<int64_t> count{0};
  return fmt::format("stored table {}", ++count);
}

}  // namespace

/// The file of rows that are not in memory. While it is written its bytes are charged as they are
/// before compression.
struct StoredRows::File {
  static Result<std::unique_ptr<File>> Make(Session& session, const SchemaPtr& schema) {
    auto file = std::make_unique<File>();
    file->session = session.weak_from_this();
    file->spill = session.table_spill();
    file->pool = session.pool();
    file->schema = PlainSchema(*schema);
    file->batch_bytes = StoredBatchBytes(session);
    ARROW_ASSIGN_OR_RAISE(file->path, file->spill->NewPath("table"));
    ARROW_ASSIGN_OR_RAISE(const FileFormat* format, FindFormat(kTableFileFormat));
    ARROW_ASSIGN_OR_RAISE(
        const MakeEncoder encode,
        format->encode(file->path, {{"compression", file->spill->compression()}}));
    ARROW_ASSIGN_OR_RAISE(file->stream, session.vfs().OpenForWrite(file->path));
    ARROW_ASSIGN_OR_RAISE(file->encoder, encode(file->schema, file->stream, file->pool));
    return file;
  }

  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  // A file whose session has gone goes with the folder of the session.
  ~File() {
    encoder.reset();
    stream.reset();
    if (const auto living = session.lock()) (void)living->vfs().Remove(path);
    spill->Release(charged);
  }

  // A batch of the file is read as a whole.
  Status Write(const arrow::RecordBatch& batch) {
    ARROW_ASSIGN_OR_RAISE(const Batch plain, DecodeBatch(Batch::FromRecordBatch(batch), pool));
    ARROW_ASSIGN_OR_RAISE(const int64_t written, stream->Tell());
    ARROW_RETURN_NOT_OK(ChargeUpTo(written + plain.num_bytes()));
    const int64_t parts = plain.num_bytes() / batch_bytes + 1;
    const int64_t part_rows = (plain.num_rows() + parts - 1) / parts;
    for (int64_t begin = 0; begin < plain.num_rows(); begin += part_rows) {
      const Batch part = plain.Slice(begin, std::min(part_rows, plain.num_rows() - begin));
      ARROW_RETURN_NOT_OK(encoder->Write(*part.ToRecordBatch(schema)));
    }
    return Status::OK();
  }

  Status Finish() {
    ARROW_RETURN_NOT_OK(encoder->Finish());
    encoder.reset();
    ARROW_ASSIGN_OR_RAISE(const int64_t written, stream->Tell());
    ARROW_RETURN_NOT_OK(stream->Close());
    return ChargeUpTo(written);
  }

  Status ChargeUpTo(int64_t bytes) {
    if (bytes > charged) {
      ARROW_RETURN_NOT_OK(spill->Charge(bytes - charged));
    } else {
      spill->Release(charged - bytes);
    }
    charged = bytes;
    return Status::OK();
  }

  std::weak_ptr<Session> session;
  std::shared_ptr<SpillSpace> spill;
  arrow::MemoryPool* pool = nullptr;
  SchemaPtr schema;
  int64_t batch_bytes = 0;
  std::string path;
  std::shared_ptr<WritableFile> stream;
  std::unique_ptr<FileEncoder> encoder;
  int64_t charged = 0;
};

StoredRows::StoredRows() = default;
StoredRows::~StoredRows() = default;

StoredRows::StoredRows(std::vector<std::shared_ptr<arrow::RecordBatch>> batches)
    : batches_(std::move(batches)) {
  for (const auto& batch : batches_) num_rows_ += batch->num_rows();
}

int64_t StoredRows::num_bytes() const { return is_file() ? file_->charged : claim_.bytes(); }

StoredRowsWriter::StoredRowsWriter(Session& session, SchemaPtr schema)
    : session_(session),
      schema_(std::move(schema)),
      batch_bytes_(StoredBatchBytes(session)),
      rows_(new StoredRows()) {
  rows_->claim_ = Reservation(session.MakeTableBudget("table"));
}

StoredRowsWriter::~StoredRowsWriter() = default;

Status StoredRowsWriter::Add(std::shared_ptr<arrow::RecordBatch> batch) {
  const int64_t rows = batch->num_rows();
  if (rows == 0) return Status::OK();
  gathered_rows_ += rows;
  gathered_bytes_ += Batch::FromRecordBatch(*batch).num_bytes();
  gathered_.push_back(std::move(batch));
  if (gathered_rows_ < kStoredBatchRows && gathered_bytes_ < batch_bytes_) return Status::OK();
  return KeepGathered();
}

Status StoredRowsWriter::KeepGathered() {
  if (gathered_.empty()) return Status::OK();
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches = std::move(gathered_);
  gathered_.clear();
  gathered_rows_ = gathered_bytes_ = 0;
  // What is left of larger buffers would hold all of them.
  if (batches.size() == 1 && arrow::util::TotalBufferSize(*batches[0]) <=
                                 2 * Batch::FromRecordBatch(*batches[0]).num_bytes()) {
    return Keep(*batches[0]);
  }
  std::vector<Batch> parts;
  for (const auto& batch : batches) parts.push_back(Batch::FromRecordBatch(*batch));
  batches.clear();
  ARROW_ASSIGN_OR_RAISE(Batch whole, ConcatenateBatches(parts, session_.pool()));
  if (parts.size() == 1) {
    ARROW_ASSIGN_OR_RAISE(whole, CopyOfRows(whole, session_.pool()));
  }
  return Keep(*whole.ToRecordBatch(schema_));
}

Status StoredRowsWriter::Keep(const arrow::RecordBatch& batch) {
  rows_->num_rows_ += batch.num_rows();
  if (!rows_->is_file() && !rows_->claim_.TryGrow(arrow::util::TotalBufferSize(batch))) {
    ARROW_RETURN_NOT_OK(MoveToFile());
  }
  if (rows_->is_file()) return rows_->file_->Write(batch);
  rows_->batches_.push_back(batch.Slice(0));
  return Status::OK();
}

Status StoredRowsWriter::MoveToFile() {
  ARROW_ASSIGN_OR_RAISE(rows_->file_, StoredRows::File::Make(session_, schema_));
  for (auto& batch : rows_->batches_) {
    ARROW_RETURN_NOT_OK(rows_->file_->Write(*batch));
    batch.reset();
  }
  rows_->batches_.clear();
  rows_->claim_.Clear();
  return Status::OK();
}

Result<StoredRowsPtr> StoredRowsWriter::Finish() {
  ARROW_RETURN_NOT_OK(KeepGathered());
  if (rows_->is_file()) ARROW_RETURN_NOT_OK(rows_->file_->Finish());
  return std::move(rows_);
}

Result<StoredRowsPtr> StoredRowsWriter::OnDisk(Session& session, const SchemaPtr& schema,
                                               const StoredRows& rows) {
  StoredRowsWriter writer(session, schema);
  ARROW_RETURN_NOT_OK(writer.MoveToFile());
  for (const auto& batch : rows.batches_) ARROW_RETURN_NOT_OK(writer.Add(batch));
  return writer.Finish();
}

StoredTable::StoredTable(std::string name, SchemaPtr schema, std::vector<StoredRowsPtr> rows,
                         Ordering ordering, SourcePtr table)
    : name_(std::move(name)),
      schema_(std::move(schema)),
      rows_(std::move(rows)),
      ordering_(std::move(ordering)),
      table_(std::move(table)),
      snapshot_(NextSnapshot()) {}

Result<std::shared_ptr<StoredTable>> StoredTable::Make(Session& session, std::string name,
                                                       SchemaPtr schema,
                                                       std::vector<StoredRowsPtr> rows,
                                                       Ordering ordering) {
  std::erase_if(rows, [](const StoredRowsPtr& part) { return part->num_rows() == 0; });
  const bool any_file = std::any_of(rows.begin(), rows.end(),
                                    [](const StoredRowsPtr& part) { return part->is_file(); });
  SourcePtr table;
  if (any_file) {
    std::vector<std::string> paths;
    for (StoredRowsPtr& part : rows) {
      if (!part->is_file()) {
        ARROW_ASSIGN_OR_RAISE(part, StoredRowsWriter::OnDisk(session, schema, *part));
      }
      paths.push_back(part->file_->path);
    }
    ARROW_ASSIGN_OR_RAISE(const FileFormat* format, FindFormat(kTableFileFormat));
    ARROW_ASSIGN_OR_RAISE(table, format->open(session.vfs(), std::move(paths), {}));
  } else {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    for (const StoredRowsPtr& part : rows) {
      batches.insert(batches.end(), part->batches_.begin(), part->batches_.end());
    }
    MemoryTableOptions options;
    options.name = name;
    options.ordering = ordering;
    ARROW_ASSIGN_OR_RAISE(table, MemoryTable::Make(schema, std::move(batches), std::move(options)));
  }
  return std::shared_ptr<StoredTable>(new StoredTable(
      std::move(name), std::move(schema), std::move(rows), std::move(ordering), std::move(table)));
}

Result<std::shared_ptr<StoredTable>> StoredTable::WithRows(Session& session,
                                                           StoredRowsPtr more) const {
  std::vector<StoredRowsPtr> rows = rows_;
  rows.push_back(std::move(more));
  return Make(session, name_, schema_, std::move(rows));
}

std::optional<int64_t> StoredTable::row_count() const {
  int64_t rows = 0;
  for (const StoredRowsPtr& part : rows_) rows += part->num_rows();
  return rows;
}

int64_t StoredTable::num_bytes() const {
  int64_t bytes = 0;
  for (const StoredRowsPtr& part : rows_) bytes += part->num_bytes();
  return bytes;
}

Result<std::vector<Split>> StoredTable::Splits(const ScanRequest& request) {
  return table_->Splits(request);
}

Result<std::unique_ptr<SplitReader>> StoredTable::Open(const Split& split,
                                                       const ScanRequest& request,
                                                       const ReadContext& context) {
  return table_->Open(split, request, context);
}

Result<StoredRowsPtr> StoreRows(Session& session, PlanPtr plan, const SchemaPtr& schema,
                                const Poll& poll, const RowChange& change) {
  if (plan->properties().boundedness == Boundedness::kUnbounded) {
    return Error(ErrorKind::kUnsupported, "a table takes rows that come to an end");
  }
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session.Run(std::move(plan)));
  cursor.set_poll(poll);
  StoredRowsWriter writer(session, schema);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) break;
    if (change) {
      ARROW_ASSIGN_OR_RAISE(batch, change(batch));
    }
    ARROW_RETURN_NOT_OK(writer.Add(std::move(batch)));
  }
  return writer.Finish();
}

Result<std::shared_ptr<StoredTable>> StoreTable(Session& session, PlanPtr plan, std::string name,
                                                const Poll& poll) {
  const SchemaPtr schema = plan->schema();
  Ordering ordering = plan->properties().ordering;
  ARROW_ASSIGN_OR_RAISE(StoredRowsPtr rows, StoreRows(session, std::move(plan), schema, poll));
  return StoredTable::Make(session, std::move(name), schema, {std::move(rows)},
                           std::move(ordering));
}

}  // namespace headrace
