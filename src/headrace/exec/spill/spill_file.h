// SpillFile: a state file in the query's spill space that goes away with its owner.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {

/// Written by one thread, then sealed, then read by many. Dropping it, at any point, closes and
/// removes the file. Bytes are charged to the spill space and counted in the operator's metrics.
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
  const std::vector<StateSection>& sections() const { return sections_; }

 private:
  SpillFile(const OperatorContext& context, std::unique_ptr<StateWriter> writer);
  Status ChargeWritten();

  SpillSpace& space_;
  Vfs& vfs_;
  arrow::MemoryPool* const pool_;
  OperatorMetrics* const metrics_;
  const std::string path_;
  std::unique_ptr<StateWriter> writer_;  // null when sealed
  std::vector<StateSection> sections_;
  int64_t charged_ = 0;
  std::mutex mutex_;
  std::unique_ptr<StateReader> reader_;  // guarded by mutex_ until set
};

}  // namespace headrace
