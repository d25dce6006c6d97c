// Quotes and escapes of fields.
#include "headrace/format/csv/field_text.h"

#include "headrace/format/csv/structure.h"

namespace headrace::csv {

size_t FieldText::TakeQuoted(std::string_view field, std::string* out) const {
  for (size_t i = 1; i < field.size(); ++i) {
    const int byte = static_cast<unsigned char>(field[i]);
    const bool more = i + 1 < field.size();
    if (escape_ == quote_) {
      if (byte == quote_ && (!more || field[i + 1] != field[i])) return i;
      if (byte == quote_) ++i;
    } else if (byte == quote_) {
      return i;
    } else if (byte == escape_ && more) {
      ++i;
    }
    out->push_back(field[i]);
  }
  return std::string_view::npos;
}

bool FieldText::Unquote(std::string_view field, std::string* scratch,
                        std::string_view* text) const {
  if (field.size() < 2) return false;
  const std::string_view inner = field.substr(1, field.size() - 2);
  const bool plain = inner.find(static_cast<char>(quote_)) == std::string_view::npos &&
                     (escape_ == quote_ || escape_ == Dialect::kNone ||
                      inner.find(static_cast<char>(escape_)) == std::string_view::npos);
  if (plain) {
    *text = inner;
    return static_cast<unsigned char>(field.back()) == quote_;
  }
  scratch->clear();
  scratch->reserve(field.size() + kTextPadding);
  const size_t closing = TakeQuoted(field, scratch);
  *text = *scratch;
  return closing == field.size() - 1;
}

std::string_view FieldText::BehindQuote(std::string_view field) const {
  std::string text;
  const size_t closing = TakeQuoted(field, &text);
  return closing == std::string_view::npos ? std::string_view() : field.substr(closing + 1);
}

}  // namespace headrace::csv
