// Dialect: how a CSV file is to be split into rows and fields, read from options.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/table/options.h"

namespace headrace::csv {

/// Longest row that is read, its line ends and quotes included.
inline constexpr int64_t kRowBytesMax = int64_t{64} << 20;
/// Columns that a file may have.
inline constexpr int kColumnsMax = 100'000;

/// What becomes of a field that does not fit its column, and of a row of another number of fields.
enum class OnError : uint8_t {
  kFail,
  kNull,     // the field is null; missing fields are null, fields that are too many left out
  kSkipRow,  // the row is left out
};

/// Characters are stored as their byte value, kNone when the dialect has none.
struct Dialect {
  static constexpr int kNone = -1;
  int delimiter = ',';
  int quote = '"';
  int escape = '"';  // inside quotes; equal to quote: a doubled quote
  int comment = kNone;
  bool header = true;
  int64_t skip_rows = 0;                  // physical lines before the header or the first row
  std::vector<std::string> nulls = {""};  // spellings of null in unquoted fields
  OnError on_error = OnError::kFail;      // of readers
};

/// Reads delimiter, quote, escape, null, header and, for readers, comment, skip_rows and
/// on_error. A path
/// that ends in .tsv (.tsv.gz …) has a tab for its delimiter by default.
Result<Dialect> ReadDialect(OptionReader& reader, const OptionMap& options, std::string_view path);
/// Without on_error, which a stream has for itself.
Result<Dialect> ReadStreamDialect(OptionReader& reader, const OptionMap& options,
                                  std::string_view path);
Result<Dialect> ReadOutputDialect(OptionReader& reader, const OptionMap& options,
                                  std::string_view path);

/// "a,b" in quotes for messages: UTF-8 with control bytes escaped, and every byte above 127 where
/// the bytes are no UTF-8; cut after some 40 bytes.
std::string ShowBytes(std::string_view bytes);

}  // namespace headrace::csv
