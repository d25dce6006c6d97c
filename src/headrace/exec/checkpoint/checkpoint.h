// Checkpoints of streaming jobs: per epoch a folder of state files, and one manifest whose rename
// is the commit point. docs/formats/state.md gives the bytes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/exec/spill/state_file.h"
#include "headrace/io/vfs.h"

namespace headrace {

using SplitPositions = std::vector<std::pair<int64_t, std::string>>;

/// Writes the state of one epoch under `<directory>/epoch-<n>/`. One thread. Until Commit a restart
/// ignores it.
class CheckpointWriter {
 public:
  /// `plan_hash` tells whether a later job may load this state.
  static Result<std::unique_ptr<CheckpointWriter>> Make(Vfs& vfs, std::string directory,
                                                        int64_t epoch, uint64_t plan_hash,
                                                        arrow::MemoryPool* pool);
  /// A file for the states of all lanes of one operator; EndOperator closes and syncs it.
  Result<StateWriter*> BeginOperator(int operator_id);
  Status EndOperator();
  void AddPositions(int scan_id, const SplitPositions& positions);
  /// Publishes the manifest, then removes older epochs. Idempotent.
  Status Commit();

  int64_t epoch() const { return epoch_; }

 private:
  CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch, uint64_t plan_hash,
                   arrow::MemoryPool* pool);

  Vfs& vfs_;
  const std::string directory_;
  const int64_t epoch_;
  const uint64_t plan_hash_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<StateWriter> open_;
  std::vector<int> operators_;
  std::map<int, SplitPositions> positions_;
};

/// The committed epoch of a directory. Immutable, thread safe.
class CheckpointReader {
 public:
  /// Null when nothing was committed. kBadData when the manifest is damaged; kStale when it belongs
  /// to another plan. Folders of other epochs (prepared, never committed) are removed.
  static Result<std::unique_ptr<CheckpointReader>> OpenLatest(Vfs& vfs, std::string directory,
                                                              uint64_t plan_hash);
  int64_t epoch() const { return epoch_; }
  Result<std::unique_ptr<StateReader>> OpenOperator(int operator_id, arrow::MemoryPool* pool) const;
  SplitPositions Positions(int scan_id) const;

 private:
  CheckpointReader(Vfs& vfs, std::string directory) : vfs_(vfs), directory_(std::move(directory)) {}
  Status Parse(const std::string& manifest, uint64_t plan_hash);
  Status RemoveOtherEpochs() const;

  Vfs& vfs_;
  const std::string directory_;
  int64_t epoch_ = 0;
  std::map<int, SplitPositions> positions_;
};

}  // namespace headrace
