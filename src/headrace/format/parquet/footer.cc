// Reading and interpreting the footer.
#include "headrace/format/parquet/footer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "arrow/type.h"
#include "arrow/util/key_value_metadata.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/parquet/guard.h"
#include "headrace/format/parquet/statistics.h"
#include "headrace/format/parquet/stored_type.h"
#include "headrace/types/encoding.h"
#include "parquet/file_reader.h"
#include "parquet/properties.h"
#include "parquet/size_statistics.h"

namespace headrace::parquet_format {
namespace {

/// Read ahead of every column at most, of all columns together, and of a column at least.
constexpr int64_t kBufferBytesMax = int64_t{64} << 10;
constexpr int64_t kBuffersBytes = int64_t{4} << 20;
constexpr int64_t kBufferBytesMin = int64_t{4} << 10;
constexpr int kSchemaDepthMax = 64;

/// Every element of a list in the footer takes at least a byte of the file, and so does every
/// character: more is a lie.
parquet::ReaderProperties PropertiesFor(const FileInfo& file, size_t num_leaves,
                                        arrow::MemoryPool* pool) {
  parquet::ReaderProperties properties(pool);
  properties.enable_buffered_stream();
  const int64_t share = kBuffersBytes / std::max<int64_t>(1, static_cast<int64_t>(num_leaves));
  properties.set_buffer_size(std::clamp(share, kBufferBytesMin, kBufferBytesMax));
  properties.set_page_checksum_verification(true);
  properties.set_schema_depth_limit(kSchemaDepthMax);
  const int64_t string_max = std::min<int64_t>(properties.thrift_string_size_limit(), file.size);
  properties.set_thrift_string_size_limit(static_cast<int32_t>(std::max<int64_t>(string_max, 1)));
  const int64_t list_max = std::min<int64_t>(properties.thrift_container_size_limit(), file.size);
  properties.set_thrift_container_size_limit(static_cast<int32_t>(std::max<int64_t>(list_max, 1)));
  return properties;
}

parquet::ArrowReaderProperties ReaderProperties() {
  parquet::ArrowReaderProperties properties(false);
  properties.set_pre_buffer(false);
  return properties;
}

void AppendLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.is_leaf()) leaves->push_back(field.column_index);
  for (const auto& child : field.children) AppendLeaves(child, leaves);
}

int64_t EstimatedWidthOf(const parquet::ColumnDescriptor& leaf) {
  switch (leaf.physical_type()) {
    case parquet::Type::BOOLEAN:
    case parquet::Type::INT32:
    case parquet::Type::FLOAT:
      return 4;
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return leaf.type_length();
    case parquet::Type::INT96:
      return 12;
    default:
      return 8;
  }
}

/// Bytes of a column chunk when decoded: exact for fixed widths, else as its size statistics say or
/// at least what it takes before compression.
double ChunkBytes(const parquet::ColumnChunkMetaData& chunk,
                  const parquet::ColumnDescriptor& leaf) {
  const double slots =
      static_cast<double>(chunk.num_values()) * static_cast<double>(EstimatedWidthOf(leaf));
  if (leaf.physical_type() != parquet::Type::BYTE_ARRAY) return slots;
  const auto sizes = chunk.size_statistics();
  if (sizes != nullptr && sizes->unencoded_byte_array_data_bytes.has_value()) {
    return slots + static_cast<double>(*sizes->unencoded_byte_array_data_bytes);
  }
  return slots + static_cast<double>(chunk.total_uncompressed_size());
}

/// Where the pages of a chunk are; nothing where that is not inside the file.
std::optional<ChunkPlace> PlaceOf(const parquet::ColumnChunkMetaData& chunk, int64_t file_bytes) {
  ChunkPlace place{chunk.data_page_offset(), chunk.total_compressed_size(), chunk.compression()};
  if (chunk.has_dictionary_page() && chunk.dictionary_page_offset() > 0 &&
      chunk.dictionary_page_offset() < place.offset) {
    place.offset = chunk.dictionary_page_offset();
  }
  if (place.offset < 0 || place.bytes < 0 || place.bytes > file_bytes - place.offset) return {};
  return place;
}

bool IsDecodedHere(parquet::Encoding::type encoding) {
  switch (encoding) {
    case parquet::Encoding::PLAIN:
    case parquet::Encoding::PLAIN_DICTIONARY:
    case parquet::Encoding::RLE:
    case parquet::Encoding::BIT_PACKED:  // of repetition levels, which flat columns have not
    case parquet::Encoding::DELTA_BINARY_PACKED:
    case parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY:
    case parquet::Encoding::RLE_DICTIONARY:
    case parquet::Encoding::BYTE_STREAM_SPLIT:
      return true;
    default:
      return false;
  }
}

Status Encrypted(const FileInfo& file) {
  return Error(ErrorKind::kUnsupported, "{}: encrypted Parquet files cannot be read", file.path);
}

/// Files with an encrypted footer end in "PARE" instead of "PAR1".
Status CheckNotEncrypted(arrow::io::RandomAccessFile& stream, const FileInfo& file) {
  char magic[4] = {};
  if (file.size < 4)
    return Status::Invalid("expected a footer, got a file of ", file.size, " bytes");
  ARROW_RETURN_NOT_OK(stream.ReadAt(file.size - 4, 4, false, magic));
  return std::string_view(magic, 4) == "PARE" ? Encrypted(file) : Status::OK();
}

Status CheckMetadata(const parquet::FileMetaData& metadata, const FileInfo& file) {
  if (metadata.is_encryption_algorithm_set()) return Encrypted(file);
  int64_t rows = 0;
  for (int i = 0; i < metadata.num_row_groups(); ++i) {
    const auto group = metadata.RowGroup(i);
    const int64_t group_rows = group->num_rows();
    if (group_rows < 0 || group_rows > metadata.num_rows() - rows ||
        group->num_columns() != metadata.num_columns()) {
      return Status::Invalid("row group ", i, " does not fit the file: it has ", group_rows,
                             " rows and ", group->num_columns(), " columns");
    }
    rows += group_rows;
  }
  if (rows == metadata.num_rows()) return Status::OK();
  return Status::Invalid("expected ", metadata.num_rows(), " rows in all row groups, got ", rows);
}

}  // namespace

Result<std::unique_ptr<const Footer>> Footer::Read(Vfs& vfs, const FileInfo& file) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(auto stream, OpenBound(vfs, file, pool));
  return Guarded(file.path, [&]() -> Result<std::unique_ptr<const Footer>> {
    ARROW_RETURN_NOT_OK(CheckNotEncrypted(*stream, file));
    std::unique_ptr<Footer> footer(new Footer());
    footer->metadata_ =
        parquet::ParquetFileReader::Open(stream, PropertiesFor(file, 1, pool))->metadata();
    footer->file_bytes_ = file.size;
    ARROW_RETURN_NOT_OK(CheckMetadata(*footer->metadata_, file));
    ARROW_RETURN_NOT_OK(footer->MakeSchema());
    return std::unique_ptr<const Footer>(std::move(footer));
  });
}

Status Footer::MakeSchema() {
  ARROW_RETURN_NOT_OK(parquet::arrow::SchemaManifest::Make(
      metadata_->schema(), metadata_->key_value_metadata(), ReaderProperties(), &manifest_));
  const SchemaPtr& origin = manifest_.origin_schema;
  arrow::FieldVector fields;
  for (size_t i = 0; i < manifest_.schema_fields.size(); ++i) {
    std::shared_ptr<arrow::Field> field = manifest_.schema_fields[i].field;
    const int index = static_cast<int>(i);
    if (origin != nullptr && index < origin->num_fields() &&
        origin->field(index)->name() == field->name()) {
      field = field->WithType(PromisedType(field->type(), origin->field(index)->type()));
    }
    fields.push_back(std::move(field));
  }
  schema_ = arrow::schema(std::move(fields), manifest_.schema_metadata);
  return Status::OK();
}

std::vector<int> Footer::LeavesOf(const std::vector<int>& columns) const {
  std::vector<int> leaves;
  for (const int column : columns) {
    AppendLeaves(manifest_.schema_fields[static_cast<size_t>(column)], &leaves);
  }
  return leaves;
}

ColumnRange Footer::RangeOf(int row_group, int column) const {
  const auto& field = manifest_.schema_fields[static_cast<size_t>(column)];
  const auto group = metadata_->RowGroup(row_group);
  ColumnRange range;
  range.num_rows = group->num_rows();
  if (field.is_leaf() && field.children.empty()) {
    const TypePtr plain = PlainType(schema_->field(column)->type());
    ReadStatistics(*group->ColumnChunk(field.column_index), plain, &range);
  }
  return range;
}

int64_t Footer::RowBytes(int row_group, const std::vector<int>& columns) const {
  const auto group = metadata_->RowGroup(row_group);
  double bytes = 0;
  for (const int leaf : LeavesOf(columns)) {
    bytes += ChunkBytes(*group->ColumnChunk(leaf), *metadata_->schema()->Column(leaf));
  }
  const double row_bytes = bytes / static_cast<double>(std::max<int64_t>(group->num_rows(), 1));
  return static_cast<int64_t>(std::clamp(row_bytes, 1.0, 1e12));
}

std::optional<FlatChunk> Footer::FlatChunkOf(int row_group, int column) const {
  const auto& field = manifest_.schema_fields[static_cast<size_t>(column)];
  if (!field.is_leaf() || !field.children.empty()) return std::nullopt;
  const parquet::ColumnDescriptor& leaf = *metadata_->schema()->Column(field.column_index);
  if (leaf.max_repetition_level() > 0 || leaf.max_definition_level() > 1) return std::nullopt;
  const auto type = FlatTypeOf(leaf, PlainType(field.field->type()));
  const auto group = metadata_->RowGroup(row_group);
  const auto chunk = group->ColumnChunk(field.column_index);
  const auto place = PlaceOf(*chunk, file_bytes_);
  // Writers before that version wrote wrong lengths of chunks.
  const bool has_lengths = !metadata_->writer_version().VersionLt(
      parquet::ApplicationVersion::PARQUET_816_FIXED_VERSION());
  if (!type.has_value() || !place.has_value() || !has_lengths || !chunk->file_path().empty() ||
      chunk->num_values() != group->num_rows() ||
      !parquet::IsCodecSupported(chunk->compression())) {
    return std::nullopt;
  }
  return FlatChunk{*type, *place, group->num_rows(), leaf.max_definition_level() == 1};
}

bool Footer::IsFlat(int row_group, int column) const {
  if (!FlatChunkOf(row_group, column).has_value()) return false;
  const int leaf = manifest_.schema_fields[static_cast<size_t>(column)].column_index;
  const auto encodings = metadata_->RowGroup(row_group)->ColumnChunk(leaf)->encodings();
  return std::all_of(encodings.begin(), encodings.end(), IsDecodedHere);
}

Result<std::unique_ptr<parquet::arrow::FileReader>> Footer::OpenReader(
    Vfs& vfs, const FileInfo& file, size_t num_leaves, arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(auto stream, OpenBound(vfs, file, pool));
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(
      builder.Open(std::move(stream), PropertiesFor(file, num_leaves, pool), metadata_));
  builder.memory_pool(pool)->properties(ReaderProperties());
  return builder.Build();
}

}  // namespace headrace::parquet_format
