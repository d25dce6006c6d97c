// The Parquet sink: row groups bounded in rows and bytes, encoded as the batches come, side by side
// where there are threads for it.
#include <algorithm>
#include <array>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/ipc/writer.h"
#include "arrow/record_batch.h"
#include "arrow/table.h"
#include "arrow/type.h"
#include "arrow/util/base64.h"
#include "arrow/util/compression.h"
#include "arrow/util/key_value_metadata.h"
#include "headrace/base/limits.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"
#include "headrace/format/parquet/dictionary_choice.h"
#include "headrace/format/parquet/guard.h"
#include "headrace/format/parquet/row_group.h"
#include "headrace/format/parquet/stored_type.h"
#include "headrace/types/encoding.h"
#include "parquet/arrow/schema.h"
#include "parquet/properties.h"

namespace headrace {
namespace parquet_format {
namespace {

constexpr int64_t kRowGroupRows = 122'880;
/// Bytes of the batches of a row group: they are gathered, in memory that every query has.
constexpr int64_t kRowGroupBytes = kFloorBytes;
constexpr int kZstdLevel = 1;
/// A buffer for an encoded row group begins with this.
constexpr int64_t kStreamBytes = int64_t{4} << 20;

struct WriterOptions {
  arrow::Compression::type compression = arrow::Compression::ZSTD;
  int64_t row_group_rows = kRowGroupRows;
  int64_t row_group_bytes = kRowGroupBytes;
};

Result<arrow::Compression::type> CompressionOf(const std::string& name) {
  using Row = std::pair<std::string_view, arrow::Compression::type>;
  constexpr std::array<Row, 5> kCompressions = {{{"zstd", arrow::Compression::ZSTD},
                                                 {"snappy", arrow::Compression::SNAPPY},
                                                 {"lz4", arrow::Compression::LZ4},
                                                 {"gzip", arrow::Compression::GZIP},
                                                 {"none", arrow::Compression::UNCOMPRESSED}}};
  for (const Row& row : kCompressions) {
    if (row.first == name) return row.second;
  }
  return Error(ErrorKind::kInvalidArgument,
               "parquet writer: expected compression zstd, snappy, lz4, gzip or none, got \"{}\"",
               name);
}

Result<WriterOptions> ReadOptions(const OptionMap& options) {
  OptionReader reader("parquet writer", options);
  WriterOptions read;
  ARROW_ASSIGN_OR_RAISE(const std::string compression, reader.Text("compression", "zstd"));
  ARROW_ASSIGN_OR_RAISE(read.compression, CompressionOf(compression));
  ARROW_ASSIGN_OR_RAISE(read.row_group_rows,
                        reader.Integer("row_group_rows", kRowGroupRows, 1, int64_t{1} << 30));
  ARROW_ASSIGN_OR_RAISE(read.row_group_bytes, reader.Integer("row_group_bytes", kRowGroupBytes,
                                                             int64_t{1} << 10, int64_t{1} << 40));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return read;
}

/// `plain_columns` are written without dictionaries.
std::shared_ptr<parquet::WriterProperties> PropertiesFor(
    const WriterOptions& options, const std::vector<std::string>& plain_columns,
    arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(pool)
      ->compression(options.compression)
      ->max_row_group_length(options.row_group_rows)
      ->enable_dictionary()
      ->enable_statistics()
      ->enable_page_checksum();
  if (options.compression == arrow::Compression::ZSTD) builder.compression_level(kZstdLevel);
  for (const std::string& column : plain_columns) builder.disable_dictionary(column);
  return builder.build();
}

/// The schema in plain types, or kUnsupported for what Parquet cannot hold.
Result<SchemaPtr> PlainSchema(const arrow::Schema& schema,
                              const parquet::WriterProperties& properties) {
  if (schema.num_fields() == 0) {
    return Error(ErrorKind::kUnsupported, "parquet cannot hold a table without columns");
  }
  const auto arrow_properties = ArrowProperties();
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(field->WithType(PlainType(field->type())));
    parquet::schema::NodePtr node;
    if (parquet::arrow::FieldToNode(fields.back(), properties, *arrow_properties, &node).ok()) {
      continue;
    }
    return Error(ErrorKind::kUnsupported,
                 "parquet cannot hold column \"{0}\" of type {1}; CAST(\"{0}\" AS VARCHAR) makes a "
                 "text of it",
                 field->name(), field->type()->ToString());
  }
  return arrow::schema(std::move(fields), schema.metadata());
}

/// The original types, for readers that know Arrow.
Result<std::shared_ptr<const arrow::KeyValueMetadata>> ToldSchema(const arrow::Schema& schema,
                                                                  arrow::MemoryPool* pool) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    fields.push_back(field->WithType(ToldType(field->type())));
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto bytes,
      arrow::ipc::SerializeSchema(*arrow::schema(std::move(fields), schema.metadata()), pool));
  return arrow::key_value_metadata({"ARROW:schema"},
                                   {arrow::util::base64_encode(std::string_view(*bytes))});
}

/// A row group that a thread of its own encodes.
struct BufferedGroup {
  EncodedGroup encoded;
  std::shared_ptr<arrow::Buffer> chunks;
};

Result<BufferedGroup> BufferGroup(const arrow::Table& table,
                                  const std::shared_ptr<parquet::WriterProperties>& properties,
                                  arrow::MemoryPool* pool) {
  return Caught([&]() -> Result<BufferedGroup> {
    ARROW_ASSIGN_OR_RAISE(auto stream, arrow::io::BufferOutputStream::Create(kStreamBytes, pool));
    BufferedGroup group;
    ARROW_ASSIGN_OR_RAISE(group.encoded, EncodeGroup(table, properties, stream, pool));
    ARROW_ASSIGN_OR_RAISE(group.chunks, stream->Finish());
    return group;
  });
}

/// Gathers the batches of a row group and then writes it column by column: the library would buffer
/// the pages of all columns at up to three times their size.
class ParquetEncoder final : public FileEncoder {
 public:
  ParquetEncoder(std::shared_ptr<arrow::io::OutputStream> stream, SchemaPtr plain_schema,
                 std::shared_ptr<const arrow::KeyValueMetadata> metadata,
                 const WriterOptions& options, arrow::MemoryPool* pool)
      : stream_(std::move(stream)),
        plain_schema_(std::move(plain_schema)),
        metadata_(std::move(metadata)),
        options_(options),
        pool_(pool) {}

  void UseThreads(int count) override {
    // Larger row groups are more than what is set apart for a thread.
    if (options_.row_group_bytes <= kRowGroupBytes) threads_ = static_cast<size_t>(count);
  }

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_ASSIGN_OR_RAISE(const Batch plain, DecodeBatch(Batch::FromRecordBatch(batch), pool_));
    for (int64_t offset = 0; offset < plain.num_rows();) {
      const int64_t rows =
          std::min(plain.num_rows() - offset, options_.row_group_rows - group_rows_);
      const Batch part = plain.Slice(offset, rows);
      group_.push_back(part.ToRecordBatch(plain_schema_));
      group_rows_ += rows;
      group_bytes_ += part.num_bytes();
      offset += rows;
      if (group_rows_ == options_.row_group_rows || group_bytes_ >= options_.row_group_bytes) {
        ARROW_RETURN_NOT_OK(EndGroup());
      }
    }
    return Status::OK();
  }

  Status Finish() override {
    if (group_rows_ > 0) ARROW_RETURN_NOT_OK(EndGroup());
    if (footer_ == nullptr) ARROW_RETURN_NOT_OK(Begin());
    while (!encoding_.empty()) ARROW_RETURN_NOT_OK(WriteOldest());
    return Caught([&] { return footer_->Write(metadata_, stream_.get()); });
  }

 private:
  /// What the first row group holds decides which columns have dictionaries.
  Status Begin() {
    std::vector<std::string> plain_columns;
    for (int i = 0; i < plain_schema_->num_fields(); ++i) {
      std::vector<ArrayPtr> pieces;
      for (const auto& batch : group_) pieces.push_back(batch->column(i));
      if (!IsWorthDictionary(pieces)) plain_columns.push_back(plain_schema_->field(i)->name());
    }
    properties_ = PropertiesFor(options_, plain_columns, pool_);
    ARROW_ASSIGN_OR_RAISE(footer_, FooterBuilder::Make(*plain_schema_, properties_));
    return WriteMagic(stream_.get());
  }

  Status EndGroup() {
    if (footer_ == nullptr) ARROW_RETURN_NOT_OK(Begin());
    ARROW_ASSIGN_OR_RAISE(
        auto table, arrow::Table::FromRecordBatches(plain_schema_, std::exchange(group_, {})));
    group_rows_ = group_bytes_ = 0;
    if (threads_ < 2) return Caught([&] { return WriteGroup(*table); });
    if (encoding_.size() == threads_) ARROW_RETURN_NOT_OK(WriteOldest());
    encoding_.push_back(std::async(
        std::launch::async, [table = std::move(table), properties = properties_, pool = pool_] {
          return BufferGroup(*table, properties, pool);
        }));
    return Status::OK();
  }

  Status WriteGroup(const arrow::Table& table) {
    ARROW_ASSIGN_OR_RAISE(const int64_t position, stream_->Tell());
    ARROW_ASSIGN_OR_RAISE(const EncodedGroup group,
                          EncodeGroup(table, properties_, stream_, pool_));
    return footer_->Append(group, position);
  }

  Status WriteOldest() {
    const Result<BufferedGroup> group = encoding_.front().get();
    encoding_.pop_front();
    ARROW_RETURN_NOT_OK(group);
    ARROW_ASSIGN_OR_RAISE(const int64_t position, stream_->Tell());
    ARROW_RETURN_NOT_OK(stream_->Write(group->chunks));
    return Caught([&] { return footer_->Append(group->encoded, position); });
  }

  const std::shared_ptr<arrow::io::OutputStream> stream_;
  const SchemaPtr plain_schema_;
  const std::shared_ptr<const arrow::KeyValueMetadata> metadata_;
  const WriterOptions options_;
  arrow::MemoryPool* const pool_;
  size_t threads_ = 0;
  std::vector<std::shared_ptr<arrow::RecordBatch>> group_;
  int64_t group_rows_ = 0;
  int64_t group_bytes_ = 0;
  std::shared_ptr<parquet::WriterProperties> properties_;    // from the first row group on
  std::unique_ptr<FooterBuilder> footer_;                    // too
  std::deque<std::future<Result<BufferedGroup>>> encoding_;  // in the order of the file
};

}  // namespace
}  // namespace parquet_format

Result<MakeEncoder> EncodeParquet(const std::string&, const OptionMap& options) {
  using namespace parquet_format;
  ARROW_ASSIGN_OR_RAISE(const WriterOptions read, ReadOptions(options));
  MakeEncoder make = [read](const SchemaPtr& schema,
                            std::shared_ptr<arrow::io::OutputStream> stream,
                            arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    ARROW_ASSIGN_OR_RAISE(SchemaPtr plain, PlainSchema(*schema, *PropertiesFor(read, {}, pool)));
    ARROW_ASSIGN_OR_RAISE(const auto told, ToldSchema(*schema, pool));
    return std::make_unique<ParquetEncoder>(std::move(stream), std::move(plain), told, read, pool);
  };
  return make;
}

}  // namespace headrace
