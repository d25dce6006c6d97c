// SpillFile: a state file in the query's spill space that goes away with its owner.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_io.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {

/// Written by one thread, then sealed, then read by many. Dropping it, at any point, closes and
/// removes the file. On this machine's disks writing goes on in the background: an error may come
/// with a later call, at the latest with Seal. Bytes are charged to the spill space and counted in
/// the operator's metrics.
class SpillFile {
 public:
  /// `stem` is the start of the file's name.
  static Result<std::unique_ptr<SpillFile>> Make(const OperatorContext& context,
                                                 std::string_view stem);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  Status Write(int key_group, const arrow::RecordBatch& batch);
  /// Ends writing. Idempotent.
  Status Seal();

  /// REQUIRES: sealed. Thread safe; the file is opened at the first read.
  Result<std::shared_ptr<arrow::RecordBatch>> Read(const StateSection& section);
  /// Starts to read the bytes of a section that will be read once, unless that was begun before;
  /// they are the caller's to reserve. Does nothing where files are not on this machine's disks.
  void ReadAhead(size_t section);
  const std::vector<StateSection>& sections() const { return sections_; }

 private:
  struct Ahead;

  SpillFile(const OperatorContext& context, std::shared_ptr<SpillIo> io,
            std::unique_ptr<StateWriter> writer);
  Status ChargeWritten();
  std::shared_ptr<Ahead> TakeAhead(const StateSection& section);

  SpillSpace& space_;
  Vfs& vfs_;
  arrow::MemoryPool* const pool_;
  OperatorMetrics* const metrics_;
  const std::string path_;
  const std::shared_ptr<SpillIo> io_;    // null: files are written and read where it is asked for
  std::unique_ptr<StateWriter> writer_;  // null when sealed
  std::vector<StateSection> sections_;
  int64_t charged_ = 0;
  std::mutex mutex_;
  std::shared_ptr<StateReader> reader_;  // guarded by mutex_ until set
  int64_t ahead_end_ = 0;                // sections before this offset were read or begun
  std::map<int64_t, std::shared_ptr<Ahead>> ahead_;  // by offset; guarded by mutex_
};

}  // namespace headrace
