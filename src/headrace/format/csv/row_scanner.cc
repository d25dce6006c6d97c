// RowScanner: window and structure together, and the wording of errors.
#include "headrace/format/csv/row_scanner.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "headrace/format/bound_file.h"
#include "headrace/format/csv/range_survey.h"

namespace headrace::csv {
namespace {

/// Bytes whose structure is found at a time: with what is read from them they stay in the cache.
constexpr size_t kSliceBytes = size_t{64} << 10;
/// Bytes read at a time behind a range, for the end of its last row.
constexpr int64_t kTailReadBytes = int64_t{64} << 10;

const char* Find(const char* begin, const char* end, int byte) {
  return static_cast<const char*>(std::memchr(begin, byte, static_cast<size_t>(end - begin)));
}

}  // namespace

RowScanner::RowScanner(std::string path, const Dialect& dialect,
                       std::shared_ptr<arrow::io::InputStream> stream, int64_t line,
                       int64_t read_bytes, arrow::MemoryPool* pool)
    : path_(std::move(path)),
      dialect_(dialect),
      field_text_(dialect),
      window_(std::move(stream), read_bytes, pool),
      line_(line) {}

Status RowScanner::PassPreamble() {
  ARROW_RETURN_NOT_OK(Refill());
  const std::string_view start(window_.data(), window_.size());
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF")) {
    return ErrorAt(1, "expected UTF-8 text, got a UTF-16 byte order mark");
  }
  if (start.starts_with("\xEF\xBB\xBF")) cursor_ = 3;
  for (int64_t skipped = 0; skipped < dialect_.skip_rows; ++skipped) {
    if (window_.last() && cursor_ == window_.size()) break;
    while (!SkipLine()) ARROW_RETURN_NOT_OK(Refill());
  }
  indexed_ = cursor_;
  return Status::OK();
}

/// Moves the cursor behind the next line end; false when more bytes must tell where that is.
bool RowScanner::SkipLine() {
  const char* const begin = window_.data() + cursor_;
  const char* const end = window_.data() + window_.size();
  const char* p = Find(begin, end, '\n');
  if (const char* cr = Find(begin, p == nullptr ? end : p, '\r'); cr != nullptr) p = cr;
  const bool cut = p == nullptr || (*p == '\r' && p + 1 == end);
  if (cut && !window_.last()) return false;
  preamble_is_whole_ &= !(cut && grows_);
  if (p == nullptr) {
    p = end;
  } else {
    p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
  }
  cursor_ = static_cast<size_t>(p - window_.data());
  return true;
}

int64_t RowScanner::LineAt(size_t position) const {
  const size_t end = std::min(position, window_.size());
  return line_ + CountLineEnds(window_.data(), std::min(line_position_, end), end);
}

Status RowScanner::CheckLength(size_t row_end) const {
  if (row_end - cursor_ <= static_cast<size_t>(kRowBytesMax)) return Status::OK();
  return ErrorAt(line(), fmt::format("expected a row of at most {} bytes, got a longer one (is a "
                                     "quote left open?)",
                                     kRowBytesMax));
}

Status RowScanner::Refill() {
  const size_t consumed = std::min(cursor_, window_.size());
  line_ = LineAt(consumed);
  line_position_ = 0;
  const Status read = window_.Refill(consumed);
  structure_.DropRows(cursor_, consumed);
  next_row_ = 0;
  dropped_ += static_cast<int64_t>(consumed);
  cursor_ -= consumed;
  indexed_ -= std::min(indexed_, consumed);
  if (limit_ != kNoLimit) limit_ -= std::min(limit_, consumed);
  return DecodeError(read, path_, "compressed");
}

/// The position behind the first line end at or behind `from`, which must be before `stop`;
/// kNoLimit when there is none.
Result<size_t> RowScanner::FindLineStart(size_t from, size_t stop) {
  for (size_t at = from; at < stop;) {
    if (at + 1 >= window_.size() && !window_.last()) {
      ARROW_RETURN_NOT_OK(Refill());
      continue;
    }
    const char* const data = window_.data();
    const size_t end = std::min(stop, window_.last() ? window_.size() : window_.size() - 1);
    while (at < end && data[at] != '\n' && data[at] != '\r') ++at;
    if (at >= end) {  // the last range may be longer than the rest of the file
      if (window_.last()) break;
    } else if (data[at] == '\n' || data[at + 1] != '\n') {
      return at + 1;
    } else {
      ++at;
    }
  }
  return kNoLimit;
}

Result<RangeEffect> RowScanner::BeginRange(bool from_start, int64_t length) {
  RangeSurvey survey(dialect_, static_cast<int>(names_.size()));
  ARROW_RETURN_NOT_OK(Refill());
  window_.set_read_bytes(kTailReadBytes);
  const size_t nominal_end = static_cast<size_t>(length) + (from_start ? 0 : 1);
  size_t begin = 0;
  if (!from_start) {
    ARROW_ASSIGN_OR_RAISE(begin, FindLineStart(0, nominal_end));
    if (begin >= nominal_end) begin = kNoLimit;
  }
  if (begin == kNoLimit) {  // no row starts here, or the range before reads its only one
    limit_ = 0;
    return survey.effect();
  }
  ARROW_ASSIGN_OR_RAISE(
      limit_, FindLineStart(nominal_end - 1, nominal_end + static_cast<size_t>(kRowBytesMax)));
  const size_t end = std::min(limit_, window_.size());
  cursor_ = indexed_ = line_position_ = begin;
  for (size_t at = cursor_; at < end; at += kSliceBytes) {
    survey.Add(window_.data(), at, std::min(end, at + kSliceBytes));
  }
  return survey.effect();
}

void RowScanner::EnterRange(const RangeEntry& entry) {
  line_ = entry.line;
  drop_row_ = entry.quoted;
  phase_ = entry.quoted ? Phase::kQuoted : Phase::kRowStart;
}

Result<bool> RowScanner::IndexMore() {
  if (cursor_ >= limit_ || (drop_row_ && indexed_ >= limit_)) return false;
  if (!drop_row_) ARROW_RETURN_NOT_OK(CheckLength(indexed_));
  size_t end;
  while (true) {
    end = window_.size();
    const bool goes_on = grows_ || !window_.last();
    if (goes_on && end > 0 && window_.data()[end - 1] == '\r') --end;
    if (indexed_ < end) break;
    if (window_.last() && grows_) return false;
    if (window_.last()) return IndexEnd();
    ARROW_RETURN_NOT_OK(Refill());
  }
  structure_.DropRows(cursor_, 0);
  next_row_ = 0;
  if (structure_.num_fields > static_cast<size_t>(kColumnsMax)) {
    return ErrorAt(line(), fmt::format("expected at most {} fields, got more", kColumnsMax));
  }
  end = std::min(end, indexed_ + kSliceBytes);
  if (indexed_ < limit_) end = std::min(end, limit_);
  FindStructure(dialect_, window_.data(), indexed_, end, &phase_, &structure_);
  indexed_ = end;
  return true;
}

/// At the end of the text: the line end behind it ends a row that has none.
Result<bool> RowScanner::IndexEnd() {
  structure_.DropRows(cursor_, 0);
  next_row_ = 0;
  // A row that is dropped and never ends is an error of the range where it starts.
  if (phase_ == Phase::kRowStart || drop_row_) return false;
  const size_t size = window_.size();
  if (phase_ == Phase::kQuoted || phase_ == Phase::kEscape) {
    const uint32_t begin = structure_.field_ends[structure_.num_fields - 1] + 1;
    const std::string_view rest(window_.data() + begin, size - begin);
    return ErrorAt(line(), static_cast<int>(structure_.num_fields) - 1,
                   "expected a closing quote before the end of the file, got " +
                       ShowBytes(rest.substr(0, rest.find('\n'))));
  }
  FindStructure(dialect_, window_.data(), size, size + 1, &phase_, &structure_);
  indexed_ = size + 1;
  return true;
}

void RowScanner::MoveBehindRows(size_t rows) {
  next_row_ += rows;
  cursor_ = structure_.field_ends[structure_.row_ends[next_row_ - 1] - 1] + size_t{1};
}

Result<std::vector<std::string>> RowScanner::NextTexts(bool peek) {
  std::vector<std::string> texts;
  size_t fields = 0;
  while (true) {
    while (next_row_ == structure_.num_rows) {
      ARROW_ASSIGN_OR_RAISE(const bool more, IndexMore());
      if (!more) return texts;
    }
    fields = structure_.row_ends[next_row_] - structure_.FirstField(next_row_);
    if (!IsNoRow(fields,
                 window_.data() + structure_.field_ends[structure_.row_ends[next_row_] - 1]))
      break;
    MoveBehindRows(1);
  }
  if (fields > static_cast<size_t>(kColumnsMax)) {
    return ErrorAt(line(), fmt::format("expected at most {} fields, got {}", kColumnsMax, fields));
  }
  RowBlock block{window_.data(), structure_.field_ends.get() + structure_.FirstField(next_row_),
                 static_cast<int>(fields), 1};
  std::string scratch;
  for (int i = 0; i < block.num_columns; ++i) {
    std::string_view text = block.field(0, i);
    if (text.find('\0') != std::string_view::npos ||
        (field_text_.IsQuoted(text) && !field_text_.Unquote(text, &scratch, &text))) {
      return FieldError(block, 0, i, "text");
    }
    texts.emplace_back(text);
  }
  if (!peek) MoveBehindRows(1);
  return texts;
}

void RowScanner::SetColumns(std::vector<std::string> names, RowCost cost) {
  names_ = std::move(names);
  cost_ = std::move(cost);
}

size_t RowScanner::CountRegularRows(int64_t rows_max) const {
  const size_t columns = names_.size();
  const size_t most = std::min(structure_.num_rows - next_row_, static_cast<size_t>(rows_max));
  size_t end = structure_.FirstField(next_row_) + columns;
  size_t rows = 0;
  while (rows < most && structure_.row_ends[next_row_ + rows] == end) {
    if (dialect_.comment != Dialect::kNone) {
      const uint32_t begin = structure_.field_ends[end - columns - 1] + 1;
      if (static_cast<unsigned char>(window_.data()[begin]) == dialect_.comment) break;
    }
    ++rows;
    end += columns;
  }
  return rows;
}

Status RowScanner::NextBlock(int64_t rows_max, int64_t bytes_max, bool must_take, RowBlock* block) {
  block->num_rows = block->bytes = block->line = 0;
  while (block->num_rows == 0) {
    if (next_row_ == structure_.num_rows) {
      ARROW_ASSIGN_OR_RAISE(const bool more, IndexMore());
      if (!more) break;
    } else if (drop_row_) {
      drop_row_ = false;
      MoveBehindRows(1);
    } else if (cursor_ >= limit_) {
      break;
    } else if (const size_t rows = CountRegularRows(indexed_ > limit_ ? 1 : rows_max); rows > 0) {
      return TakeRows(rows, bytes_max, must_take, block);
    } else {
      ARROW_RETURN_NOT_OK(PassOddRow(block));
    }
  }
  return Status::OK();
}

int64_t RowScanner::CostOf(const RowBlock& block, int64_t row) const {
  int64_t bytes = cost_.fixed_bytes;
  for (const int column : cost_.text_columns) {
    bytes += static_cast<int64_t>(block.field(row, column).size());
  }
  return bytes;
}

Status RowScanner::TakeRows(size_t rows, int64_t bytes_max, bool must_take, RowBlock* block) {
  block->data = window_.data();
  block->ends = structure_.field_ends.get() + structure_.FirstField(next_row_);
  block->num_columns = static_cast<int>(names_.size());
  const auto wanted = static_cast<int64_t>(rows);
  const size_t end = block->ends[wanted * block->num_columns - 1] + size_t{1};
  ARROW_RETURN_NOT_OK(CheckLength(block->ends[block->num_columns - 1] + size_t{1}));
  const int64_t text = cost_.text_columns.empty() ? 0 : static_cast<int64_t>(end - cursor_);
  block->bytes = wanted * cost_.fixed_bytes + text;
  block->num_rows = wanted;
  if (block->bytes > bytes_max) {
    block->num_rows = block->bytes = 0;
    while (block->num_rows < wanted) {
      const int64_t bytes = CostOf(*block, block->num_rows);
      if (block->bytes + bytes > bytes_max && (!must_take || block->num_rows > 0)) break;
      block->bytes += bytes;
      ++block->num_rows;
    }
  }
  if (block->num_rows > 0) MoveBehindRows(static_cast<size_t>(block->num_rows));
  return Status::OK();
}

bool RowScanner::IsNoRow(size_t fields, const char* end) const {
  const char* const begin = window_.data() + cursor_;
  if (dialect_.comment != Dialect::kNone &&
      static_cast<unsigned char>(*begin) == dialect_.comment) {
    return true;
  }
  return fields == 1 && (end == begin || (end == begin + 1 && *begin == '\r'));
}

Status RowScanner::PassOddRow(RowBlock* block) {
  const size_t fields = structure_.row_ends[next_row_] - structure_.FirstField(next_row_);
  const uint32_t end = structure_.field_ends[structure_.row_ends[next_row_] - 1];
  if (!IsNoRow(fields, window_.data() + end)) {
    Status error;
    if (dialect_.on_error == OnError::kFail) {
      error = ErrorAt(line(), fmt::format("expected {} fields, got {}", names_.size(), fields));
      if (!on_odd_row_) return error;
    }
    ++rejected_rows_;
    if (on_odd_row_) {
      const std::string_view row(window_.data() + cursor_, end - cursor_);
      ARROW_RETURN_NOT_OK(on_odd_row_(offset(), line(), std::move(error), row));
    }
    if (dialect_.on_error == OnError::kNull) MendRow(fields, block);
  }
  MoveBehindRows(1);
  return Status::OK();
}

/// Leaves out fields that are too many and puts null where there are too few.
void RowScanner::MendRow(size_t fields, RowBlock* block) {
  const size_t columns = names_.size();
  const size_t kept = std::min(fields, columns);
  const uint32_t end = structure_.field_ends[structure_.FirstField(next_row_) + kept - 1];
  mended_text_.assign(window_.data() + cursor_, end - cursor_);
  if (kept == fields && mended_text_.ends_with('\r')) mended_text_.pop_back();
  for (size_t i = kept; i < columns; ++i) {
    mended_text_ += static_cast<char>(dialect_.delimiter) + dialect_.nulls.front();
  }
  mended_text_ += '\n';
  mended_text_.reserve(mended_text_.size() + 1 + kTextPadding);
  mended_.num_fields = mended_.num_rows = 0;
  mended_.DropRows(0, 0);
  Phase phase = Phase::kRowStart;
  FindStructure(dialect_, mended_text_.data(), 0, mended_text_.size(), &phase, &mended_);
  *block = {mended_text_.data(),
            mended_.field_ends.get() + 1,
            static_cast<int>(columns),
            1,
            static_cast<int64_t>(mended_text_.size()) + cost_.fixed_bytes,
            line()};
}

std::string_view RowScanner::RowText(const RowBlock& block, int64_t row) const {
  const uint32_t begin = block.begin(row, 0);
  return {block.data + begin, block.ends[(row + 1) * block.num_columns - 1] - begin};
}

Status RowScanner::FieldError(const RowBlock& block, int64_t row, int column,
                              std::string_view expected) const {
  const int64_t line = block.line > 0 ? block.line : LineAt(block.begin(row, 0));
  std::string_view text = block.field(row, column);
  std::string scratch;
  if (field_text_.IsQuoted(text)) {
    std::string_view inner;
    if (!field_text_.Unquote(text, &scratch, &inner)) {
      return ErrorAt(line, column,
                     "expected a delimiter or a line end after the closing quote, got " +
                         ShowBytes(field_text_.BehindQuote(text)));
    }
    text = inner;
  }
  if (text.find('\0') != std::string_view::npos) {
    return ErrorAt(line, column, "expected text, got a NUL byte in " + ShowBytes(text));
  }
  return ErrorAt(line, column, fmt::format("expected {}, got {}", expected, ShowBytes(text)));
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
