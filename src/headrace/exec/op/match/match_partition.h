// MatchPartition: the rows of a partition that matches may still need, and the search under way.
#pragma once

#include <memory>
#include <vector>

#include "headrace/exec/op/match/match_attempt.h"
#include "headrace/exec/op/row_store.h"

namespace headrace {

/// Rows are numbered from 0 in the partition. Moves, does not copy.
struct MatchPartition {
  struct Row {
    RowRef ref;
    uint64_t variables = 0;  // see MatchRowsView::VariablesOf
    int64_t span_value = 0;  // of the span's column, where there is one
  };

  std::vector<Row> rows;
  size_t head = 0;    // rows[head] is the first that is kept
  int64_t first = 0;  // its number
  int64_t seen = 0;   // rows that the search may look at
  bool is_over = false;
  int64_t start = 0;       // where the next match is looked for
  int64_t matched_to = 0;  // behind the last row of a match
  int64_t matches = 0;
  std::unique_ptr<MatchAttempt> attempt;
  int64_t counted_bytes = 0;  // as its owner has counted them

  int64_t end() const { return first + static_cast<int64_t>(rows.size() - head); }
  bool Has(int64_t row) const { return row >= first && row < end(); }
  Row& At(int64_t row) { return rows[head + static_cast<size_t>(row - first)]; }
  const Row& At(int64_t row) const { return rows[head + static_cast<size_t>(row - first)]; }
  /// No row where it is in front of the partition, behind it, or not yet seen.
  RowRef RefOf(int64_t row) const {
    return row >= first && row < seen && row < end() ? At(row).ref : RowRef();
  }
  /// Rows before `row` are not needed any more: they go to `dropped`.
  void DropBefore(int64_t row, std::vector<RowRef>* dropped);
  int64_t bytes() const {
    return static_cast<int64_t>(rows.capacity() * sizeof(Row)) +
           (attempt == nullptr ? 0 : attempt->bytes());
  }
};

}  // namespace headrace
