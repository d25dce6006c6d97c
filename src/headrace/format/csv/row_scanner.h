// RowScanner: the rows of a CSV text as blocks of fields, with the errors that have a place in it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/field_text.h"
#include "headrace/format/csv/range_chain.h"
#include "headrace/format/csv/structure.h"
#include "headrace/format/csv/window.h"
#include "headrace/types/batch.h"

namespace headrace::csv {

/// Rows of equally many fields, one behind the other; valid until the next call to the scanner.
struct RowBlock {
  const char* data = nullptr;      // kTextPadding bytes behind it are readable
  const uint32_t* ends = nullptr;  // of the fields, row by row; ends[-1] is before the first
  int num_columns = 0;
  int64_t num_rows = 0;
  int64_t bytes = 0;  // what the rows will take as columns, an upper bound
  int64_t line = 0;   // where a row that was mended starts, else 0

  uint32_t begin(int64_t row, int column) const { return ends[row * num_columns + column - 1] + 1; }
  /// The bytes of a field, its quotes included.
  std::string_view field(int64_t row, int column) const {
    const int64_t at = row * num_columns + column;
    const uint32_t begin = ends[at - 1] + 1;
    uint32_t end = ends[at];
    if (column + 1 == num_columns && end > begin && data[end - 1] == '\r') --end;
    return {data + begin, end - begin};
  }
};

/// How the size of a row as columns is foreseen: fixed bytes and the text of some columns.
struct RowCost {
  int64_t fixed_bytes = 0;
  std::vector<int> text_columns;
};

/// One thread. Errors are "file:line:column (name): expected …, got …".
class RowScanner {
 public:
  /// `stream` starts on line `line` of the text.
  RowScanner(std::string path, const Dialect& dialect,
             std::shared_ptr<arrow::io::InputStream> stream, int64_t line, int64_t read_bytes,
             arrow::MemoryPool* pool);

  /// From here on the end of the stream is not that of the text: what is behind the last row end
  /// waits for more.
  void set_grows(bool grows) { grows_ = grows; }
  /// The stream may have grown.
  void ReadAgain() { window_.ReadAgain(); }
  /// Called for rows of another number of fields, which are then passed over: with the byte of the
  /// stream and the line where the row starts, the error and the row. An error that it gives is
  /// that of the scanner.
  using OnOddRow =
      std::function<Status(int64_t offset, int64_t line, Status error, std::string_view row)>;
  void set_on_odd_row(OnOddRow on_odd_row) { on_odd_row_ = std::move(on_odd_row); }

  /// Passes a byte order mark and skip_rows. In a text that grows, check that it is whole.
  Status PassPreamble();
  bool preamble_is_whole() const { return preamble_is_whole_; }
  /// The fields of the next row as text, without moving past it when `peek`; empty at the end.
  Result<std::vector<std::string>> NextTexts(bool peek);
  /// From here on every row must have as many fields as there are names; errors tell the names.
  void SetColumns(std::vector<std::string> names, RowCost cost);

  /// Limits the scanner to the rows that start in a range: from behind the first line end at or
  /// behind byte 0 (byte 1 when `from_start` is false: byte 0 is then the last one before the
  /// range) to behind the first line end at or behind byte `length` - 1. Reads all of it.
  Result<RangeEffect> BeginRange(bool from_start, int64_t length);
  /// Must follow before rows are read.
  void EnterRange(const RangeEntry& entry);

  /// Replaces `block` by the next rows: at most `rows_max`, and no more than fit `bytes_max` unless
  /// it is one row and `must_take`. An empty block: the rows end, or none fits.
  Status NextBlock(int64_t rows_max, int64_t bytes_max, bool must_take, RowBlock* block);

  /// The error for a field of the last block that is not what the column holds.
  Status FieldError(const RowBlock& block, int64_t row, int column,
                    std::string_view expected) const;

  /// Of a row of the last block: its bytes, the byte of the stream and the line where it starts.
  std::string_view RowText(const RowBlock& block, int64_t row) const;
  int64_t OffsetOf(const RowBlock& block, int64_t row) const {
    return dropped_ + block.begin(row, 0);
  }
  int64_t LineOf(const RowBlock& block, int64_t row) const { return LineAt(block.begin(row, 0)); }

  /// Bytes of the text that are in memory.
  int64_t bytes() const { return window_.bytes(); }
  const FieldText& field_text() const { return field_text_; }
  /// Rows that were left out or mended because of their number of fields, since the last call.
  int64_t TakeRejectedRows() { return std::exchange(rejected_rows_, 0); }
  /// Where the next row starts: bytes from the start of the stream, and its line.
  int64_t offset() const { return dropped_ + static_cast<int64_t>(cursor_); }
  int64_t line() const { return LineAt(cursor_); }
  Status ErrorAt(int64_t line, std::string_view message) const;
  Status ErrorAt(int64_t line, int column, std::string_view message) const;

 private:
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  Status Refill();
  Result<size_t> FindLineStart(size_t from, size_t stop);
  bool SkipLine();
  /// More complete rows into structure_, when all of it were taken; false at the end.
  Result<bool> IndexMore();
  Result<bool> IndexEnd();
  Status CheckLength(size_t row_end) const;
  int64_t LineAt(size_t position) const;

  bool IsNoRow(size_t fields, const char* end) const;
  /// Takes the next row, which is not like the others: a blank line, a comment, a wrong number of
  /// fields. A mended row goes to `block`.
  Status PassOddRow(RowBlock* block);
  void MendRow(size_t fields, RowBlock* block);
  size_t CountRegularRows(int64_t rows_max) const;
  Status TakeRows(size_t rows, int64_t bytes_max, bool must_take, RowBlock* block);
  int64_t CostOf(const RowBlock& block, int64_t row) const;
  void MoveBehindRows(size_t rows);

  const std::string path_;
  const Dialect dialect_;
  const FieldText field_text_;
  Window window_;
  int64_t dropped_ = 0;  // bytes before the window
  size_t cursor_ = 0;    // where the next row starts
  size_t indexed_ = 0;   // structure_ covers the text from the cursor to here
  size_t limit_ = kNoLimit;
  Phase phase_ = Phase::kRowStart;  // at indexed_
  bool drop_row_ = false;           // the next row started before the range
  int64_t line_;                    // at line_position_
  size_t line_position_ = 0;
  Structure structure_;
  size_t next_row_ = 0;  // of structure_
  std::vector<std::string> names_;
  RowCost cost_;
  std::string mended_text_;
  Structure mended_;
  int64_t rejected_rows_ = 0;
  bool grows_ = false;
  bool preamble_is_whole_ = true;
  OnOddRow on_odd_row_;
};

}  // namespace headrace::csv
