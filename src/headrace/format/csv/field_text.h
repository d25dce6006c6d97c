// FieldText: what a field says, given its bytes between two delimiters.
#pragma once

#include <string>
#include <string_view>

#include "headrace/format/csv/dialect.h"

namespace headrace::csv {

/// Immutable.
class FieldText {
 public:
  explicit FieldText(const Dialect& dialect) : quote_(dialect.quote), escape_(dialect.escape) {}

  bool IsQuoted(std::string_view field) const {
    return !field.empty() && static_cast<unsigned char>(field.front()) == quote_;
  }
  /// The text of a quoted field: a part of it, or `scratch` when it holds escapes (kTextPadding
  /// bytes behind are then readable too). False when something stands behind the closing quote.
  bool Unquote(std::string_view field, std::string* scratch, std::string_view* text) const;
  /// What stands behind the closing quote of a field that Unquote refuses.
  std::string_view BehindQuote(std::string_view field) const;

 private:
  /// Bytes of `field` up to its closing quote, appended to `out` without escapes; the position of
  /// that quote, or npos.
  size_t TakeQuoted(std::string_view field, std::string* out) const;

  const int quote_;
  const int escape_;
};

}  // namespace headrace::csv
