// Footer: what a Parquet file says of itself – schema, row groups, statistics.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "headrace/format/parquet/flat_column.h"
#include "headrace/io/vfs.h"
#include "headrace/table/bound.h"
#include "headrace/types/batch.h"
#include "parquet/arrow/reader.h"
#include "parquet/arrow/schema.h"
#include "parquet/metadata.h"

namespace headrace::parquet_format {

/// Immutable. Calls may throw what libparquet throws: see guard.h.
class Footer {
 public:
  static Result<std::unique_ptr<const Footer>> Read(Vfs& vfs, const FileInfo& file);

  /// The types the writer had in mind (stored as ARROW:schema) where values can be given in them.
  const SchemaPtr& schema() const { return schema_; }
  const parquet::FileMetaData& metadata() const { return *metadata_; }
  /// Leaf columns of the top-level columns `columns`, in order.
  std::vector<int> LeavesOf(const std::vector<int>& columns) const;
  /// What the statistics of a row group tell of a top-level column.
  ColumnRange RangeOf(int row_group, int column) const;
  /// Bytes that one row of the columns takes when decoded, as far as the footer tells; at least 1.
  int64_t RowBytes(int row_group, const std::vector<int>& columns) const;

  /// How the chunk of a top-level column is decoded here; nothing: libparquet has to.
  std::optional<FlatChunk> FlatChunkOf(int row_group, int column) const;
  /// Whether all pages of the chunk are decoded here, as far as the footer tells: any row of it can
  /// then be reached without decoding those before.
  bool IsFlat(int row_group, int column) const;

  /// A decoder for `num_leaves` leaf columns that reads the file in small pieces, on one thread,
  /// with memory from `pool`.
  Result<std::unique_ptr<parquet::arrow::FileReader>> OpenReader(Vfs& vfs, const FileInfo& file,
                                                                 size_t num_leaves,
                                                                 arrow::MemoryPool* pool) const;

 private:
  Footer() = default;
  Status MakeSchema();

  std::shared_ptr<parquet::FileMetaData> metadata_;
  parquet::arrow::SchemaManifest manifest_;
  SchemaPtr schema_;
  int64_t file_bytes_ = 0;
};

}  // namespace headrace::parquet_format
