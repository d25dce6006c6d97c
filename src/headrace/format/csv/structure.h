// Structure: where the fields and rows of CSV text end, found 64 bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "headrace/format/csv/dialect.h"

namespace headrace::csv {

/// Bytes behind a text that must be readable, whatever they are.
inline constexpr size_t kTextPadding = 64;

/// What is between two bytes, seen from the start of the file. Exact for any text: a quote opens
/// a quoted field only as the first byte of a field, and closes it only unescaped.
enum class Phase : uint8_t {
  kRowStart,
  kFieldStart,
  kUnquoted,  // inside a field without quotes, or behind a closing quote and other bytes
  kQuoted,
  kClosing,  // behind a quote that closes a field, unless it is the first of two
  kEscape,   // behind an escape character
  kComment,
};

/// Ends of fields in the order of the text. Entry 0 of `field_ends` is the position before the
/// first field, so that field i is the bytes from field_ends[i - 1] + 1 to field_ends[i], less the
/// CR of a CR LF.
struct Structure {
  /// Room for so many more; keeps what there is.
  void Reserve(size_t more_fields, size_t more_rows);
  /// Forgets all rows; `row_begin` is where the first field behind them starts. Fields behind the
  /// last row stay. All positions are reduced by `shift`.
  void DropRows(size_t row_begin, size_t shift);
  /// The index in field_ends of a row's first field.
  size_t FirstField(size_t row) const { return row == 0 ? 1 : row_ends[row - 1]; }

  std::unique_ptr<uint32_t[]> field_ends;  // positions of delimiters and line ends outside quotes
  std::unique_ptr<uint32_t[]> row_ends;    // per row: the index in field_ends behind its last field
  size_t num_fields = 0;                   // entries of field_ends in use
  size_t num_rows = 0;

 private:
  size_t fields_capacity_ = 0;
  size_t rows_capacity_ = 0;
};

/// Adds the ends in [begin, end) and moves `phase` from `begin` to `end`.
/// REQUIRES: data[end] tells whether an LF follows a CR; kTextPadding bytes behind it.
void FindStructure(const Dialect& dialect, const char* data, size_t begin, size_t end, Phase* phase,
                   Structure* structure);
/// What a look over a text tells without keeping any position.
struct Survey {
  int64_t lines = 0;               // line ends, inside quotes or not
  int64_t rows = 0;                // row ends, those of comments and blank lines too
  int64_t fields_of_open_row = 0;  // while regular
  bool has_quote = false;
  bool regular = true;  // all rows have so many fields as was asked for
};
/// Moves the phase as FindStructure does, and adds to the survey, which starts where a row does.
void SurveyText(const Dialect& dialect, const char* data, size_t begin, size_t end, int num_columns,
                Phase* phase, Survey* survey);

/// Line ends (LF, CR LF, CR) in [begin, end), inside quotes or not. REQUIRES as above.
int64_t CountLineEnds(const char* data, size_t begin, size_t end);

/// What a text must be looked at for.
struct TextTraits {
  bool has_nul;
  bool is_ascii;
};
TextTraits TraitsOf(const char* data, size_t size);
/// Whether one of `bytes` is in the text.
bool HoldsAny(std::string_view bytes, const char* data, size_t size);

}  // namespace headrace::csv
