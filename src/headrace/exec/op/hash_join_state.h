// What the operators of a hash join hand to each other: rows of the built side, and files of rows
// by key group.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "headrace/exec/op/hash_join.h"
#include "headrace/exec/op/hash_join_table.h"
#include "headrace/exec/op/join_matcher.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// Writes rows, with their places in two columns more, as sections of their key groups. One lane.
class KeyGroupWriter {
 public:
  explicit KeyGroupWriter(SchemaPtr schema);

  /// Keeps rows until Flush. `hashes` beside the rows; the places are from the batch's ordinal.
  void Add(Batch rows, std::vector<uint64_t> hashes);
  int64_t held_bytes() const { return held_bytes_; }
  /// Writes what is held.
  Status Flush(const OperatorContext& context);
  /// The sealed file; null when nothing was written.
  Result<std::shared_ptr<SpillFile>> Take();

 private:
  Result<Batch> WithPlaces(arrow::MemoryPool* pool) const;

  const SchemaPtr schema_;  // with the places
  std::vector<Batch> batches_;
  std::vector<uint64_t> hashes_;
  int64_t held_bytes_ = 0;
  std::unique_ptr<SpillFile> file_;
};

/// Rows of the built side that lanes kept or wrote. Its parts are those of the table to be built,
/// or the lanes whose rows are still to be written.
class HashJoinPieces final : public GlobalState {
 public:
  explicit HashJoinPieces(HashJoinTermsPtr terms) : terms_(std::move(terms)) {}

  void Add(std::vector<JoinChunk> chunks, Reservation reservation, std::shared_ptr<SpillFile> file,
           JoinNullKeys null_keys);
  Status Seal(const OperatorContext& context) override;
  int64_t num_parts() const override;

  bool is_spilled() const { return !files_.empty(); }
  const JoinNullKeys& null_keys() const { return null_keys_; }
  const std::shared_ptr<JoinTable>& table() const { return table_; }
  /// Rows of a lane that are still in memory although others were written.
  std::vector<JoinChunk> TakeLane(int64_t lane, Reservation* reservation);
  void AddFile(std::shared_ptr<SpillFile> file);
  const std::vector<std::shared_ptr<SpillFile>>& files() const { return files_; }

 private:
  struct Lane {
    std::vector<JoinChunk> chunks;
    Reservation reservation;
  };

  const HashJoinTermsPtr terms_;
  std::mutex mutex_;
  std::vector<Lane> lanes_;
  std::vector<std::shared_ptr<SpillFile>> files_;
  JoinNullKeys null_keys_;
  std::shared_ptr<JoinTable> table_ = std::make_shared<JoinTable>(terms_);
};

/// What is left when the probe has ended. Its parts are key groups, or one for the built rows
/// without a match.
class HashJoinRest final : public GlobalState {
 public:
  HashJoinRest(HashJoinTermsPtr terms, std::shared_ptr<HashJoinPieces> pieces)
      : pieces_(std::move(pieces)), terms_(std::move(terms)) {}

  int64_t num_parts() const override;
  HashJoinPieces& pieces() const { return *pieces_; }
  void AddProbeFile(std::shared_ptr<SpillFile> file);
  const std::vector<std::shared_ptr<SpillFile>>& probe_files() const { return probe_files_; }

 private:
  const std::shared_ptr<HashJoinPieces> pieces_;
  const HashJoinTermsPtr terms_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<SpillFile>> probe_files_;
};

/// `schema` and two int64 columns more: the place of a row.
SchemaPtr WithPlaceColumns(const arrow::Schema& schema);

}  // namespace headrace
