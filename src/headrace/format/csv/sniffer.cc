// Type sniffing over the first rows of a file.
#include "headrace/format/csv/sniffer.h"

#include <algorithm>
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

Result<std::unique_ptr<RowScanner>> OpenAtStart(const TextFile& file, const Dialect& dialect,
                                                int64_t read_bytes) {
  arrow::MemoryPool* const pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(auto stream, file.Open(0, pool));
  auto scanner = std::make_unique<RowScanner>(file.path(), dialect, std::move(stream), 1,
                                              file.ReadBytes(0, read_bytes), pool);
  ARROW_RETURN_NOT_OK(scanner->PassPreamble());
  return scanner;
}

TextStart StartOf(const RowScanner& scanner) { return {scanner.offset(), scanner.line()}; }

Status ReadNames(RowScanner& scanner, const Dialect& dialect, Sample* sample) {
  if (!dialect.header) sample->start = StartOf(scanner);
  ARROW_ASSIGN_OR_RAISE(sample->names, scanner.NextTexts(!dialect.header));
  std::vector<std::string>& names = sample->names;
  if (names.empty()) {
    return scanner.ErrorAt(scanner.line(), dialect.header
                                               ? "expected a header, got the end of the file"
                                               : "expected a row, got the end of the file");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!dialect.header || names[i].empty()) names[i] = fmt::format("column{}", i + 1);
  }
  if (dialect.header) sample->start = StartOf(scanner);
  return CheckNames(scanner, names, scanner.line() - (dialect.header ? 1 : 0));
}

void AddBlock(const RowBlock& block, const FieldRules& rules, std::vector<TypeEvidence>* evidence) {
  std::string scratch;
  for (int64_t row = 0; row < block.num_rows; ++row) {
    for (int column = 0; column < block.num_columns; ++column) {
      std::string_view text = block.field(row, column);
      if (rules.text.IsQuoted(text)) {
        if (!rules.text.Unquote(text, &scratch, &text)) continue;  // an error when it is read
      } else if (rules.nulls.Contains(text)) {
        continue;
      }
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

Result<Sample> TakeSample(const TextFile& file, const Dialect& dialect,
                          const SampleLimits& limits) {
  ARROW_ASSIGN_OR_RAISE(
      auto scanner,
      OpenAtStart(file, dialect, std::clamp<int64_t>(limits.bytes, 4096, kReadBytes)));
  Sample sample;
  ARROW_RETURN_NOT_OK(ReadNames(*scanner, dialect, &sample));
  sample.evidence.resize(sample.names.size());
  RowCost cost{0, {}};
  for (size_t i = 0; i < sample.names.size(); ++i) cost.text_columns.push_back(static_cast<int>(i));
  scanner->SetColumns(sample.names, std::move(cost));
  const FieldRules rules(dialect);
  RowBlock block;
  int64_t rows = 0, bytes = 0;
  while (rows < limits.rows && bytes < limits.bytes) {
    ARROW_RETURN_NOT_OK(scanner->NextBlock(limits.rows - rows, limits.bytes, true, &block));
    if (block.num_rows == 0) break;
    AddBlock(block, rules, &sample.evidence);
    rows += block.num_rows;
    bytes += block.bytes;
  }
  return sample;
}

Result<TextStart> PassHeader(const TextFile& file, const Dialect& dialect, int num_columns) {
  ARROW_ASSIGN_OR_RAISE(auto scanner, OpenAtStart(file, dialect, kHeaderReadBytes));
  if (!dialect.header) return StartOf(*scanner);
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> names, scanner->NextTexts(false));
  const int got = static_cast<int>(names.size());
  if (names.empty() || got == num_columns) return StartOf(*scanner);
  return scanner->ErrorAt(scanner->line() - 1,
                          fmt::format("expected {} fields, got {}", num_columns, got));
}

}  // namespace headrace::csv
