// The CSV sink: batches as rows of text.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "arrow/array.h"
#include "arrow/io/compressed.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/compression.h"
#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/quoting.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace csv {
namespace {

using arrow::Type;

constexpr size_t kBufferBytes = 256 << 10;

/// One column of a batch, cell by cell.
class CellWriter {
 public:
  CellWriter(const arrow::Array& array, const Quoting& quoting)
      : array_(array), quoting_(quoting) {}
  virtual ~CellWriter() = default;

  Status Append(int64_t row, std::string* out) {
    if (array_.IsNull(row)) {
      quoting_.AppendNull(out);
      return Status::OK();
    }
    return AppendValid(row, out);
  }

 protected:
  virtual Status AppendValid(int64_t row, std::string* out) {
    text_.clear();
    AppendValue(array_, row, &text_);
    return quoting_.Append(text_, out);
  }

  const arrow::Array& array_;
  const Quoting& quoting_;
  std::string text_;
};

template <typename ArrayType>
class TextWriter final : public CellWriter {
 public:
  using CellWriter::CellWriter;
  Status AppendValid(int64_t row, std::string* out) override {
    return quoting_.Append(static_cast<const ArrayType&>(array_).GetView(row), out);
  }
};

template <typename ArrayType>
class IntegerWriter final : public CellWriter {
 public:
  using CellWriter::CellWriter;
  Status AppendValid(int64_t row, std::string* out) override {
    const fmt::format_int digits(static_cast<const ArrayType&>(array_).Value(row));
    return quoting_.Append(std::string_view(digits.data(), digits.size()), out);
  }
};

/// A null dictionary value is null like a null code.
class DictionaryWriter final : public CellWriter {
 public:
  DictionaryWriter(const arrow::Array& array, const Quoting& quoting);
  Status AppendValid(int64_t row, std::string* out) override {
    return values_->Append(static_cast<const arrow::DictionaryArray&>(array_).GetValueIndex(row),
                           out);
  }

 private:
  const std::unique_ptr<CellWriter> values_;
};

std::unique_ptr<CellWriter> MakeCellWriter(const arrow::Array& array, const Quoting& quoting) {
  switch (array.type_id()) {
    case Type::STRING:
      return std::make_unique<TextWriter<arrow::StringArray>>(array, quoting);
    case Type::LARGE_STRING:
      return std::make_unique<TextWriter<arrow::LargeStringArray>>(array, quoting);
    case Type::INT32:
      return std::make_unique<IntegerWriter<arrow::Int32Array>>(array, quoting);
    case Type::INT64:
      return std::make_unique<IntegerWriter<arrow::Int64Array>>(array, quoting);
    case Type::DICTIONARY:
      return std::make_unique<DictionaryWriter>(array, quoting);
    default:
      return std::make_unique<CellWriter>(array, quoting);
  }
}

DictionaryWriter::DictionaryWriter(const arrow::Array& array, const Quoting& quoting)
    : CellWriter(array, quoting),
      values_(MakeCellWriter(*static_cast<const arrow::DictionaryArray&>(array).dictionary(),
                             quoting)) {}

/// A stream whose end does not close what it writes to.
class Borrowed final : public arrow::io::OutputStream {
 public:
  explicit Borrowed(std::shared_ptr<arrow::io::OutputStream> stream) : stream_(std::move(stream)) {
    set_mode(arrow::io::FileMode::WRITE);
  }
  using arrow::io::OutputStream::Write;
  Status Write(const void* data, int64_t nbytes) override { return stream_->Write(data, nbytes); }
  Status Flush() override { return stream_->Flush(); }
  Result<int64_t> Tell() const override { return stream_->Tell(); }
  bool closed() const override { return closed_; }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }

 private:
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  bool closed_ = false;
};

Result<std::shared_ptr<arrow::io::OutputStream>> CompressFor(
    std::string_view path, std::shared_ptr<arrow::io::OutputStream> stream,
    arrow::MemoryPool* pool) {
  std::shared_ptr<arrow::io::OutputStream> borrowed = std::make_shared<Borrowed>(std::move(stream));
  const bool gzip = path.ends_with(".gz");
  if (!gzip && !path.ends_with(".zst")) return borrowed;
  ARROW_ASSIGN_OR_RAISE(auto codec, arrow::util::Codec::Create(gzip ? arrow::Compression::GZIP
                                                                    : arrow::Compression::ZSTD));
  return arrow::io::CompressedOutputStream::Make(codec.get(), borrowed, pool);
}

class CsvEncoder final : public FileEncoder {
 public:
  CsvEncoder(const Dialect& dialect, const SchemaPtr& schema,
             std::shared_ptr<arrow::io::OutputStream> stream)
      : delimiter_(static_cast<char>(dialect.delimiter)),
        quoting_(dialect),
        schema_(schema),
        stream_(std::move(stream)) {}

  // Unfinished compressors must not write when they die.
  ~CsvEncoder() override { (void)stream_->Abort(); }

  Status WriteHeader() {
    for (int i = 0; i < schema_->num_fields(); ++i) {
      if (i > 0) buffer_ += delimiter_;
      ARROW_RETURN_NOT_OK(quoting_.Append(schema_->field(i)->name(), &buffer_));
    }
    buffer_ += '\n';
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) override {
    std::vector<std::unique_ptr<CellWriter>> cells;
    for (const ArrayPtr& column : batch.columns()) {
      cells.push_back(MakeCellWriter(*column, quoting_));
    }
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      ARROW_RETURN_NOT_OK(AppendRow(row, cells));
      if (buffer_.size() >= kBufferBytes) ARROW_RETURN_NOT_OK(FlushBuffer());
    }
    return Status::OK();
  }

  Status Finish() override {
    ARROW_RETURN_NOT_OK(FlushBuffer());
    return stream_->Close();
  }

 private:
  Status AppendRow(int64_t row, const std::vector<std::unique_ptr<CellWriter>>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) buffer_ += delimiter_;
      const Status appended = cells[i]->Append(row, &buffer_);
      if (!appended.ok()) [[unlikely]] {
        return WithContext(
            appended, fmt::format("column \"{}\": ", schema_->field(static_cast<int>(i))->name()));
      }
    }
    buffer_ += '\n';
    return Status::OK();
  }

  Status FlushBuffer() {
    ARROW_RETURN_NOT_OK(stream_->Write(buffer_.data(), static_cast<int64_t>(buffer_.size())));
    buffer_.clear();
    return Status::OK();
  }

  const char delimiter_;
  const Quoting quoting_;
  const SchemaPtr schema_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  std::string buffer_;
};

bool IsWritable(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DICTIONARY:
      return IsWritable(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::EXTENSION:
    case Type::RUN_END_ENCODED:
      return false;
    default:
      return type.num_fields() == 0;
  }
}

Status CheckColumns(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    if (IsWritable(*field->type())) continue;
    return Error(ErrorKind::kUnsupported, "csv cannot hold column \"{}\" of type {}", field->name(),
                 field->type()->ToString());
  }
  if (schema.num_fields() > 0) return Status::OK();
  return Error(ErrorKind::kUnsupported, "csv cannot hold a table without columns");
}

}  // namespace
}  // namespace csv

Result<std::unique_ptr<Sink>> CreateCsv(Vfs& vfs, std::string path, const OptionMap& options) {
  OptionReader reader("csv writer", options);
  ARROW_ASSIGN_OR_RAISE(const csv::Dialect dialect, csv::ReadOutputDialect(reader, options, path));
  ARROW_RETURN_NOT_OK(reader.Finish());
  MakeEncoder make = [dialect, path](
                         const SchemaPtr& schema, std::shared_ptr<arrow::io::OutputStream> stream,
                         arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    ARROW_RETURN_NOT_OK(csv::CheckColumns(*schema));
    ARROW_ASSIGN_OR_RAISE(stream, csv::CompressFor(path, std::move(stream), pool));
    auto encoder = std::make_unique<csv::CsvEncoder>(dialect, schema, std::move(stream));
    if (dialect.header) ARROW_RETURN_NOT_OK(encoder->WriteHeader());
    return std::unique_ptr<FileEncoder>(std::move(encoder));
  };
  return MakeFileSink(vfs, "csv", std::move(path), std::move(make));
}

}  // namespace headrace
