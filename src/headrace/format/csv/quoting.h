// Quoting: when and how a field of a written CSV file is put in quotes.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/structure.h"

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
  /// Whether no text of these characters is ever quoted, but for the empty one.
  bool LeavesAlone(std::string_view alphabet) const;
  /// Whether some part of the text may need quotes; if not, only spellings of null do.
  bool MayNeedQuotes(const char* data, size_t size) const {
    return HoldsAny(special_bytes_, data, size);
  }
  bool IsNullSpelling(std::string_view text) const { return nulls_.Contains(text); }
  /// The spelling of null.
  std::string_view null() const { return null_; }

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
  std::string special_bytes_;
  std::vector<std::string> spellings_;
};

}  // namespace headrace::csv
