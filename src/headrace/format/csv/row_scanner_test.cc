// Rows of random texts, read in ranges and through windows of any size, against a parser that goes
// byte by byte.
#include "headrace/format/csv/row_scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/memory_pool.h"
#include "headrace/base/rng.h"
#include "headrace/format/csv/range_survey.h"

namespace headrace::csv {
namespace {

struct NaiveRow {
  int64_t line;
  std::vector<std::string> fields;  // "!" for those with something behind the closing quote
};

struct NaiveRows {
  std::vector<NaiveRow> rows;
  std::string end;  // the error at the end, or ""
};

/// RFC 4180 by recursive descent.
class NaiveParser {
 public:
  NaiveParser(std::string_view text, const Dialect& dialect, bool blank_lines_are_rows)
      : text_(text), dialect_(dialect), blank_lines_are_rows_(blank_lines_are_rows) {}

  NaiveRows Parse() {
    NaiveRows all;
    while (at_ < text_.size()) {
      const int64_t line = LineAt(at_);
      const size_t begin = at_;
      if (IsNext(dialect_.comment)) {
        while (!AtLineEnd()) ++at_;
        PassLineEnd();
        continue;
      }
      NaiveRow row{line, {}};
      do {
        std::string field;
        if (!ParseField(&field)) {
          all.end = fmt::format("t.csv:{}:{}", line, row.fields.size() + 1);
          return all;
        }
        row.fields.push_back(std::move(field));
      } while (Take(dialect_.delimiter));
      const bool blank = at_ == begin;
      PassLineEnd();
      if (!blank || blank_lines_are_rows_) all.rows.push_back(std::move(row));
    }
    return all;
  }

 private:
  bool IsNext(int byte) const {
    return byte != Dialect::kNone && at_ < text_.size() &&
           static_cast<unsigned char>(text_[at_]) == byte;
  }
  bool Take(int byte) {
    if (!IsNext(byte)) return false;
    ++at_;
    return true;
  }
  bool AtLineEnd() const { return at_ == text_.size() || text_[at_] == '\n' || text_[at_] == '\r'; }
  void PassLineEnd() {
    if (Take('\r')) {
      Take('\n');
    } else {
      Take('\n');
    }
  }
  int64_t LineAt(size_t end) const {
    int64_t line = 1;
    for (size_t i = 0; i < end; ++i) {
      line += text_[i] == '\n' || (text_[i] == '\r' && !text_.substr(i + 1).starts_with('\n'));
    }
    return line;
  }
  bool ParseField(std::string* field) {
    if (!Take(dialect_.quote)) {
      while (!AtLineEnd() && !IsNext(dialect_.delimiter)) *field += text_[at_++];
      return true;
    }
    while (true) {
      if (at_ == text_.size()) return false;
      if (dialect_.escape == dialect_.quote) {
        if (Take(dialect_.quote) && !IsNext(dialect_.quote)) break;
      } else if (Take(dialect_.escape)) {
        if (at_ == text_.size()) return false;
      } else if (Take(dialect_.quote)) {
        break;
      }
      *field += text_[at_++];
    }
    const size_t behind = at_;
    while (!AtLineEnd() && !IsNext(dialect_.delimiter)) ++at_;
    if (at_ > behind) *field = "!";
    return true;
  }

  const std::string_view text_;
  const Dialect& dialect_;
  const bool blank_lines_are_rows_;
  size_t at_ = 0;
};

std::string Describe(const NaiveRow& row) {
  std::string text = fmt::format("{}:", row.line);
  for (const std::string& field : row.fields) text += fmt::format("[{}]", field);
  return text + "\n";
}

struct Reading {
  std::string rows;
  int64_t num_rows = 0;
  int64_t rejected = 0;
};

std::string FieldOf(const RowScanner& scanner, const RowBlock& block, int64_t row, int column) {
  std::string scratch;
  std::string_view text = block.field(row, column);
  const bool fits =
      !scanner.field_text().IsQuoted(text) || scanner.field_text().Unquote(text, &scratch, &text);
  return fits ? std::string(text) : "!";
}

/// The line of a row, out of the error that it would give.
int64_t LineOf(const RowScanner& scanner, const RowBlock& block, int64_t row) {
  const std::string message = scanner.FieldError(block, row, 0, "x").message();
  return std::stoll(message.substr(message.find(':') + 1));
}

Status ReadRows(RowScanner* scanner, Rng* rng, Reading* reading) {
  RowBlock block;
  do {
    const int64_t rows_max = static_cast<int64_t>(rng->Next() % 5) + 1;
    const int64_t bytes_max = static_cast<int64_t>(rng->Next() % 40) + 1;
    ARROW_RETURN_NOT_OK(scanner->NextBlock(rows_max, bytes_max, true, &block));
    EXPECT_LE(block.num_rows, rows_max);
    reading->num_rows += block.num_rows;
    for (int64_t row = 0; row < block.num_rows; ++row) {
      NaiveRow described{LineOf(*scanner, block, row), {}};
      for (int column = 0; column < block.num_columns; ++column) {
        described.fields.push_back(FieldOf(*scanner, block, row, column));
      }
      reading->rows += Describe(described);
    }
  } while (block.num_rows > 0);
  reading->rejected += scanner->TakeRejectedRows();
  return Status::OK();
}

struct Layout {
  Dialect dialect;
  int columns;
  int64_t range_bytes;  // 0: all of it in order
  int64_t read_bytes;
};

std::unique_ptr<RowScanner> OpenAt(const std::string& text, const Layout& layout, int64_t offset) {
  auto stream = std::make_shared<arrow::io::BufferReader>(
      arrow::Buffer::FromString(text.substr(static_cast<size_t>(offset))));
  auto scanner = std::make_unique<RowScanner>("t.csv", layout.dialect, stream, 1, layout.read_bytes,
                                              arrow::default_memory_pool());
  std::vector<std::string> names;
  for (int i = 0; i < layout.columns; ++i) names.push_back(fmt::format("c{}", i));
  scanner->SetColumns(names, {1, {0}});
  return scanner;
}

Result<std::optional<CountedRange>> CountAt(const std::string& text, const Layout& layout,
                                            int64_t range, int64_t offset) {
  arrow::io::BufferReader stream(
      arrow::Buffer::FromString(text.substr(static_cast<size_t>(offset))));
  return CountRange(stream, offset, layout.dialect, layout.columns, range == 0, layout.range_bytes,
                    layout.read_bytes, arrow::default_memory_pool());
}

/// Ranges tell what they find in any order. `count`: rows are not described where they need not be
/// looked at.
Status ReadInRanges(const std::string& text, const Layout& layout, bool count, Rng* rng,
                    Reading* reading) {
  const int64_t size = static_cast<int64_t>(text.size());
  const int64_t ranges = std::max<int64_t>(1, (size + layout.range_bytes - 1) / layout.range_bytes);
  std::vector<std::unique_ptr<RowScanner>> scanners(static_cast<size_t>(ranges));
  std::vector<std::optional<CountedRange>> counts(static_cast<size_t>(ranges));
  std::vector<int64_t> order(static_cast<size_t>(ranges));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng->Next() % i]);
  RangeChain chain({1, false});
  for (const int64_t range : order) {
    const int64_t offset = range * layout.range_bytes - (range > 0 ? 1 : 0);
    ARROW_ASSIGN_OR_RAISE(counts[static_cast<size_t>(range)], CountAt(text, layout, range, offset));
    auto& scanner = scanners[static_cast<size_t>(range)];
    scanner = OpenAt(text, layout, offset);
    ARROW_ASSIGN_OR_RAISE(const RangeEffect effect,
                          scanner->BeginRange(range == 0, layout.range_bytes));
    const auto& counted = counts[static_cast<size_t>(range)];
    if (counted.has_value()) {
      EXPECT_EQ(counted->effect, effect);
    }
    chain.Tell(range, count && counted.has_value() ? counted->effect : effect);
  }
  for (int64_t range = 0; range < ranges; ++range) {
    const auto& scanner = scanners[static_cast<size_t>(range)];
    const RangeEntry entry = chain.EntryOf(range, Waker()).value();
    if (const auto& counted = counts[static_cast<size_t>(range)];
        count && counted.has_value() && !entry.quoted) {
      reading->num_rows += counted->num_rows;
      continue;
    }
    scanner->EnterRange(entry);
    ARROW_RETURN_NOT_OK(ReadRows(scanner.get(), rng, reading));
  }
  return Status::OK();
}

std::string RandomText(Rng* rng) {
  static const std::vector<std::string> kPieces = {"a",
                                                   "b",
                                                   ",",
                                                   ",",
                                                   "\n",
                                                   "\n",
                                                   "\"",
                                                   "\"\"",
                                                   "\r\n",
                                                   "\r",
                                                   "\\",
                                                   "#",
                                                   "\"x\"",
                                                   "\"\n,",
                                                   "\",\"",
                                                   ",\"",
                                                   "\"\n\"",
                                                   " ",
                                                   "1,2\n",
                                                   "\xC3\xA9",
                                                   "é,x\n",
                                                   "\"a\"\"b\",c\n",
                                                   "long long long long long long long long text"};
  std::string text;
  // Some texts are as files are, so that they get far; some are only oddities.
  const size_t pieces = rng->Next() % 120;
  const uint64_t tame = rng->Next() % 3;
  for (size_t i = 0; i < pieces; ++i) {
    if (tame > 0 && rng->Next() % 8 > 0) {
      text += tame == 1 ? "12,abc\n" : "\"x, y\",\"say \"\"hi\"\"\nthere\"\r\n";
    } else {
      text += kPieces[rng->Next() % kPieces.size()];
    }
  }
  return text;
}

Layout RandomLayout(Rng* rng) {
  Layout layout;
  if (rng->Next() % 4 == 0) layout.dialect.escape = '\\';
  if (rng->Next() % 4 == 0) layout.dialect.comment = '#';
  if (rng->Next() % 8 == 0) layout.dialect.quote = layout.dialect.escape = Dialect::kNone;
  layout.columns = 1 + static_cast<int>(rng->Next() % 3);
  layout.range_bytes = 1 + static_cast<int64_t>(rng->Next() % 200);
  layout.read_bytes = 1 + static_cast<int64_t>(rng->Next() % 100);
  return layout;
}

/// What is expected of rows that have the right number of fields, and how many have not.
Reading Expected(const NaiveRows& naive, int columns) {
  Reading expected;
  for (const NaiveRow& row : naive.rows) {
    const bool regular = static_cast<int>(row.fields.size()) == columns;
    if (regular) expected.rows += Describe(row);
    expected.num_rows += regular ? 1 : 0;
    expected.rejected += regular ? 0 : 1;
  }
  return expected;
}

std::string FirstError(const NaiveRows& naive, int columns) {
  for (const NaiveRow& row : naive.rows) {
    if (static_cast<int>(row.fields.size()) != columns) return fmt::format("t.csv:{}:", row.line);
  }
  return naive.end;
}

TEST(RowScannerTest, ReadsWhatAByteByByteParserReads) {
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    Rng rng(seed);
    const std::string text = RandomText(&rng);
    Layout layout = RandomLayout(&rng);
    SCOPED_TRACE(fmt::format("seed {}: {} columns, ranges of {}, {}", seed, layout.columns,
                             layout.range_bytes, ShowBytes(text)));
    const NaiveRows naive = NaiveParser(text, layout.dialect, layout.columns == 1).Parse();
    for (const OnError on_error : {OnError::kFail, OnError::kSkipRow}) {
      layout.dialect.on_error = on_error;
      Reading whole, ranges, counted;
      const Status read_whole = ReadRows(OpenAt(text, layout, 0).get(), &rng, &whole);
      const Status read_ranges = ReadInRanges(text, layout, false, &rng, &ranges);
      const Status read_counted = ReadInRanges(text, layout, true, &rng, &counted);
      const std::string error =
          on_error == OnError::kFail ? FirstError(naive, layout.columns) : naive.end;
      ASSERT_EQ(read_whole.ok(), error.empty()) << read_whole.message();
      ASSERT_EQ(read_whole.message().substr(0, error.size()), error);
      ASSERT_EQ(read_ranges.message(), read_whole.message());
      ASSERT_EQ(read_counted.message(), read_whole.message());
      ASSERT_EQ(whole.rows, ranges.rows);
      if (on_error == OnError::kFail && !error.empty()) continue;
      const Reading expected = Expected(naive, layout.columns);
      ASSERT_EQ(whole.rows, expected.rows);
      if (!error.empty()) continue;
      ASSERT_EQ(counted.num_rows, expected.num_rows);
      ASSERT_EQ(whole.rejected, expected.rejected);
      ASSERT_EQ(ranges.rejected, expected.rejected);
    }
  }
}

TEST(RowScannerTest, CountsRowsOfAnyWidthUnlessOneIsOdd) {
  for (const int columns : {1, 2, 5, 31, 63, 64, 65, 129, 200}) {
    for (const int odd_fields : {columns - 1, columns, columns + 1, 2 * columns}) {
      std::string text;
      for (int row = 0; row < 300; ++row) {
        const int fields = row == 217 ? odd_fields : columns;
        for (int i = 0; i < fields; ++i)
          text += std::string(i == 0 ? "" : ",") + (i % 7 ? "" : "ab");
        text += '\n';
      }
      if (odd_fields == 0) continue;
      Layout layout{{}, columns, static_cast<int64_t>(text.size()), 1000};
      SCOPED_TRACE(fmt::format("{} columns, {} in one row", columns, odd_fields));
      const auto counted = CountAt(text, layout, 0, 0).ValueOrDie();
      ASSERT_EQ(counted.has_value(), odd_fields == columns);
      if (counted.has_value()) {
        ASSERT_EQ(counted->num_rows, 300);
      }
    }
  }
}

}  // namespace
}  // namespace headrace::csv
