// Reads batches that are in memory: projection, slices of the size asked for, limit, position.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "headrace/table/source.h"

namespace headrace {

/// Rows [begin, end) of a table of compacted batches; `starts[i]` is the first row of batch i, and
/// starts.back() the row count.
struct RowRange {
  std::shared_ptr<const std::vector<Batch>> batches;
  std::shared_ptr<const std::vector<int64_t>> starts;
  int64_t begin = 0;
  int64_t end = 0;
  /// Every batch is preceded by one Pending with its wake, as a slow stream would do.
  bool pending_before_batches = false;
};

/// Its Position() is the number of the next row, as text.
Result<std::unique_ptr<SplitReader>> OpenRowRange(RowRange range, const ScanRequest& request,
                                                  const ReadContext& context);

/// kInternal unless `columns` are of `schema`.
Status CheckColumns(std::span<const int> columns, const arrow::Schema& schema);
/// How many rows of the front of `batch` have `bytes` at most, from 1 to `rows_max`; dictionaries,
/// which do not get smaller by slicing, do not count.
int64_t RowsThatFit(const Batch& batch, int64_t rows_max, int64_t bytes);

/// A position written by this room's readers; kInvalidArgument when it is none.
Result<int64_t> ParsePosition(std::string_view text);

}  // namespace headrace
