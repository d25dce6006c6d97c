// Tokenizer: splits bytes into rows and fields (RFC 4180 with the options of a Dialect).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "headrace/format/csv/dialect.h"

namespace headrace::csv {

/// A field by its place in the bytes, without its quotes.
struct Field {
  uint32_t begin;
  uint32_t size : 30;
  uint32_t quoted : 1;
  uint32_t escaped : 1;  // holds escapes or doubled quotes: see Unescape
};

/// A place between rows. `line` counts physical lines from 1 (LF, CRLF and CR each end one).
struct Cursor {
  size_t position = 0;
  int64_t line = 1;
};

enum class RowStatus : uint8_t {
  kRow,         // a row was split; the cursor stands behind it
  kNeedMore,    // the bytes end inside the row; the cursor stands before it
  kEnd,         // no more rows
  kAfterQuote,  // a byte that is neither delimiter nor line end follows a closing quote
  kOpenQuote,   // a quoted field is not closed before the end
};

/// One split row. The caller gives `fields` and `capacity`; fields past the capacity are counted
/// only. After kAfterQuote and kOpenQuote, field number `count` (from 0) is the bad one, at
/// `bad_position`.
struct Row {
  Field* fields = nullptr;
  int capacity = 0;
  int count = 0;
  Cursor begin;  // where the row starts
  size_t bad_position = 0;
};

/// Stateless. Blank lines are rows of one empty field when `keep_blank_lines`, else they are
/// skipped; lines that begin with the comment character are always skipped.
class Tokenizer {
 public:
  Tokenizer(const Dialect& dialect, bool keep_blank_lines);

  /// Splits the row at `cursor`. `last`: nothing follows these bytes.
  /// REQUIRES: data[size] is readable and is '\n'; size < 2^30.
  RowStatus NextRow(const char* data, size_t size, bool last, Cursor* cursor, Row* row) const;

  /// Moves the cursor behind the next line end; false when there is none and not `last`.
  static bool SkipLine(const char* data, size_t size, bool last, Cursor* cursor);

  /// The text of an escaped field.
  void Unescape(std::string_view raw, std::string* out) const;

 private:
  struct Scan;
  bool SkipNonRows(const Scan& scan, Cursor* cursor) const;
  RowStatus ScanQuoted(Scan* scan, Field* field, int64_t* line) const;
  const char* FindClosingQuote(const Scan& scan, bool* escaped) const;

  int delimiter_;
  int quote_;
  int escape_;
  int comment_;
  bool keep_blank_lines_;
  std::array<bool, 256> stops_{};  // bytes that end an unquoted field
};

}  // namespace headrace::csv
