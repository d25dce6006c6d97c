// EpochParts: the hidden files beside a sink's file that hold what is written and not published.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/format/file_sink.h"
#include "headrace/io/vfs.h"

namespace headrace {

/// The rows of one epoch, under ".<name>.epoch-<epoch>.<rows>.part".
struct EpochPart {
  int64_t epoch = 0;
  int64_t rows = 0;
  std::string path;
};

/// Of the thread that writes; but Sync, UpTo and Remove may run on another one while it writes.
class EpochParts {
 public:
  EpochParts(Vfs& vfs, const std::string& path);
  ~EpochParts();

  /// Appends to the part that is open; opens it when there is none.
  Status Write(const arrow::RecordBatch& batch, const MakeEncoder& make, arrow::MemoryPool* pool);
  /// What was written since the last one stands under the epoch's name, durable after Sync, which
  /// comes before the next Prepare. Nothing written: no part.
  Status Prepare(int64_t epoch);
  /// Nothing is done again.
  Status Sync();
  /// Of epochs up to `epoch`, ascending.
  Result<std::vector<EpochPart>> UpTo(int64_t epoch) const;
  Status Remove(const std::vector<EpochPart>& parts);
  /// Removes parts of epochs behind `epoch`, and the open one.
  Status DropBehind(int64_t epoch);
  /// Removes the open part.
  Status Abort();

 private:
  Result<std::vector<EpochPart>> All() const;

  Vfs& vfs_;
  const std::string folder_;
  const std::string prefix_;  // ".<name>."
  std::shared_ptr<WritableFile> file_;
  std::unique_ptr<FileEncoder> encoder_;
  int64_t rows_ = 0;
  std::shared_ptr<WritableFile> unsynced_;  // the file of a part
};

}  // namespace headrace
