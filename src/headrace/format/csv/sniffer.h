// Sniffer: column names and types of a CSV file, from its header and a sample of its rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/text_file.h"
#include "headrace/types/batch.h"

namespace headrace::csv {

/// What the fields of a column looked like so far. Evidence of several files can be merged.
class TypeEvidence {
 public:
  /// `text` is not a spelling of null.
  void Add(std::string_view text);
  void Merge(const TypeEvidence& other) { seen_ |= other.seen_; }
  /// int64, double, bool, date32, timestamp[us] with or without UTC, else utf8: the narrowest that
  /// takes all fields. Integers past int64 make a column text, unless it has fractions too.
  TypePtr Type() const;

 private:
  uint32_t seen_ = 0;
};

struct SampleLimits {
  int64_t rows;
  int64_t bytes;
};

/// Where the rows of a text start, behind the byte order mark, skipped lines and the header.
struct TextStart {
  int64_t offset = 0;
  int64_t line = 1;
};

struct Sample {
  std::vector<std::string> names;
  TextStart start;
  std::vector<TypeEvidence> evidence;
};

/// Reads the header (or counts the fields of the first row) and the sample. Fails on files without
/// any row, on names that are not UTF-8 and on names that appear twice.
Result<Sample> TakeSample(const TextFile& file, const Dialect& dialect, const SampleLimits& limits);

/// Passes the header of a file that is to have so many columns; it may end before.
Result<TextStart> PassHeader(const TextFile& file, const Dialect& dialect, int num_columns);

}  // namespace headrace::csv
