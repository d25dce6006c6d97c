// RunAggregate: aggregates over runs of rows that follow one another, of which one is open at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "headrace/exec/key/row_blocks.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"
#include "headrace/exec/op/window/window_frames.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// Runs are numbered from 0 as they begin. Holds the states of those that end in one batch, and of
/// the open one. One thread.
class RunAggregate {
 public:
  RunAggregate(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget,
               arrow::MemoryPool* pool);
  ~RunAggregate();
  RunAggregate(const RunAggregate&) = delete;
  RunAggregate& operator=(const RunAggregate&) = delete;

  /// Memory for the next Add; 0, or the bytes that were not granted.
  int64_t TryReserve(const Batch& rows, int64_t runs);
  /// Rows behind those that are there. `begins` are those of the runs among them, and the number of
  /// rows; a run that goes on begins at row 0 by `goes_on`. Gives the results of the runs that have
  /// ended since the last call, a column per call.
  Result<std::vector<ArrayPtr>> Add(const Batch& rows, const RunBegins& begins, bool goes_on);
  /// The same of the open run, which ends. REQUIRES: has_open().
  Result<std::vector<ArrayPtr>> End();
  /// The results of the open run so far.
  Result<std::vector<ArrayPtr>> Open();

  bool has_open() const { return has_open_; }
  /// How many runs have ended.
  int64_t ended() const { return ended_; }

 private:
  Status AddRows(const Batch& rows, const RunBegins& begins, std::span<std::byte* const> states);
  Status AddRun(const std::vector<std::vector<Argument>>& arguments, int64_t begin, int64_t end,
                std::byte* state);
  Result<std::vector<ArrayPtr>> Finish(size_t count);

  const AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  RowBlocks blocks_;
  std::vector<std::byte*> slots_;  // of blocks_; the first one holds the open run
  std::vector<std::byte*> row_states_;
  Reservation reservation_;
  bool has_open_ = false;
  int64_t ended_ = 0;
  int64_t num_rows_ = 0;
};

}  // namespace headrace
