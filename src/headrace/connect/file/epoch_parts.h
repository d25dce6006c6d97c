// EpochParts: the hidden files beside a sink's file that hold what is written and not published.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/format/file_sink.h"
#include "headrace/io/vfs.h"

namespace headrace {

/// The rows of one epoch, synced under ".<name>.epoch-<epoch>.<rows>.part".
struct EpochPart {
  int64_t epoch = 0;
  int64_t rows = 0;
  std::string path;
};

/// One thread.
class EpochParts {
 public:
  EpochParts(Vfs& vfs, const std::string& path);
  ~EpochParts();

  /// Appends to the part that is open; opens it when there is none.
  Status Write(const arrow::RecordBatch& batch, const MakeEncoder& make, arrow::MemoryPool* pool);
  /// What was written since the last one is durable under the epoch's name. Nothing written: no
  /// part.
  Status Prepare(int64_t epoch);
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
};

}  // namespace headrace
