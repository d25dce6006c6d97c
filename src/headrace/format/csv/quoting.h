// Quoting: when and how a field of a written CSV file is put in quotes.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/dialect.h"

namespace headrace::csv {

/// Immutable.
class Quoting {
 public:
  explicit Quoting(const Dialect& dialect);

  /// Appends `text` so that it is read back as it is, and not as null. kUnsupported for what the
  /// dialect cannot hold: NUL bytes, and what would need quotes or escapes that it has none of.
  Status Append(std::string_view text, std::string* out) const {
    if (!NeedsQuotes(text)) [[likely]] {
      out->append(text);
      return Status::OK();
    }
    return AppendQuoted(text, out);
  }
  /// Appends the spelling of null.
  void AppendNull(std::string* out) const { out->append(null_); }

 private:
  bool NeedsQuotes(std::string_view text) const {
    for (const char c : text) {
      if (special_[static_cast<unsigned char>(c)]) return true;
    }
    return nulls_.Contains(text) || text.starts_with("\xEF\xBB\xBF");
  }
  Status AppendQuoted(std::string_view text, std::string* out) const;

  const int quote_;
  const int escape_;
  const std::string null_;
  const NullSpellings nulls_;
  std::array<bool, 256> special_{};
};

}  // namespace headrace::csv
