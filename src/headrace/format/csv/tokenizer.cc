// The tokenizer. Unquoted fields are scanned byte by byte with a table, quoted ones with memchr; a
// line end behind the last byte serves as sentinel, so the inner loop has no bounds check.
#include "headrace/format/csv/tokenizer.h"

#include <cstring>

namespace headrace::csv {
namespace {

int Byte(char c) { return static_cast<unsigned char>(c); }

const char* Find(const char* begin, const char* end, int byte) {
  return static_cast<const char*>(std::memchr(begin, byte, static_cast<size_t>(end - begin)));
}

/// Line ends in [begin, end); a CR at the very end counts.
int64_t CountLineEnds(const char* begin, const char* end) {
  int64_t lines = 0;
  for (const char* p = begin; (p = Find(p, end, '\n')) != nullptr; ++p) ++lines;
  for (const char* p = begin; (p = Find(p, end, '\r')) != nullptr; ++p) {
    if (p + 1 == end || p[1] != '\n') ++lines;
  }
  return lines;
}

/// Moves `p`, which stands on CR or LF, behind the line end; false when more bytes must tell
/// whether an LF follows the CR.
bool PassLineEnd(const char** p, const char* end, bool last) {
  if (**p == '\r') {
    if (*p + 1 == end && !last) return false;
    if (*p + 1 < end && (*p)[1] == '\n') ++*p;
  }
  ++*p;
  return true;
}

}  // namespace

struct Tokenizer::Scan {
  const char* data;
  const char* p;
  const char* end;
  bool last;
};

Tokenizer::Tokenizer(const Dialect& dialect, bool keep_blank_lines)
    : delimiter_(dialect.delimiter),
      quote_(dialect.quote),
      escape_(dialect.escape),
      comment_(dialect.comment),
      keep_blank_lines_(keep_blank_lines) {
  stops_[static_cast<size_t>(delimiter_)] = true;
  stops_['\n'] = true;
  stops_['\r'] = true;
}

bool Tokenizer::SkipLine(const char* data, size_t size, bool last, Cursor* cursor) {
  const char* const end = data + size;
  const char* const begin = data + cursor->position;
  const char* p = Find(begin, end, '\n');
  if (const char* cr = Find(begin, p == nullptr ? end : p, '\r'); cr != nullptr) p = cr;
  if (p == nullptr) {
    if (!last) return false;
    cursor->position = size;
    return true;
  }
  if (!PassLineEnd(&p, end, last)) return false;
  cursor->position = static_cast<size_t>(p - data);
  ++cursor->line;
  return true;
}

bool Tokenizer::SkipNonRows(const Scan& scan, Cursor* cursor) const {
  const size_t size = static_cast<size_t>(scan.end - scan.data);
  while (cursor->position < size) {
    const int first = Byte(scan.data[cursor->position]);
    const bool blank = !keep_blank_lines_ && (first == '\n' || first == '\r');
    if (!blank && first != comment_) return true;
    if (!SkipLine(scan.data, size, scan.last, cursor)) return false;
  }
  return scan.last;
}

const char* Tokenizer::FindClosingQuote(const Scan& scan, bool* escaped) const {
  const char* p = scan.p;
  if (escape_ == quote_) {
    while ((p = Find(p, scan.end, quote_)) != nullptr) {
      if (p + 1 == scan.end) return scan.last ? p : nullptr;
      if (Byte(p[1]) != quote_) return p;
      *escaped = true;
      p += 2;
    }
    return nullptr;
  }
  for (; p < scan.end; ++p) {
    if (Byte(*p) == escape_) {
      *escaped = true;
      ++p;
    } else if (Byte(*p) == quote_) {
      return p;
    }
  }
  return nullptr;
}

RowStatus Tokenizer::ScanQuoted(Scan* scan, Field* field, int64_t* line) const {
  ++scan->p;
  bool escaped = false;
  const char* const closing = FindClosingQuote(*scan, &escaped);
  if (closing == nullptr) return scan->last ? RowStatus::kOpenQuote : RowStatus::kNeedMore;
  field->begin = static_cast<uint32_t>(scan->p - scan->data);
  field->size = static_cast<uint32_t>(closing - scan->p) & 0x3FFFFFFF;
  field->quoted = 1;
  field->escaped = escaped;
  *line += CountLineEnds(scan->p, closing);
  scan->p = closing + 1;
  if (scan->p == scan->end && !scan->last) return RowStatus::kNeedMore;
  return stops_[static_cast<size_t>(Byte(*scan->p))] ? RowStatus::kRow : RowStatus::kAfterQuote;
}

RowStatus Tokenizer::NextRow(const char* data, size_t size, bool last, Cursor* cursor,
                             Row* row) const {
  Scan scan{data, nullptr, data + size, last};
  if (!SkipNonRows(scan, cursor)) return RowStatus::kNeedMore;
  if (cursor->position == size) return RowStatus::kEnd;
  scan.p = data + cursor->position;
  row->begin = *cursor;
  int64_t line = cursor->line;
  for (row->count = 0;; ++scan.p) {
    const char* const begin = scan.p;
    Field field{static_cast<uint32_t>(begin - data), 0, 0, 0};
    if (Byte(*begin) == quote_) {
      const RowStatus status = ScanQuoted(&scan, &field, &line);
      if (status != RowStatus::kRow) {
        row->bad_position =
            static_cast<size_t>((status == RowStatus::kOpenQuote ? begin : scan.p) - data);
        return status;
      }
    } else {
      const char* p = begin;
      while (!stops_[static_cast<unsigned char>(*p)]) ++p;
      field.size = static_cast<uint32_t>(p - begin) & 0x3FFFFFFF;
      scan.p = p;
    }
    if (row->count < row->capacity) row->fields[row->count] = field;
    ++row->count;
    if (scan.p == scan.end || Byte(*scan.p) != delimiter_) break;
  }
  if (scan.p == scan.end) {
    if (!last) return RowStatus::kNeedMore;
  } else {
    if (!PassLineEnd(&scan.p, scan.end, last)) return RowStatus::kNeedMore;
    ++line;
  }
  *cursor = {static_cast<size_t>(scan.p - data), line};
  return RowStatus::kRow;
}

void Tokenizer::Unescape(std::string_view raw, std::string* out) const {
  out->clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    if (Byte(raw[i]) == escape_ && i + 1 < raw.size()) ++i;
    out->push_back(raw[i]);
  }
}

}  // namespace headrace::csv
