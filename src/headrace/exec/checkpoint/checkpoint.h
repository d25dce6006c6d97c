// Checkpoints of streaming jobs: per epoch a folder of state files, and one manifest whose rename
// is the commit point. It names the files of every part of the state, also those that earlier
// epochs have written. docs/formats/state.md gives the bytes.
#pragma once

#include <functional>
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

/// The files of a part, the oldest first: paths in the directory of the checkpoint.
using PartPlaces = std::vector<std::string>;

/// Writes the state of one epoch under `<directory>/epoch-<n>/`: query by query, part by part. One
/// thread at a time: Commit, which waits for the disk, may be called on another. Until then a
/// restart ignores it.
class CheckpointWriter {
 public:
  static Result<std::unique_ptr<CheckpointWriter>> Make(Vfs& vfs, std::string directory,
                                                        int64_t epoch, arrow::MemoryPool* pool);
  ~CheckpointWriter();
  /// What comes next belongs to this query. `plan_hash` tells whether a later one may load it;
  /// `ended`: it has nothing more to read.
  void BeginQuery(const std::string& name, uint64_t plan_hash, bool ended);
  /// One part of the state, in one file; without sections there is none. EndPart gives its place,
  /// for KeepPart in the epochs that follow.
  Result<StateWriter*> BeginPart(const std::string& part);
  PartPlaces EndPart();
  /// These files of the part stay where the last epoch had them.
  void KeepPart(const std::string& part, PartPlaces places);
  /// One more file of the part, behind those kept; Commit has `write` fill it. Gives its place.
  std::string AddFile(const std::string& part, std::function<Status(StateWriter&)> write);
  void AddPositions(int scan_id, const SplitPositions& positions);
  /// Writes what is left to write, syncs all files, publishes the manifest, then removes the files
  /// of older epochs that it does not name. Once.
  Status Commit();

  int64_t epoch() const { return epoch_; }

 private:
  struct QueryState {
    std::string name;
    uint64_t plan_hash = 0;
    bool ended = false;
    std::map<std::string, PartPlaces> parts;
    std::map<int, SplitPositions> positions;
  };
  struct LaterFile {
    std::string place;
    std::function<Status(StateWriter&)> write;
  };
  CheckpointWriter(Vfs& vfs, std::string directory, int64_t epoch, arrow::MemoryPool* pool);
  Status WriteFiles();
  std::string ManifestText() const;

  Vfs& vfs_;
  const std::string directory_;
  const int64_t epoch_;
  arrow::MemoryPool* const pool_;
  class PartWriter;

  std::unique_ptr<PartWriter> open_;
  std::string open_part_;
  std::vector<std::unique_ptr<PartWriter>> unsynced_;
  std::vector<LaterFile> later_;
  std::vector<QueryState> queries_;
};

/// What a checkpoint holds of one query. Immutable, thread safe.
class QueryCheckpoint {
 public:
  uint64_t plan_hash() const { return plan_hash_; }
  bool ended() const { return ended_; }
  /// kNotFound when the query had no such part, or a file of it is gone.
  Result<std::vector<std::unique_ptr<StateReader>>> OpenFiles(const std::string& part,
                                                              arrow::MemoryPool* pool) const;
  /// The same of a part that is one file; kBadData when there are more.
  Result<std::unique_ptr<StateReader>> OpenPart(const std::string& part,
                                                arrow::MemoryPool* pool) const;
  /// The places of what OpenFiles opens.
  Result<PartPlaces> Places(const std::string& part) const;
  SplitPositions Positions(int scan_id) const;
  /// Of all scans.
  const std::map<int, SplitPositions>& positions() const { return positions_; }
  struct Part {
    std::string name;
    std::vector<int64_t> file_bytes;  // of each of its files
  };
  /// What OpenFiles can open, by name.
  Result<std::vector<Part>> Parts() const;

 private:
  friend class CheckpointReader;
  Vfs* vfs_ = nullptr;
  std::string directory_;
  std::map<std::string, PartPlaces> parts_;
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
