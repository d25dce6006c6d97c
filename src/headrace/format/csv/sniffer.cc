// Type sniffing over the first rows of a file.
#include "headrace/format/csv/sniffer.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "arrow/util/utf8.h"
#include "headrace/format/csv/cell.h"
#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/row_scanner.h"

namespace headrace::csv {
namespace {

enum Seen : uint32_t {
  kInteger = 1,
  kWideInteger = 2,  // past int64
  kReal = 4,
  kBoolean = 8,
  kDate = 16,
  kTimestamp = 32,
  kZonedTimestamp = 64,
  kText = 128,
};

/// Of the words that begin with a letter; "true", "nan", "inf" …
Seen ClassOfWord(std::string_view text) {
  bool flag = false;
  double real = 0;
  if (ParseBoolean(text, &flag)) return kBoolean;
  return ParseReal(text, &real) ? kReal : kText;
}

Seen ClassOf(std::string_view text) {
  text = Trim(text);
  if (text.empty()) return kText;
  if ((static_cast<unsigned char>(text.front()) | 0x20) >= 'a') return ClassOfWord(text);
  int64_t integer = 0;
  double real = 0;
  int32_t date = 0;
  if (ParseInteger(text, &integer)) return kInteger;
  if (text.find_first_not_of("0123456789", text.front() == '-') == std::string_view::npos) {
    return text == "-" ? kText : kWideInteger;
  }
  if (ParseReal(text, &real)) return kReal;
  if (ParseDate(text, &date)) return kDate;
  if (ParseTimestamp(text, arrow::TimeUnit::MICRO, false, &integer)) return kTimestamp;
  if (ParseTimestamp(text, arrow::TimeUnit::MICRO, true, &integer)) return kZonedTimestamp;
  return kText;
}

bool IsSubset(uint32_t seen, uint32_t of) { return seen != 0 && (seen & ~of) == 0; }

Status CheckNames(const RowScanner& scanner, const std::vector<std::string>& names, int64_t line) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    const int column = static_cast<int>(i);
    if (!arrow::util::ValidateUTF8(names[i])) {
      return scanner.ErrorAt(line, column, "expected UTF-8 text, got " + ShowBytes(names[i]));
    }
    if (!seen.insert(names[i]).second) {
      return scanner.ErrorAt(line, column,
                             "expected different column names (option columns can give them), got "
                             "again " +
                                 ShowBytes(names[i]));
    }
  }
  return Status::OK();
}

Result<std::vector<std::string>> ReadNames(RowScanner& scanner, const Dialect& dialect) {
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, scanner.NextTexts(!dialect.header));
  if (names.empty()) {
    return scanner.ErrorAt(scanner.line(), dialect.header
                                               ? "expected a header, got the end of the file"
                                               : "expected a row, got the end of the file");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!dialect.header || names[i].empty()) names[i] = fmt::format("column{}", i + 1);
  }
  ARROW_RETURN_NOT_OK(CheckNames(scanner, names, scanner.line() - (dialect.header ? 1 : 0)));
  return names;
}

void AddBlock(const RowScanner& scanner, const RowBlock& block, const NullSpellings& nulls,
              std::vector<TypeEvidence>* evidence) {
  std::string scratch;
  for (int64_t row = 0; row < block.num_rows; ++row) {
    for (int column = 0; column < block.num_columns; ++column) {
      const Field& field = block.field(row, column);
      const std::string_view text = scanner.TextOf(block, field, &scratch);
      if (!field.quoted && nulls.Contains(text)) continue;
      (*evidence)[static_cast<size_t>(column)].Add(text);
    }
  }
}

}  // namespace

void TypeEvidence::Add(std::string_view text) {
  if (seen_ < kText) seen_ |= ClassOf(text);
}

TypePtr TypeEvidence::Type() const {
  if (seen_ == kInteger) return arrow::int64();
  if ((seen_ & kReal) != 0 && IsSubset(seen_, kInteger | kWideInteger | kReal)) {
    return arrow::float64();
  }
  if (seen_ == kBoolean) return arrow::boolean();
  if (seen_ == kDate) return arrow::date32();
  if (IsSubset(seen_, kDate | kTimestamp)) return arrow::timestamp(arrow::TimeUnit::MICRO);
  if (seen_ == kZonedTimestamp) return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return arrow::utf8();
}

Result<Sample> TakeSample(Vfs& vfs, const FileInfo& file, const Dialect& dialect,
                          const SampleLimits& limits) {
  const int64_t read_bytes = static_cast<int64_t>(
      std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(limits.bytes, 4096, kReadBytes))));
  ARROW_ASSIGN_OR_RAISE(
      auto scanner, RowScanner::Open(vfs, file, dialect, read_bytes, arrow::default_memory_pool()));
  Sample sample;
  ARROW_ASSIGN_OR_RAISE(sample.names, ReadNames(*scanner, dialect));
  sample.evidence.resize(sample.names.size());
  RowCost cost{0, {}};
  for (size_t i = 0; i < sample.names.size(); ++i) cost.text_columns.push_back(static_cast<int>(i));
  scanner->SetColumns(sample.names, std::move(cost));
  const NullSpellings nulls(dialect.nulls);
  RowBlock block;
  int64_t rows = 0, bytes = 0;
  while (rows < limits.rows && bytes < limits.bytes) {
    ARROW_RETURN_NOT_OK(scanner->NextBlock(limits.rows - rows, limits.bytes, true, &block));
    if (block.num_rows == 0) break;
    AddBlock(*scanner, block, nulls, &sample.evidence);
    rows += block.num_rows;
    bytes += block.bytes;
  }
  return sample;
}

}  // namespace headrace::csv
