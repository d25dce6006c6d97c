// A row group is written as a file of its own, of which only the column chunks are kept; its
// metadata is moved to where they end up.
#include "headrace/format/parquet/row_group.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "arrow/buffer.h"
#include "arrow/io/interfaces.h"
#include "arrow/io/memory.h"
#include "arrow/table.h"
#include "parquet/arrow/schema.h"
#include "parquet/arrow/writer.h"
#include "parquet/file_writer.h"
#include "parquet/page_index.h"
#include "parquet/size_statistics.h"
#include "parquet/statistics.h"

namespace headrace::parquet_format {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";
constexpr auto kMagicBytes = static_cast<int64_t>(kParquetMagic.size());

/// Passes on the column chunks of a file and keeps what stands behind them.
class ChunkStream final : public arrow::io::OutputStream {
 public:
  explicit ChunkStream(std::shared_ptr<arrow::io::OutputStream> target)
      : target_(std::move(target)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  void EndChunks() { chunks_end_ = position_; }
  int64_t chunks_end() const { return chunks_end_; }
  std::string TakeBehindChunks() { return std::move(behind_chunks_); }

  using OutputStream::Write;
  Status Write(const void* data, int64_t nbytes) override {
    const int64_t magic = std::clamp<int64_t>(kMagicBytes - position_, 0, nbytes);
    position_ += nbytes;
    if (chunks_end_ > 0) {
      behind_chunks_.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
      return Status::OK();
    }
    if (magic == nbytes) return Status::OK();
    return target_->Write(static_cast<const uint8_t*>(data) + magic, nbytes - magic);
  }
  Result<int64_t> Tell() const override { return position_; }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  const std::shared_ptr<arrow::io::OutputStream> target_;
  int64_t position_ = 0;
  int64_t chunks_end_ = 0;
  std::string behind_chunks_;
  bool closed_ = false;
};

using PagesByEncoding = std::map<parquet::Encoding::type, int32_t>;

bool IsOfDictionary(parquet::Encoding::type encoding) {
  return encoding == parquet::Encoding::RLE_DICTIONARY ||
         encoding == parquet::Encoding::PLAIN_DICTIONARY;
}

/// `chunk` again, `shift` bytes further on.
void AppendChunk(const parquet::ColumnChunkMetaData& chunk, int64_t shift,
                 parquet::ColumnChunkMetaDataBuilder* builder) {
  PagesByEncoding dictionary_pages, data_pages;
  bool falls_back = false;
  for (const parquet::PageEncodingStats& pages : chunk.encoding_stats()) {
    const bool is_dictionary = pages.page_type == parquet::PageType::DICTIONARY_PAGE;
    (is_dictionary ? dictionary_pages : data_pages)[pages.encoding] += pages.count;
    falls_back |= !is_dictionary && !IsOfDictionary(pages.encoding);
  }
  const bool has_dictionary = chunk.has_dictionary_page();
  if (const auto told = chunk.encoded_statistics(); told != nullptr) {
    parquet::EncodedStatistics statistics = *told;
    // Old readers know the bounds of signed types by other names.
    statistics.set_is_signed(builder->descr()->sort_order() == parquet::SortOrder::SIGNED);
    builder->SetStatistics(statistics);
  }
  if (const auto sizes = chunk.size_statistics(); sizes != nullptr) {
    builder->SetSizeStatistics(*sizes);
  }
  builder->Finish(chunk.num_values(), has_dictionary ? chunk.dictionary_page_offset() + shift : 0,
                  -1, chunk.data_page_offset() + shift, chunk.total_compressed_size(),
                  chunk.total_uncompressed_size(), has_dictionary, has_dictionary && falls_back,
                  dictionary_pages, data_pages);
}

/// The serialized index of a chunk's pages.
std::string_view IndexAt(const EncodedGroup& group, const parquet::IndexLocation& location) {
  return std::string_view(group.behind_chunks)
      .substr(static_cast<size_t>(location.offset - group.num_bytes),
              static_cast<size_t>(location.length));
}

/// An index of where pages are, `shift` bytes further on.
Result<std::shared_ptr<arrow::Buffer>> ShiftIndex(std::string_view index, int64_t shift) {
  const auto read = parquet::OffsetIndex::Make(index.data(), static_cast<int64_t>(index.size()),
                                               parquet::default_reader_properties());
  const auto builder = parquet::OffsetIndexBuilder::Make();
  const std::vector<int64_t>& text_bytes = read->unencoded_byte_array_data_bytes();
  for (size_t i = 0; i < read->page_locations().size(); ++i) {
    const parquet::PageLocation& page = read->page_locations()[i];
    builder->AddPage(page.offset, page.compressed_page_size, page.first_row_index,
                     text_bytes.empty() ? std::nullopt : std::optional(text_bytes[i]));
  }
  builder->Finish(shift);
  ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::io::BufferOutputStream::Create());
  builder->WriteTo(stream.get());
  return stream->Finish();
}

/// Writes indexes and tells the footer where they are.
Status WriteIndexes(parquet::IndexKind kind, PageIndexes* indexes,
                    parquet::FileMetaDataBuilder* footer, arrow::io::OutputStream* stream) {
  ARROW_ASSIGN_OR_RAISE(const int64_t position, stream->Tell());
  for (auto& [chunk, location] : indexes->locations) location.offset += position;
  footer->SetIndexLocations(kind, indexes->locations);
  return stream->Write(indexes->bytes);
}

}  // namespace

void PageIndexes::Add(parquet::ColumnChunkId chunk, std::string_view index) {
  locations.push_back(
      {chunk, {static_cast<int64_t>(bytes.size()), static_cast<int32_t>(index.size())}});
  bytes += index;
}

std::shared_ptr<parquet::ArrowWriterProperties> ArrowProperties() {
  return parquet::ArrowWriterProperties::Builder().set_use_threads(false)->build();
}

Status WriteMagic(arrow::io::OutputStream* stream) { return stream->Write(kParquetMagic); }

Result<EncodedGroup> EncodeGroup(const arrow::Table& table,
                                 const std::shared_ptr<parquet::WriterProperties>& properties,
                                 std::shared_ptr<arrow::io::OutputStream> stream,
                                 arrow::MemoryPool* pool) {
  const auto chunks = std::make_shared<ChunkStream>(std::move(stream));
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        parquet::arrow::FileWriter::Open(*table.schema(), pool, chunks, properties,
                                                         ArrowProperties()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(table, table.num_rows()));
  chunks->EndChunks();
  ARROW_RETURN_NOT_OK(writer->Close());
  return EncodedGroup{writer->metadata(), chunks->chunks_end(), chunks->TakeBehindChunks()};
}

Result<std::unique_ptr<FooterBuilder>> FooterBuilder::Make(
    const arrow::Schema& schema, std::shared_ptr<parquet::WriterProperties> properties) {
  auto footer = std::unique_ptr<FooterBuilder>(new FooterBuilder);
  ARROW_RETURN_NOT_OK(
      parquet::arrow::ToParquetSchema(&schema, *properties, *ArrowProperties(), &footer->schema_));
  footer->builder_ =
      parquet::FileMetaDataBuilder::Make(footer->schema_.get(), std::move(properties));
  return footer;
}

Status FooterBuilder::Append(const EncodedGroup& encoded, int64_t position) {
  const auto group = encoded.metadata->RowGroup(0);
  const int64_t shift = position - kMagicBytes;
  parquet::RowGroupMetaDataBuilder* const builder = builder_->AppendRowGroup();
  builder->set_num_rows(group->num_rows());
  for (int i = 0; i < group->num_columns(); ++i) {
    const auto chunk = group->ColumnChunk(i);
    AppendChunk(*chunk, shift, builder->NextColumnChunk());
    ARROW_RETURN_NOT_OK(AppendIndexes(encoded, *chunk, i, shift));
  }
  builder->Finish(group->total_byte_size());
  ++num_groups_;
  return Status::OK();
}

Status FooterBuilder::AppendIndexes(const EncodedGroup& group,
                                    const parquet::ColumnChunkMetaData& chunk, int column,
                                    int64_t shift) {
  const parquet::ColumnChunkId id{num_groups_, column};
  if (const auto location = chunk.GetColumnIndexLocation(); location.has_value()) {
    column_indexes_.Add(id, IndexAt(group, *location));
  }
  if (const auto location = chunk.GetOffsetIndexLocation(); location.has_value()) {
    ARROW_ASSIGN_OR_RAISE(const auto index, ShiftIndex(IndexAt(group, *location), shift));
    offset_indexes_.Add(id, std::string_view(*index));
  }
  return Status::OK();
}

Status FooterBuilder::Write(const std::shared_ptr<const arrow::KeyValueMetadata>& metadata,
                            arrow::io::OutputStream* stream) {
  ARROW_RETURN_NOT_OK(
      WriteIndexes(parquet::IndexKind::kColumnIndex, &column_indexes_, builder_.get(), stream));
  ARROW_RETURN_NOT_OK(
      WriteIndexes(parquet::IndexKind::kOffsetIndex, &offset_indexes_, builder_.get(), stream));
  parquet::WriteFileMetaData(*builder_->Finish(metadata), stream);
  return Status::OK();
}

}  // namespace headrace::parquet_format
