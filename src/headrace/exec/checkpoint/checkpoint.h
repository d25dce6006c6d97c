// Checkpoints of streaming jobs: per epoch a folder of state files, and one manifest whose rename
// is the commit point. docs/formats/state.md gives the bytes.
#pragma once

#include <iosfwd>
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

/// The state of an operator in a query's part of a checkpoint.
inline std::string OperatorPart(int operator_id) { return fmt::format("operator-{}", operator_id); }

/// Writes the state of one epoch under `<directory>/epoch-<n>/`: query by query, part by part. One
/// thread. Until Commit a restart ignores it.
class CheckpointWriter {
 public:
  static Result<std::unique_ptr<CheckpointWriter>> Make(Vfs& vfs, std::string directory,
                                                        int64_t epoch, arrow::MemoryPool* pool);
  /// What comes next belongs to this query. `plan_hash` tells whether a later one may load it;
  /// `ended`: it has nothing more to read.
  void BeginQuery(const std::string& name, uint64_t plan_hash, bool ended);
  /// A file for one part of the state; EndPart closes and syncs it.
  Result<StateWriter*> BeginPart(const std::string& part);
  Status EndPart();
  void AddPositions(int scan_id, const SplitPositions& positions);
  /// Publishes the manifest, then removes older epochs. Idempotent.
  Status Commit();

  int64_t epoch() const { return epoch_; }

 private:
  struct QueryState {
    std::string name;
    uint64_t plan_hash = 0;
    bool ended = false;
    std::map<int, SplitPositions> positions;
  };
  CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch, arrow::MemoryPool* pool);

  Vfs& vfs_;
  const std::string directory_;
  const int64_t epoch_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<StateWriter> open_;
  std::vector<QueryState> queries_;
};

/// What a checkpoint holds of one query. Immutable, thread safe.
class QueryCheckpoint {
 public:
  uint64_t plan_hash() const { return plan_hash_; }
  bool ended() const { return ended_; }
  /// kNotFound when the query had no such part.
  Result<std::unique_ptr<StateReader>> OpenPart(const std::string& part,
                                                arrow::MemoryPool* pool) const;
  SplitPositions Positions(int scan_id) const;

 private:
  friend class CheckpointReader;
  Vfs* vfs_ = nullptr;
  std::string path_;  // of its files, up to the name of the part
  uint64_t plan_hash_ = 0;
  bool ended_ = false;
  std::map<int, SplitPositions> positions_;
};

/// The committed epoch of a directory. Immutable, thread safe.
class CheckpointReader {
 public:
  /// Null when nothing was committed. kBadData when the manifest is damaged. Folders of other
  /// epochs (prepared, never committed) are removed.
  static Result<std::unique_ptr<CheckpointReader>> OpenLatest(Vfs& vfs, std::string directory);
  int64_t epoch() const { return epoch_; }
  /// Null when the checkpoint has no query of this name.
  const QueryCheckpoint* Find(const std::string& name) const;
  /// The names of its queries, sorted.
  std::vector<std::string> QueryNames() const;

 private:
  CheckpointReader(Vfs& vfs, std::string directory) : vfs_(vfs), directory_(std::move(directory)) {}
  Status Parse(const std::string& manifest);
  Status ParseQuery(std::istream& words, QueryCheckpoint** query);
  Status RemoveOtherEpochs() const;

  Vfs& vfs_;
  const std::string directory_;
  int64_t epoch_ = 0;
  std::map<std::string, QueryCheckpoint> queries_;
};

/// Removes the manifest, then every epoch. Other files of the directory stay.
Status RemoveCheckpoint(Vfs& vfs, const std::string& directory);

}  // namespace headrace
