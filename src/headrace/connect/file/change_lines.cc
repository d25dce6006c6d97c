// Upserts and tombstones, in the order of the stream.
#include "headrace/connect/file/change_lines.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/format/compressed_stream.h"
#include "headrace/format/json_lines/row_text.h"
#include "headrace/types/batch.h"

namespace headrace {
namespace {

constexpr size_t kLinesBytesMax = size_t{256} << 10;
constexpr std::string_view kTombstone = "\"_deleted\":true}\n";

class ChangeEncoder final : public FileEncoder {
 public:
  ChangeEncoder(const arrow::Schema& rows, const arrow::Schema& keys, std::vector<int> key_columns,
                std::shared_ptr<arrow::io::OutputStream> stream, arrow::MemoryPool* pool)
      : rows_(rows),
        keys_(keys),
        num_columns_(rows.num_fields()),
        key_columns_(std::move(key_columns)),
        stream_(std::move(stream)),
        pool_(pool) {}
  ~ChangeEncoder() override { (void)stream_->Abort(); }

  Status Write(const arrow::RecordBatch& batch) override {
    const bool has_changes = batch.num_columns() > num_columns_;
    std::shared_ptr<arrow::RecordBatch> plain = batch.Slice(0);
    if (has_changes) {
      ARROW_ASSIGN_OR_RAISE(plain, plain->RemoveColumn(num_columns_));
    }
    ARROW_RETURN_NOT_OK(rows_.SetBatch(*plain, pool_));
    ARROW_ASSIGN_OR_RAISE(const auto keys, plain->SelectColumns(key_columns_));
    ARROW_RETURN_NOT_OK(keys_.SetBatch(*keys, pool_));
    const auto* changes =
        has_changes ? static_cast<const arrow::Int8Array*>(batch.column(num_columns_).get())
                    : nullptr;
    if (changes != nullptr) FindLastRows();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (changes == nullptr || changes->Value(row) > 0) {
        rows_.Append(row, &buffer_);
        buffer_ += '\n';
      } else if (last_row_[KeyOf(row)] == row) {
        buffer_ += KeyOf(row);
        buffer_.back() = ',';
        buffer_ += kTombstone;
      }
      if (buffer_.size() >= kLinesBytesMax) ARROW_RETURN_NOT_OK(FlushBuffer());
    }
    return Status::OK();
  }

  Status Finish() override {
    ARROW_RETURN_NOT_OK(FlushBuffer());
    return stream_->Close();
  }

 private:
  /// As an object, {"k":1}.
  const std::string& KeyOf(int64_t row) {
    key_.clear();
    keys_.Append(row, &key_);
    return key_;
  }
  void FindLastRows() {
    last_row_.clear();
    for (int64_t row = 0; row < keys_.num_rows(); ++row) last_row_[KeyOf(row)] = row;
  }
  Status FlushBuffer() {
    ARROW_RETURN_NOT_OK(stream_->Write(buffer_.data(), static_cast<int64_t>(buffer_.size())));
    buffer_.clear();
    return Status::OK();
  }

  json_lines::RowText rows_;
  json_lines::RowText keys_;
  const int num_columns_;  // without _change
  const std::vector<int> key_columns_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  arrow::MemoryPool* const pool_;
  std::unordered_map<std::string, int64_t> last_row_;
  std::string key_;
  std::string buffer_;
};

}  // namespace

MakeEncoder ChangeLines(std::string path, std::vector<std::string> key) {
  return [path = std::move(path), key = std::move(key)](
             const SchemaPtr& schema, std::shared_ptr<arrow::io::OutputStream> stream,
             arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    SchemaPtr rows = schema;
    const int last = schema->num_fields() - 1;
    if (last >= 0 && schema->field(last)->name() == kChangeColumn) {
      ARROW_ASSIGN_OR_RAISE(rows, schema->RemoveField(last));
    }
    ARROW_RETURN_NOT_OK(json_lines::CheckColumns(*rows));
    std::vector<int> columns;
    arrow::FieldVector fields;
    for (const std::string& name : key) {
      const int column = rows->GetFieldIndex(name);
      if (column < 0) {
        return Error(ErrorKind::kUnknownName, "file sink: expected a column for the key, got '{}'",
                     name);
      }
      columns.push_back(column);
      fields.push_back(rows->field(column));
    }
    ARROW_ASSIGN_OR_RAISE(stream, PackInto(std::move(stream), path, pool));
    return std::make_unique<ChangeEncoder>(*rows, *arrow::schema(fields), std::move(columns),
                                           std::move(stream), pool);
  };
}

}  // namespace headrace
