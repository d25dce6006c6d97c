// The Parquet sink: row groups bounded in rows and bytes, written as the batches come.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/compression.h"
#include "headrace/format/file_sink.h"
#include "headrace/format/format.h"
#include "headrace/types/batch.h"
#include "parquet/arrow/schema.h"
#include "parquet/arrow/writer.h"
#include "parquet/properties.h"

namespace headrace {
namespace parquet_format {
namespace {

constexpr int64_t kRowGroupRows = 122'880;
/// Bytes of the batches of a row group: what is buffered is their encoded and compressed pages.
constexpr int64_t kRowGroupBytes = int64_t{32} << 20;
constexpr int kZstdLevel = 1;

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
  ARROW_ASSIGN_OR_RAISE(
      read.row_group_bytes,
      reader.Integer("row_group_bytes", kRowGroupBytes, int64_t{1} << 10, int64_t{1} << 40));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return read;
}

std::shared_ptr<parquet::WriterProperties> PropertiesFor(const WriterOptions& options,
                                                         arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(pool)
      ->compression(options.compression)
      ->max_row_group_length(options.row_group_rows)
      ->enable_dictionary()
      ->enable_statistics()
      ->enable_page_checksum();
  if (options.compression == arrow::Compression::ZSTD) builder.compression_level(kZstdLevel);
  return builder.build();
}

std::shared_ptr<parquet::ArrowWriterProperties> ArrowProperties() {
  return parquet::ArrowWriterProperties::Builder().store_schema()->set_use_threads(false)->build();
}

Status CheckColumns(const arrow::Schema& schema, const parquet::WriterProperties& properties,
                    const parquet::ArrowWriterProperties& arrow_properties) {
  if (schema.num_fields() == 0) {
    return Error(ErrorKind::kUnsupported, "parquet cannot hold a table without columns");
  }
  for (const auto& field : schema.fields()) {
    parquet::schema::NodePtr node;
    const Status status = parquet::arrow::FieldToNode(field, properties, arrow_properties, &node);
    if (status.ok()) continue;
    return Error(ErrorKind::kUnsupported, "parquet cannot hold column \"{}\" of type {}",
                 field->name(), field->type()->ToString());
  }
  return Status::OK();
}

class ParquetEncoder final : public FileEncoder {
 public:
  ParquetEncoder(std::unique_ptr<parquet::arrow::FileWriter> writer, const WriterOptions& options)
      : writer_(std::move(writer)), options_(options) {}

  Status Write(const arrow::RecordBatch& batch) override {
    if (batch.num_rows() == 0) return Status::OK();
    if (group_bytes_ >= options_.row_group_bytes) {
      ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());
      group_bytes_ = group_rows_ = 0;
    }
    ARROW_RETURN_NOT_OK(writer_->WriteRecordBatch(batch));
    group_bytes_ += Batch::FromRecordBatch(batch).num_bytes();
    group_rows_ += batch.num_rows();
    if (group_rows_ >= options_.row_group_rows) {  // the writer has begun another one
      group_rows_ %= options_.row_group_rows;
      group_bytes_ = 0;
    }
    return Status::OK();
  }

  Status Finish() override { return writer_->Close(); }

 private:
  const std::unique_ptr<parquet::arrow::FileWriter> writer_;
  const WriterOptions options_;
  int64_t group_bytes_ = 0;
  int64_t group_rows_ = 0;
};

}  // namespace
}  // namespace parquet_format

Result<std::unique_ptr<Sink>> CreateParquet(Vfs& vfs, std::string path, const OptionMap& options) {
  using namespace parquet_format;
  ARROW_ASSIGN_OR_RAISE(const WriterOptions read, ReadOptions(options));
  MakeEncoder make = [read](const SchemaPtr& schema,
                            std::shared_ptr<arrow::io::OutputStream> stream,
                            arrow::MemoryPool* pool) -> Result<std::unique_ptr<FileEncoder>> {
    const auto properties = PropertiesFor(read, pool);
    const auto arrow_properties = ArrowProperties();
    ARROW_RETURN_NOT_OK(CheckColumns(*schema, *properties, *arrow_properties));
    ARROW_ASSIGN_OR_RAISE(auto writer,
                          parquet::arrow::FileWriter::Open(*schema, pool, std::move(stream),
                                                           properties, arrow_properties));
    return std::make_unique<ParquetEncoder>(std::move(writer), read);
  };
  return MakeFileSink(vfs, "parquet", std::move(path), std::move(make));
}

}  // namespace headrace
