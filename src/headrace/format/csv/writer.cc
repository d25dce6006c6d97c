// The CSV sink: batches as rows of text.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "arrow/array.h"
#include "arrow/io/interfaces.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/format/compressed_stream.h"
#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/quoting.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace csv {
namespace {

using arrow::Type;

constexpr size_t kCsvBufferBytes = 256 << 10;

/// Text that is still to be written.
class OutputText {
 public:
  /// A place for so many more bytes; Advance says how many were used.
  char* Room(size_t bytes) {
    if (size_ + bytes > capacity_) [[unlikely]]
      Grow(bytes);
    return data_.get() + size_;
  }
  void Advance(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }
  void Append(std::string_view text) {
    if (!text.empty()) std::memcpy(Room(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  void Append(char c) {
    *Room(1) = c;
    ++size_;
  }
  std::string_view text() const { return {data_.get(), size_}; }
  void Clear() { size_ = 0; }

 private:
  void Grow(size_t bytes) {
    capacity_ = std::max(size_ + bytes, 2 * kCsvBufferBytes + 2 * size_);
    auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
    if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
  }

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/// One column of a batch, cell by cell.
class CellWriter {
 public:
  CellWriter(const arrow::Array& array, const Quoting& quoting)
      : array_(array), quoting_(quoting), has_nulls_(array.null_count() != 0) {}
  virtual ~CellWriter() = default;

  Status Append(int64_t row, OutputText* out) {
    if (has_nulls_ && array_.IsNull(row)) {
      out->Append(quoting_.null());
      return Status::OK();
    }
    return AppendValid(row, out);
  }

 protected:
  virtual Status AppendValid(int64_t row, OutputText* out) {
    text_.clear();
    AppendValue(array_, row, &text_);
    return AppendText(text_, out);
  }
  Status AppendText(std::string_view text, OutputText* out) {
    quoted_.clear();
    ARROW_RETURN_NOT_OK(quoting_.Append(text, &quoted_));
    out->Append(quoted_);
    return Status::OK();
  }

  const arrow::Array& array_;
  const Quoting& quoting_;

 private:
  const bool has_nulls_;
  std::string text_;
  std::string quoted_;
};

template <typename ArrayType>
class TextWriter final : public CellWriter {
 public:
  TextWriter(const arrow::Array& array, const Quoting& quoting) : CellWriter(array, quoting) {
    if (array.length() == 0) return;
    const auto& texts = static_cast<const ArrayType&>(array);
    const auto begin = texts.value_offset(0), end = texts.value_offset(texts.length());
    const auto* const data = reinterpret_cast<const char*>(texts.raw_data());
    plain_ = begin == end || !quoting.MayNeedQuotes(data + begin, static_cast<size_t>(end - begin));
  }
  Status AppendValid(int64_t row, OutputText* out) override {
    const std::string_view text = static_cast<const ArrayType&>(array_).GetView(row);
    if (!plain_ || quoting_.IsNullSpelling(text)) return AppendText(text, out);
    out->Append(text);
    return Status::OK();
  }

 private:
  bool plain_ = true;  // no text of the batch has bytes that need quotes
};

char* Format(int64_t value, char* out) {
  const fmt::format_int digits(value);
  std::memcpy(out, digits.data(), digits.size());
  return out + digits.size();
}
char* Format(uint64_t value, char* out) {
  const fmt::format_int digits(value);
  std::memcpy(out, digits.data(), digits.size());
  return out + digits.size();
}

/// A double that is a decimal of at most 15 digits, six of them behind the point: it is the only
/// such decimal that reads back as that double, so that it is the shortest. Null for all others.
char* FormatShortDecimal(double value, char* out) {
  constexpr double kMillion = 1e6;
  const double magnitude = std::fabs(value);
  if (!(magnitude >= 1e-4 && magnitude < 1e9)) return nullptr;
  const auto millionths = static_cast<int64_t>(magnitude * kMillion + 0.5);
  if (static_cast<double>(millionths) / kMillion != magnitude) return nullptr;
  if (value < 0) *out++ = '-';
  out = Format(millionths / 1'000'000, out);
  *out++ = '.';
  int64_t fraction = millionths % 1'000'000;
  for (int64_t place = 100'000; place > 0; place /= 10) {
    *out++ = static_cast<char>('0' + fraction / place);
    fraction %= place;
    if (fraction == 0) break;
  }
  return out;
}

/// Numbers, of characters that need no quotes.
template <typename ArrayType>
class NumberWriter final : public CellWriter {
 public:
  static constexpr std::string_view kAlphabet = "0123456789-+.einfa";
  static constexpr size_t kBytesMax = 32;
  using Value = typename ArrayType::value_type;

  NumberWriter(const arrow::Array& array, const Quoting& quoting)
      : CellWriter(array, quoting), plain_(quoting.LeavesAlone(kAlphabet)) {}

  Status AppendValid(int64_t row, OutputText* out) override {
    if (!plain_) return CellWriter::AppendValid(row, out);
    const Value value = static_cast<const ArrayType&>(array_).Value(row);
    char* end;
    if constexpr (std::is_floating_point_v<Value>) {
      end = FormatShortDecimal(value, out->Room(kBytesMax));
      if (end == nullptr) return CellWriter::AppendValid(row, out);
    } else if constexpr (std::is_signed_v<Value>) {
      end = Format(int64_t{value}, out->Room(kBytesMax));
    } else {
      end = Format(uint64_t{value}, out->Room(kBytesMax));
    }
    out->Advance(end);
    return Status::OK();
  }

 private:
  const bool plain_;
};

/// A null dictionary value is null like a null code.
class DictionaryWriter final : public CellWriter {
 public:
  DictionaryWriter(const arrow::Array& array, const Quoting& quoting);
  Status AppendValid(int64_t row, OutputText* out) override {
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
    case Type::INT8:
      return std::make_unique<NumberWriter<arrow::Int8Array>>(array, quoting);
    case Type::INT16:
      return std::make_unique<NumberWriter<arrow::Int16Array>>(array, quoting);
    case Type::INT32:
      return std::make_unique<NumberWriter<arrow::Int32Array>>(array, quoting);
    case Type::INT64:
      return std::make_unique<NumberWriter<arrow::Int64Array>>(array, quoting);
    case Type::UINT8:
      return std::make_unique<NumberWriter<arrow::UInt8Array>>(array, quoting);
    case Type::UINT16:
      return std::make_unique<NumberWriter<arrow::UInt16Array>>(array, quoting);
    case Type::UINT32:
      return std::make_unique<NumberWriter<arrow::UInt32Array>>(array, quoting);
    case Type::UINT64:
      return std::make_unique<NumberWriter<arrow::UInt64Array>>(array, quoting);
    case Type::DOUBLE:
      return std::make_unique<NumberWriter<arrow::DoubleArray>>(array, quoting);
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
      if (i > 0) buffer_.Append(delimiter_);
      std::string name;
      ARROW_RETURN_NOT_OK(quoting_.Append(schema_->field(i)->name(), &name));
      buffer_.Append(name);
    }
    buffer_.Append('\n');
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) override {
    std::vector<std::unique_ptr<CellWriter>> cells;
    for (const ArrayPtr& column : batch.columns()) {
      cells.push_back(MakeCellWriter(*column, quoting_));
    }
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      ARROW_RETURN_NOT_OK(AppendRow(row, cells));
      if (buffer_.text().size() >= kCsvBufferBytes) ARROW_RETURN_NOT_OK(FlushBuffer());
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
      if (i > 0) buffer_.Append(delimiter_);
      const Status appended = cells[i]->Append(row, &buffer_);
      if (!appended.ok()) [[unlikely]] {
        return WithContext(
            appended, fmt::format("column \"{}\": ", schema_->field(static_cast<int>(i))->name()));
      }
    }
    buffer_.Append('\n');
    return Status::OK();
  }

  Status FlushBuffer() {
    const std::string_view text = buffer_.text();
    ARROW_RETURN_NOT_OK(stream_->Write(text.data(), static_cast<int64_t>(text.size())));
    buffer_.Clear();
    return Status::OK();
  }

  const char delimiter_;
  const Quoting quoting_;
  const SchemaPtr schema_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  OutputText buffer_;
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
    return Error(
        ErrorKind::kUnsupported,
        "csv cannot hold column \"{0}\" of type {1}; CAST(\"{0}\" AS VARCHAR) makes a text of it, "
        "parquet, arrow and jsonl hold it",
        field->name(), field->type()->ToString());
  }
  if (schema.num_fields() > 0) return Status::OK();
  return Error(ErrorKind::kUnsupported, "csv cannot hold a table without columns");
}

}  // namespace
}  // namespace csv

Result<MakeEncoder> EncodeCsv(const std::string& path, const OptionMap& options) {
  OptionReader reader("csv writer", options);
  ARROW_ASSIGN_OR_RAISE(const csv::Dialect dialect, csv::ReadOutputDialect(reader, options, path));
  ARROW_RETURN_NOT_OK(reader.Finish());
  MakeEncoder make = [dialect, path](
                         const SchemaPtr& schema, std::shared_ptr<arrow::io::OutputStream> stream,
                         arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    ARROW_RETURN_NOT_OK(csv::CheckColumns(*schema));
    ARROW_ASSIGN_OR_RAISE(stream, PackInto(std::move(stream), path, pool));
    auto encoder = std::make_unique<csv::CsvEncoder>(dialect, schema, std::move(stream));
    if (dialect.header) ARROW_RETURN_NOT_OK(encoder->WriteHeader());
    return std::unique_ptr<FileEncoder>(std::move(encoder));
  };
  return make;
}

}  // namespace headrace
