// Quoting of fields.
#include "headrace/format/csv/quoting.h"

namespace headrace::csv {

Quoting::Quoting(const Dialect& dialect)
    : quote_(dialect.quote),
      escape_(dialect.escape),
      null_(dialect.nulls.front()),
      nulls_(dialect.nulls) {
  for (const int byte : {dialect.delimiter, dialect.quote, int{'\n'}, int{'\r'}, int{'\0'}}) {
    if (byte == Dialect::kNone) continue;
    special_[static_cast<size_t>(byte)] = true;
    special_bytes_ += static_cast<char>(byte);
  }
  special_bytes_ += '\xEF';  // of a byte order mark
  spellings_ = dialect.nulls;
}

bool Quoting::LeavesAlone(std::string_view alphabet) const {
  for (const char c : alphabet) {
    if (special_[static_cast<unsigned char>(c)]) return false;
  }
  for (const std::string& spelling : spellings_) {
    if (spelling.find_first_not_of(alphabet) == std::string::npos && !spelling.empty()) {
      return false;
    }
  }
  return true;
}

Status Quoting::AppendQuoted(std::string_view text, std::string* out) const {
  if (text.find('\0') != std::string_view::npos) {
    return Error(ErrorKind::kUnsupported, "csv cannot hold NUL bytes, got {}", ShowBytes(text));
  }
  if (quote_ == Dialect::kNone) {
    return Error(ErrorKind::kUnsupported, "expected text that needs no quotes, got {}",
                 ShowBytes(text));
  }
  *out += static_cast<char>(quote_);
  for (const char c : text) {
    const int byte = static_cast<unsigned char>(c);
    if (byte == quote_ || byte == escape_) {
      if (escape_ == Dialect::kNone) {
        return Error(ErrorKind::kUnsupported, "expected text that needs no escapes, got {}",
                     ShowBytes(text));
      }
      *out += static_cast<char>(escape_);
    }
    *out += c;
  }
  *out += static_cast<char>(quote_);
  return Status::OK();
}

}  // namespace headrace::csv
