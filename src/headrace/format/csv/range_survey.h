// RangeSurvey: what a range of a CSV file does to the ranges behind it, and how many rows it has,
// without keeping a position of any of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "arrow/io/interfaces.h"
#include "arrow/type_fwd.h"
#include "headrace/base/error.h"
#include "headrace/format/csv/dialect.h"
#include "headrace/format/csv/range_chain.h"
#include "headrace/format/csv/structure.h"

namespace headrace::csv {

/// Bytes read behind a range at first: most rows that start in it end there.
inline constexpr int64_t kRangeTailBytes = int64_t{16} << 10;

/// Follows both possible phases at the start of a range, until they agree. Borrows the dialect.
class RangeSurvey {
 public:
  RangeSurvey(const Dialect& dialect, int num_columns)
      : dialect_(dialect), num_columns_(num_columns) {}

  /// The next bytes of the range. REQUIRES: as FindStructure.
  void Add(const char* data, size_t begin, size_t end);
  RangeEffect effect() const;
  /// Rows of the range when it starts outside of quotes; nothing when they must be looked at one
  /// by one.
  std::optional<int64_t> num_rows() const;

 private:
  const Dialect& dialect_;
  const int num_columns_;
  Phase plain_ = Phase::kRowStart;
  Phase quoted_ = Phase::kQuoted;
  Survey survey_;
};

/// Bytes that a count reads at a time: what was copied is still near the core when it is looked at.
inline constexpr int64_t kCountReadBytes = int64_t{256} << 10;

struct CountedRange {
  RangeEffect effect;
  int64_t num_rows;  // when it starts outside of quotes
};

/// Surveys a range as RowScanner::BeginRange has it, in one pass over `stream`, which starts at
/// byte `offset` of a file. Nothing when its rows must be looked at one by one, or a line does not
/// end within `read_bytes`.
Result<std::optional<CountedRange>> CountRange(arrow::io::InputStream& stream, int64_t offset,
                                               const Dialect& dialect, int num_columns,
                                               bool from_start, int64_t length, int64_t read_bytes,
                                               arrow::MemoryPool* pool);

}  // namespace headrace::csv
