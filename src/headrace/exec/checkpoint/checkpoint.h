// Checkpoints of streaming jobs: per epoch a folder of state files, and one manifest whose rename
// is the commit point. It names every part of the state, also those whose files earlier epochs have
// written. docs/formats/state.md gives the bytes.
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
  ~CheckpointWriter();
  /// What comes next belongs to this query. `plan_hash` tells whether a later one may load it;
  /// `ended`: it has nothing more to read.
  void BeginQuery(const std::string& name, uint64_t plan_hash, bool ended);
  /// One part of the state. EndPart syncs and closes its file; a part without sections has none.
  Result<StateWriter*> BeginPart(const std::string& part);
  Status EndPart();
  /// Where the part that was ended last is: for KeepPart in the epochs that follow.
  const std::string& place() const { return place_; }
  /// The part is as it was: it stays where the last epoch had it.
  void KeepPart(const std::string& part, const std::string& place);
  void AddPositions(int scan_id, const SplitPositions& positions);
  /// Publishes the manifest, then removes the files of older epochs that it does not name.
  /// Idempotent.
  Status Commit();

  int64_t epoch() const { return epoch_; }

 private:
  struct QueryState {
    std::string name;
    uint64_t plan_hash = 0;
    bool ended = false;
    std::map<std::string, std::string> parts;  // their places
    std::map<int, SplitPositions> positions;
  };
  CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch, arrow::MemoryPool* pool);

  Vfs& vfs_;
  const std::string directory_;
  const int64_t epoch_;
  arrow::MemoryPool* const pool_;
  class PartWriter;

  std::unique_ptr<PartWriter> open_;
  std::string open_part_;
  std::string place_;  // a path in the directory; "": the part is empty
  bool has_files_ = false;
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
  /// Of all scans.
  const std::map<int, SplitPositions>& positions() const { return positions_; }
  struct Part {
    std::string name;
    int64_t bytes = 0;  // of its file
  };
  /// What OpenPart can open, by name.
  Result<std::vector<Part>> Parts() const;

 private:
  friend class CheckpointReader;
  Vfs* vfs_ = nullptr;
  std::string directory_;
  std::map<std::string, std::string> parts_;  // their places
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
  /// The same, and nothing is removed.
  static Result<std::unique_ptr<CheckpointReader>> Look(Vfs& vfs, std::string directory);
  int64_t epoch() const { return epoch_; }
  /// Null when the checkpoint has no query of this name.
  const QueryCheckpoint* Find(const std::string& name) const;
  /// The names of its queries, sorted.
  std::vector<std::string> QueryNames() const;

 private:
  CheckpointReader(Vfs& vfs, std::string directory) : vfs_(vfs), directory_(std::move(directory)) {}
  Status Parse(const std::string& manifest);
  Status ParseQuery(std::istream& words, QueryCheckpoint** query);
  static Status ParsePart(std::istream& words, QueryCheckpoint* query);
  static Status ParsePosition(std::istream& words, QueryCheckpoint* query);
  Status RemoveOtherEpochs() const;

  Vfs& vfs_;
  const std::string directory_;
  int64_t epoch_ = 0;
  std::map<std::string, QueryCheckpoint> queries_;
};

/// Removes the manifest, then every epoch. Other files of the directory stay.
Status RemoveCheckpoint(Vfs& vfs, const std::string& directory);

}  // namespace headrace
