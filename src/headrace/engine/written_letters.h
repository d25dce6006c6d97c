// WrittenLetters: which bad records of its sources a job has written down. Every scan decodes its
// stream itself and hands in what it cannot; the file of dead letters has each record once.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "headrace/exec/checkpoint/checkpoint.h"
#include "headrace/table/dead_letters.h"

namespace headrace {

/// A record that a scan hands in for the n-th time is new when no other did so n times: it may
/// stand again at its place, in a file that was cut. Counts belong to the positions of the scans in
/// a checkpoint. Of the thread of its job.
class WrittenLetters {
 public:
  /// Records that are remembered; when there are more, scans that lie as many bad records behind
  /// another hand in letters that are written again.
  static constexpr size_t kRecordsMaxDefault = size_t{1} << 18;
  explicit WrittenLetters(size_t num_queries, size_t records_max = kRecordsMaxDefault)
      : records_max_(records_max), parts_(num_queries) {}

  /// Notes the letter; whether it is to be written.
  bool Note(size_t query, const DeadLetter& letter);
  /// A part of the checkpoint of the query.
  Status Save(size_t query, CheckpointWriter& writer);
  /// Of a query that goes on.
  Status Restore(size_t query, const QueryCheckpoint& saved, arrow::MemoryPool* pool);
  /// Of one that does not: what it had written stays written. The parts of all others tell it too.
  Status RestoreGivenUp(const QueryCheckpoint& saved, arrow::MemoryPool* pool);

 private:
  struct Count {
    size_t query;
    int scan;
    int64_t letters;
  };
  struct SavedPart {
    bool is_saved = false;
    PartPlaces places;
  };
  Count& CountOf(uint64_t record, size_t query, int scan);
  /// Calls `take` with the record, scan and count of every row.
  template <typename Take>
  static Status ReadPart(const QueryCheckpoint& saved, arrow::MemoryPool* pool, const Take& take);
  void AddGivenUp(uint64_t record, int64_t letters);

  const size_t records_max_;
  std::vector<SavedPart> parts_;  // of the queries, as they are in the last checkpoint
  std::unordered_map<uint64_t, std::vector<Count>> records_;
  std::deque<uint64_t> order_;  // in which they came
};

}  // namespace headrace
