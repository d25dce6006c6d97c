// Row groups that are encoded each on its own, by any thread, and the footer that joins them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/base/error.h"
#include "parquet/index_location.h"
#include "parquet/metadata.h"
#include "parquet/properties.h"
#include "parquet/schema.h"

namespace headrace::parquet_format {

/// What the footer will tell of a row group.
struct EncodedGroup {
  std::shared_ptr<parquet::FileMetaData> metadata;  // of a file that holds it alone
  int64_t num_bytes = 0;                            // of that file, up to the end of the chunks
  std::string behind_chunks;                        // the rest of that file
};

/// Writes the column chunks of `table`, which become one row group, to `stream`. Takes, besides
/// what it writes, the memory of one column.
Result<EncodedGroup> EncodeGroup(const arrow::Table& table,
                                 const std::shared_ptr<parquet::WriterProperties>& properties,
                                 std::shared_ptr<arrow::io::OutputStream> stream,
                                 arrow::MemoryPool* pool);

/// Indexes of pages, in the order of the file.
struct PageIndexes {
  void Add(parquet::ColumnChunkId chunk, std::string_view index);
  std::string bytes;
  parquet::IndexLocations locations;  // within `bytes`
};

/// One thread.
class FooterBuilder {
 public:
  static Result<std::unique_ptr<FooterBuilder>> Make(
      const arrow::Schema& schema, std::shared_ptr<parquet::WriterProperties> properties);

  /// The next row group, whose column chunks begin at byte `position` of the file.
  Status Append(const EncodedGroup& group, int64_t position);
  /// Ends the file, with the indexes of pages and the footer.
  Status Write(const std::shared_ptr<const arrow::KeyValueMetadata>& metadata,
               arrow::io::OutputStream* stream);

 private:
  FooterBuilder() = default;
  Status AppendIndexes(const EncodedGroup& group, const parquet::ColumnChunkMetaData& chunk,
                       int column, int64_t shift);
  std::shared_ptr<parquet::SchemaDescriptor> schema_;
  std::unique_ptr<parquet::FileMetaDataBuilder> builder_;
  PageIndexes column_indexes_, offset_indexes_;
  int32_t num_groups_ = 0;
};

/// What every Parquet file begins with.
Status WriteMagic(arrow::io::OutputStream* stream);

/// For the library; threads are ours.
std::shared_ptr<parquet::ArrowWriterProperties> ArrowProperties();

}  // namespace headrace::parquet_format
