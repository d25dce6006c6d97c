// SortStore: the sorted runs of a lane or of all lanes, and the moving of runs in memory to disk.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/exec/op/sort/sort_merge.h"

namespace headrace {

/// Writes what a merger gives as one run, a block a step.
class RunWriter {
 public:
  /// `merger` gives places.
  static Result<std::unique_ptr<RunWriter>> Make(const OperatorContext& context,
                                                 const SortTerms& terms, SortMerger merger);
  /// False: there is nothing more to write, and the run can be taken.
  Result<bool> Step();
  /// Steps until nothing is left.
  Status WriteAll();
  /// Ends the run with what was written so far and gives what is left of the runs in memory.
  Result<std::vector<MemoryRun>> Stop();
  SpilledRunPtr TakeRun() { return std::move(run_); }
  int64_t released_bytes() const { return merger_.released_bytes(); }

 private:
  RunWriter(std::unique_ptr<SpilledRun> run, SortMerger merger, int64_t block_bytes)
      : merger_(std::move(merger)), block_bytes_(block_bytes), run_(std::move(run)) {}

  SortMerger merger_;
  const int64_t block_bytes_;
  std::shared_ptr<SpilledRun> run_;
};

/// A writer of the rows of runs in memory.
Result<std::unique_ptr<RunWriter>> SpillRuns(std::vector<MemoryRun> runs, const SortTerms& terms,
                                             const OperatorContext& context);

/// Not thread safe.
class SortStore {
 public:
  explicit SortStore(SortTerms terms) : terms_(std::move(terms)) {}

  void AddMemory(MemoryRun run) { memory_.push_back(std::move(run)); }
  /// REQUIRES: `other` writes nothing.
  void Absorb(SortStore&& other);

  /// Writes runs in memory to disk until `bytes` are free, or there are none; gives the bytes
  /// freed.
  Result<int64_t> Reclaim(int64_t bytes, const OperatorContext& context);
  /// Forgets rows in memory whose keys are above `bound`; gives the bytes freed.
  int64_t DropAbove(std::string_view bound);
  /// Ends the run that a reclaim has left unfinished.
  Status StopWriting();

  bool has_spilled() const { return !spilled_.empty(); }
  /// In memory, of all runs.
  int64_t bytes() const;
  /// Of any block on disk.
  int64_t block_bytes_max() const;
  std::vector<MemoryRun> TakeMemory() { return std::exchange(memory_, {}); }
  std::vector<SpilledRunPtr> TakeSpilled() { return std::exchange(spilled_, {}); }
  const SortTerms& terms() const { return terms_; }

 private:
  SortTerms terms_;
  std::vector<MemoryRun> memory_;
  std::vector<SpilledRunPtr> spilled_;
  std::unique_ptr<RunWriter> writer_;
};

/// About what a block takes: small enough that a merge of many runs fits the budget.
int64_t SortBlockBytes(const MemoryBudget& budget);

}  // namespace headrace
