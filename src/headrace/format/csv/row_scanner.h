// RowScanner: the rows of a CSV file as blocks of fields, with the errors that have a place in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/tokenizer.h"
#include "headrace/format/csv/window.h"
#include "headrace/io/vfs.h"

namespace headrace::csv {

/// Rows whose fields lie in a window; valid until the next call to the scanner.
struct RowBlock {
  const char* data = nullptr;
  int num_columns = 0;
  int64_t num_rows = 0;
  int64_t bytes = 0;           // what the rows will take as columns, an upper bound
  std::vector<Field> fields;   // row-major
  std::vector<int64_t> lines;  // per row: the line where it starts

  const Field& field(int64_t row, int column) const {
    return fields[static_cast<size_t>(row * num_columns + column)];
  }
  std::string_view text(const Field& field) const { return {data + field.begin, field.size}; }
};

/// How the size of a row as columns is foreseen: fixed bytes and the text of some columns.
struct RowCost {
  int64_t fixed_bytes = 0;
  std::vector<int> text_columns;
};

/// One thread. Errors are "file:line:column (name): expected …, got …".
class RowScanner {
 public:
  /// Opens the file (".gz" and ".zst" are decompressed), passes a byte order mark and skip_rows.
  /// Reads `read_bytes` (a power of two) at a time.
  static Result<std::unique_ptr<RowScanner>> Open(Vfs& vfs, const FileInfo& file,
                                                  const Dialect& dialect, int64_t read_bytes,
                                                  arrow::MemoryPool* pool);

  /// The fields of the next row as text, without moving past it when `peek`; empty at the end.
  Result<std::vector<std::string>> NextTexts(bool peek);
  /// From here on every row must have as many fields as there are names; errors tell the names.
  void SetColumns(std::vector<std::string> names, RowCost cost);

  /// Replaces `block` by the next rows: at most `rows_max`, and no more than fit `bytes_max` unless
  /// it is one row and `must_take`. An empty block: the rows end, or none fits.
  Status NextBlock(int64_t rows_max, int64_t bytes_max, bool must_take, RowBlock* block);

  /// The error for a field of the last block that is not what the column holds.
  Status FieldError(const RowBlock& block, int64_t row, int column,
                    std::string_view expected) const;
  /// `field`'s text: a view of the block, or of `scratch` when it holds escapes.
  std::string_view TextOf(const RowBlock& block, const Field& field, std::string* scratch) const {
    if (!field.escaped) [[likely]]
      return block.text(field);
    tokenizer_.Unescape(block.text(field), scratch);
    return *scratch;
  }

  const std::string& path() const { return path_; }
  int64_t line() const { return cursor_.line; }
  Status ErrorAt(int64_t line, std::string_view message) const;
  Status ErrorAt(int64_t line, int column, std::string_view message) const;

 private:
  RowScanner(std::string path, const Dialect& dialect, std::unique_ptr<Window> window);
  Status PassPreamble(const Dialect& dialect);
  Status Refill();
  /// Splits the next row, reading on as needed only when `may_refill`.
  Result<RowStatus> SplitRow(Row* row, bool may_refill);
  Status QuoteError(RowStatus status, const Row& row) const;
  Status CheckRow(const RowBlock& block, const Row& row);
  Status CheckLength(const Cursor& begin, size_t end) const;
  int64_t CostOf(const RowBlock& block) const;

  const std::string path_;
  const Dialect dialect_;
  Tokenizer tokenizer_;
  const std::unique_ptr<Window> window_;
  Cursor cursor_;
  std::vector<std::string> names_;
  RowCost cost_;
};

}  // namespace headrace::csv
