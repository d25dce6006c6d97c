// OpenRuns: the states of aggregates over the run that is open in each partition, and of runs that
// have ended and were not given yet.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/exec/key/row_blocks.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"

namespace headrace {

/// Partitions are numbered from 0. One thread.
class OpenRuns {
 public:
  OpenRuns(AggregateTermsPtr terms, arrow::MemoryPool* pool);
  ~OpenRuns();
  OpenRuns(const OpenRuns&) = delete;
  OpenRuns& operator=(const OpenRuns&) = delete;

  /// Adds the rows of a batch; row i is of partition partitions[i], which is below
  /// `num_partitions`, and of the run `run`.values[i].
  Status Add(const Batch& rows, const std::vector<uint32_t>& partitions, int64_t num_partitions,
             const EncodedKeys& run);
  /// All open runs end, in the order of their partitions.
  void EndAll();

  /// How many have ended and were not taken.
  int64_t num_ended() const { return static_cast<int64_t>(ended_.size()) - next_ended_; }
  struct Ended {
    std::vector<uint32_t> partitions;
    EncodedKeys run;
    std::vector<ArrayPtr> results;  // a column per call
  };
  /// The next at most `count` of them, in the order in which they ended.
  Result<Ended> TakeEnded(int64_t count);

  /// Memory held; held at most after an Add.
  int64_t bytes() const;
  int64_t BytesToAdd(const Batch& rows, int64_t num_partitions) const;

 private:
  static constexpr uint32_t kNoSlot = 0xffffffffU;

  struct Run {
    uint64_t value = 0;
    uint32_t slot = kNoSlot;
    uint8_t null = 0;
    bool operator==(const Run&) const = default;
  };
  struct EndedRun {
    uint32_t partition;
    Run run;
  };
  std::byte* StateOf(const Run& run) const { return blocks_[run.slot]; }
  uint32_t NewSlot();
  void FindStates(const std::vector<uint32_t>& partitions, const EncodedKeys& run);
  int64_t ExtraBytesToAdd(const Batch& rows) const;
  void CountExtra(const Batch& rows);

  const AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  RowBlocks blocks_;
  uint32_t num_slots_ = 0;
  std::vector<uint32_t> free_;  // slots
  std::vector<Run> runs_;       // per partition
  std::vector<EndedRun> ended_;
  int64_t next_ended_ = 0;
  std::vector<std::byte*> state_of_row_;
  int64_t num_rows_ = 0;
  int64_t extra_bytes_ = 0;    // what states own at most
  int64_t counted_bytes_ = 0;  // what they owned when they were counted
};

}  // namespace headrace
