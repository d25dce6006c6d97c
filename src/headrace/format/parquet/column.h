// Column: one top-level column of a row group, by our decoder where it can and by libparquet's
// where it cannot.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "headrace/format/parquet/flat_column.h"
#include "headrace/format/parquet/footer.h"

namespace headrace::parquet_format {

/// A row group that is being read: what its columns share. Files are opened when they are needed.
class OpenRowGroup {
 public:
  /// All are borrowed.
  OpenRowGroup(const Footer& footer, Vfs& vfs, const FileInfo& file, int row_group,
               size_t num_columns, arrow::MemoryPool* pool);
  ~OpenRowGroup();

  const Footer& footer() const { return footer_; }
  int row_group() const { return row_group_; }
  arrow::MemoryPool* pool() const { return pool_; }
  /// Of each column.
  PageMemory page_memory() const;
  Result<std::shared_ptr<BoundFile>> File();
  Result<parquet::arrow::FileReader*> Library();

 private:
  const Footer& footer_;
  Vfs& vfs_;
  const FileInfo& file_;
  const int row_group_;
  const size_t num_columns_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<BoundFile> bound_;
  std::unique_ptr<parquet::arrow::FileReader> library_;
};

/// One thread. Arrays are valid and of the promised type up to encoding, whatever the file holds.
class Column {
 public:
  /// To be read from row `begin` of the row group on. Borrows `group` and `map`.
  static Result<std::unique_ptr<Column>> Make(OpenRowGroup& group, int column, int64_t begin,
                                              PageMap* map);
  ~Column();

  /// Rows decoded and not yet taken.
  int64_t num_ready() const { return num_ready_; }
  /// Those rows. REQUIRES: they were decoded by Fill.
  const ArrayPtr& ready() const { return ready_; }
  /// Of the rows that are ready only picked ones were decoded.
  bool is_picked() const { return is_picked_; }
  /// Decodes at most `rows_max` rows and, of text, about `bytes_max` bytes, unless some are ready;
  /// at least one. `codes_of_numbers`: they may stand ready with a dictionary, too. REQUIRES: rows
  /// are left.
  Status Fill(int64_t rows_max, int64_t bytes_max, bool codes_of_numbers);
  /// As Fill, but of the rows only those at `picks` (ascending, from 0 for the next one) where that
  /// spares work. REQUIRES: picks that are ready already are the same.
  Status FillPicked(int64_t rows_max, std::span<const uint32_t> picks, int64_t bytes_max);
  /// REQUIRES: 0 < rows ≤ num_ready(), and they are not picked ones.
  Result<ArrayPtr> Take(int64_t rows);
  /// Of the next `rows` rows those at `picks`. REQUIRES: as Take; when picked, by the same picks.
  Result<ArrayPtr> TakePicked(int64_t rows, std::span<const uint32_t> picks);
  /// Over rows, ready or not. Those not decoded are passed over when rows behind them are wanted:
  /// pages of which no row is are then not decompressed. REQUIRES: none of them was picked.
  void Skip(int64_t rows);
  /// Bytes of memory that it holds or is about to, without those of rows that are ready.
  int64_t bytes() const;

 private:
  Column(OpenRowGroup& group, int column);
  Status SwitchToLibrary(int64_t begin);
  Result<ArrayPtr> ReadLibrary(int64_t rows_max);
  Status SkipLibrary(int64_t rows);
  Result<ArrayPtr> Read(int64_t rows_max, int64_t bytes_max, bool codes_of_numbers);
  Status SkipUndecoded();
  Status SetReady(const ArrayPtr& array, int64_t rows);
  ArrayPtr CutReady(int64_t rows, int64_t values);

  OpenRowGroup& group_;
  const int column_;
  std::unique_ptr<FlatColumn> flat_;  // null: libparquet's
  std::unique_ptr<arrow::RecordBatchReader> library_;
  int64_t row_ = 0;      // the next to be decoded or skipped
  int64_t to_skip_ = 0;  // before any more are decoded
  ArrayPtr ready_;       // null when empty
  int64_t num_ready_ = 0;
  bool is_picked_ = false;
};

}  // namespace headrace::parquet_format
