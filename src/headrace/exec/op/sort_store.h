// SortStore: the sorted runs of a lane or of all lanes, and the moving of runs in memory to disk.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "headrace/exec/op/sort_bound.h"
#include "headrace/exec/op/sort_merge.h"
#include "headrace/exec/op/sort_parts.h"

namespace headrace {

/// What all parts of one sort are told.
struct SortTerms {
  SchemaPtr schema;
  SortKeyEncoder encoder;
};

/// Writes what a merger gives as one run, a block a step.
class RunWriter {
 public:
  static Result<std::unique_ptr<RunWriter>> Make(const OperatorContext& context,
                                                 const SortTerms& terms, SortMerger merger);
  /// False: there is nothing more to write, and the run can be taken.
  Result<bool> Step();
  SpilledRun TakeRun() { return std::move(run_); }
  int64_t released_bytes() const { return merger_.released_bytes(); }

 private:
  RunWriter(const SortTerms& terms, SortMerger merger, int64_t block_bytes,
            arrow::MemoryPool* pool);
  Status WriteBlock(const SortedBlock& block);

  const SchemaPtr schema_;
  SortMerger merger_;
  const int64_t block_bytes_;
  arrow::MemoryPool* const pool_;
  SpilledRun run_;
};

/// Not thread safe.
class SortStore {
 public:
  explicit SortStore(SortTerms terms) : terms_(std::move(terms)) {}

  void AddMemory(MemoryRun run) { memory_.push_back(std::move(run)); }
  void AddSpilled(SpilledRun run) { spilled_.push_back(std::move(run)); }
  void Absorb(SortStore&& other);

  /// Writes runs in memory to disk until `bytes` are free, or there are none; gives the bytes
  /// freed.
  Result<int64_t> Reclaim(int64_t bytes, const OperatorContext& context);
  /// A reclaim stopped in the middle of a run: its other rows cannot be read before it is whole.
  bool is_writing() const { return !writers_.empty(); }
  Status WriteStep();

  bool has_memory() const { return !memory_.empty(); }
  bool has_spilled() const { return !spilled_.empty(); }
  int64_t memory_bytes() const;
  /// Shortest first.
  const std::vector<SpilledRun>& OrderedSpilled();
  /// Takes the `count` shortest spilled runs to be merged into one. `buffers` holds their
  /// merge_bytes.
  Result<std::unique_ptr<RunWriter>> MergeShortest(size_t count, Reservation buffers,
                                                   const OperatorContext& context);
  std::vector<MemoryRun> TakeMemory() { return std::exchange(memory_, {}); }
  std::vector<SpilledRun> TakeSpilled() { return std::exchange(spilled_, {}); }
  const SortTerms& terms() const { return terms_; }

 private:
  SortTerms terms_;
  std::vector<MemoryRun> memory_;
  std::vector<SpilledRun> spilled_;
  std::vector<std::unique_ptr<RunWriter>> writers_;
};

/// What the lanes of a sort hand over and its output takes.
class SortGlobal final : public GlobalState {
 public:
  explicit SortGlobal(SchemaPtr schema, Ordering keys)
      : schema_(std::move(schema)), keys_(std::move(keys)) {}

  Status Absorb(SortStore&& store, const OperatorContext& context);
  /// What is all in memory is cut into parts.
  Status Seal(const OperatorContext& context) override;
  int64_t num_parts() const override { return num_parts_; }
  /// The rows of a part: slices of blocks, or all that is left, or none: it went with one before.
  struct Part {
    std::vector<BlockSlice> slices;
    std::optional<SortStore> store;
  };
  Result<Part> Take(int64_t part);
  Result<int64_t> Reclaim(int64_t bytes) override;
  SortBound& bound() { return bound_; }

 private:
  const SchemaPtr schema_;
  const Ordering keys_;
  SortBound bound_;
  int64_t num_parts_ = 1;  // set by Seal
  std::mutex mutex_;       // guards all below
  std::optional<SortStore> store_;
  std::optional<SortParts> parts_;
  int64_t store_part_ = 0;                  // the part that gets store_
  std::optional<OperatorContext> context_;  // of a lane
};

/// About what a block takes: small enough that a merge of many runs fits the budget.
int64_t SortBlockBytes(const MemoryBudget& budget);

}  // namespace headrace
