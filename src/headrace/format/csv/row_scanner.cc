// RowScanner: window and tokenizer together, and the wording of errors.
#include "headrace/format/csv/row_scanner.h"

#include <algorithm>
#include <utility>

#include "arrow/io/compressed.h"
#include "arrow/util/compression.h"
#include "headrace/format/bound_file.h"

namespace headrace::csv {
namespace {

/// Fields of a block at most: they stay in the second-level cache.
constexpr int64_t kBlockFieldsMax = 16 * 1024;

Result<std::shared_ptr<arrow::io::InputStream>> OpenStream(Vfs& vfs, const FileInfo& file,
                                                           arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::io::InputStream> stream, OpenBound(vfs, file, pool));
  const bool gzip = file.path.ends_with(".gz");
  if (!gzip && !file.path.ends_with(".zst")) return stream;
  ARROW_ASSIGN_OR_RAISE(
      std::shared_ptr<arrow::util::Codec> codec,
      arrow::util::Codec::Create(gzip ? arrow::Compression::GZIP : arrow::Compression::ZSTD));
  ARROW_ASSIGN_OR_RAISE(stream, arrow::io::CompressedInputStream::Make(codec.get(), stream, pool));
  return stream;
}

}  // namespace

RowScanner::RowScanner(std::string path, const Dialect& dialect, std::unique_ptr<Window> window)
    : path_(std::move(path)),
      dialect_(dialect),
      tokenizer_(dialect, false),
      window_(std::move(window)) {}

Result<std::unique_ptr<RowScanner>> RowScanner::Open(Vfs& vfs, const FileInfo& file,
                                                     const Dialect& dialect, int64_t read_bytes,
                                                     arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto stream, OpenStream(vfs, file, pool));
  std::unique_ptr<RowScanner> scanner(new RowScanner(
      file.path, dialect, std::make_unique<Window>(std::move(stream), read_bytes, pool)));
  ARROW_RETURN_NOT_OK(scanner->PassPreamble(dialect));
  return scanner;
}

Status RowScanner::PassPreamble(const Dialect& dialect) {
  ARROW_RETURN_NOT_OK(Refill());
  const std::string_view start(window_->data(), window_->size());
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF")) {
    return ErrorAt(1, "expected UTF-8 text, got a UTF-16 byte order mark");
  }
  if (start.starts_with("\xEF\xBB\xBF")) cursor_.position = 3;
  for (int64_t skipped = 0; skipped < dialect.skip_rows; ++skipped) {
    if (window_->last() && cursor_.position == window_->size()) break;
    while (!Tokenizer::SkipLine(window_->data(), window_->size(), window_->last(), &cursor_)) {
      ARROW_RETURN_NOT_OK(Refill());
    }
  }
  return Status::OK();
}

Status RowScanner::CheckLength(const Cursor& begin, size_t end) const {
  if (end - begin.position <= static_cast<size_t>(kRowBytesMax)) return Status::OK();
  return ErrorAt(begin.line, fmt::format("expected a row of at most {} bytes, got a longer one (is "
                                         "a quote left open?)",
                                         kRowBytesMax));
}

Status RowScanner::Refill() {
  ARROW_RETURN_NOT_OK(CheckLength(cursor_, window_->size()));
  const Status read = window_->Refill(cursor_.position);
  cursor_.position = 0;
  return DecodeError(read, path_, "compressed");
}

Result<RowStatus> RowScanner::SplitRow(Row* row, bool may_refill) {
  while (true) {
    const RowStatus status =
        tokenizer_.NextRow(window_->data(), window_->size(), window_->last(), &cursor_, row);
    if (status == RowStatus::kAfterQuote || status == RowStatus::kOpenQuote) {
      ARROW_RETURN_NOT_OK(CheckLength(
          row->begin, status == RowStatus::kOpenQuote ? window_->size() : row->bad_position));
      return QuoteError(status, *row);
    }
    if (status != RowStatus::kNeedMore || !may_refill) return status;
    ARROW_RETURN_NOT_OK(Refill());
  }
}

Result<std::vector<std::string>> RowScanner::NextTexts(bool peek) {
  RowBlock block;
  Row row;
  RowStatus status = RowStatus::kRow;
  do {  // again with more room when the fields do not fit
    if (row.count > row.capacity) cursor_ = row.begin;
    row.capacity = std::max(64, row.count);
    block.fields.resize(static_cast<size_t>(row.capacity));
    row.fields = block.fields.data();
    ARROW_ASSIGN_OR_RAISE(status, SplitRow(&row, true));
  } while (status == RowStatus::kRow && row.count > row.capacity);
  std::vector<std::string> texts;
  if (status == RowStatus::kEnd) return texts;
  if (row.count > kColumnsMax) {
    return ErrorAt(row.begin.line,
                   fmt::format("expected at most {} fields, got {}", kColumnsMax, row.count));
  }
  block.data = window_->data();
  block.num_columns = row.count;
  ARROW_RETURN_NOT_OK(CheckRow(block, row));
  std::string scratch;
  for (int i = 0; i < row.count; ++i) {
    texts.emplace_back(TextOf(block, block.field(0, i), &scratch));
  }
  if (peek) cursor_ = row.begin;
  return texts;
}

void RowScanner::SetColumns(std::vector<std::string> names, RowCost cost) {
  names_ = std::move(names);
  cost_ = std::move(cost);
  tokenizer_ = Tokenizer(dialect_, names_.size() == 1);
}

int64_t RowScanner::CostOf(const RowBlock& block) const {
  int64_t bytes = cost_.fixed_bytes;
  for (const int column : cost_.text_columns) bytes += block.field(block.num_rows, column).size;
  return bytes;
}

Status RowScanner::NextBlock(int64_t rows_max, int64_t bytes_max, bool must_take, RowBlock* block) {
  const int64_t columns = static_cast<int64_t>(names_.size());
  rows_max = std::min(rows_max, std::max<int64_t>(1, kBlockFieldsMax / columns));
  block->num_columns = static_cast<int>(columns);
  block->num_rows = block->bytes = 0;
  block->fields.resize(static_cast<size_t>(rows_max * columns));
  block->lines.resize(static_cast<size_t>(rows_max));
  while (block->num_rows < rows_max) {
    Row row;
    row.fields = block->fields.data() + block->num_rows * columns;
    row.capacity = block->num_columns;
    ARROW_ASSIGN_OR_RAISE(const RowStatus status, SplitRow(&row, block->num_rows == 0));
    if (status != RowStatus::kRow) break;
    block->data = window_->data();
    ARROW_RETURN_NOT_OK(CheckRow(*block, row));
    const int64_t bytes = CostOf(*block);
    if (block->bytes + bytes > bytes_max && (!must_take || block->num_rows > 0)) {
      cursor_ = row.begin;
      break;
    }
    block->lines[static_cast<size_t>(block->num_rows++)] = row.begin.line;
    block->bytes += bytes;
  }
  return Status::OK();
}

Status RowScanner::CheckRow(const RowBlock& block, const Row& row) {
  ARROW_RETURN_NOT_OK(CheckLength(row.begin, cursor_.position));
  if (row.count != block.num_columns) [[unlikely]] {
    return ErrorAt(row.begin.line,
                   fmt::format("expected {} fields, got {}", block.num_columns, row.count));
  }
  const size_t nul = window_->FindNul(row.begin.position);
  if (nul >= cursor_.position) [[likely]]
    return Status::OK();
  int column = 0;
  while (column + 1 < row.count && row.fields[column + 1].begin <= nul) ++column;
  return ErrorAt(row.begin.line, column,
                 "expected text, got a NUL byte in " + ShowBytes(block.text(row.fields[column])));
}

Status RowScanner::QuoteError(RowStatus status, const Row& row) const {
  const std::string_view rest(window_->data() + row.bad_position,
                              window_->size() - row.bad_position);
  const char* expected = status == RowStatus::kOpenQuote
                             ? "expected a closing quote before the end of the file, got "
                             : "expected a delimiter or a line end after the closing quote, got ";
  return ErrorAt(row.begin.line, row.count, expected + ShowBytes(rest.substr(0, rest.find('\n'))));
}

Status RowScanner::FieldError(const RowBlock& block, int64_t row, int column,
                              std::string_view expected) const {
  std::string scratch;
  const std::string_view text = TextOf(block, block.field(row, column), &scratch);
  return ErrorAt(block.lines[static_cast<size_t>(row)], column,
                 fmt::format("expected {}, got {}", expected, ShowBytes(text)));
}

Status RowScanner::ErrorAt(int64_t line, std::string_view message) const {
  return Error(ErrorKind::kBadData, "{}:{}: {}", path_, line, message);
}

Status RowScanner::ErrorAt(int64_t line, int column, std::string_view message) const {
  const bool named = column < static_cast<int>(names_.size());
  const std::string name = named ? " (" + names_[static_cast<size_t>(column)] + ")" : "";
  return Error(ErrorKind::kBadData, "{}:{}:{}{}: {}", path_, line, column + 1, name, message);
}

}  // namespace headrace::csv
