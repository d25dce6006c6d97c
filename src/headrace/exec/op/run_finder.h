// RunFinder: where rows that follow one another begin to differ in some columns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/op/window/window_frames.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// One thread. Without columns all rows are one run.
class RunFinder {
 public:
  static Result<RunFinder> Make(const arrow::Schema& schema, const std::vector<int>& columns);

  /// starts[row] = 1 where a row of a compacted batch begins a run; the first row does.
  Status Find(const Batch& rows, arrow::MemoryPool* pool, std::vector<uint8_t>* starts);
  /// The same for rows behind those of the call before: the first row begins a run where it differs
  /// from the last one. REQUIRES: `rows` is not empty.
  Status FindNext(const Batch& rows, arrow::MemoryPool* pool, std::vector<uint8_t>* starts);
  /// The runs of rows behind those of the call before; `goes_on`: the first is the last one of it.
  /// REQUIRES: `rows` is not empty.
  Result<RunBegins> NextRuns(const Batch& rows, arrow::MemoryPool* pool, bool* goes_on);
  /// What FindNext compares with goes.
  void Forget() { last_.reset(); }

 private:
  struct Key {
    uint64_t value = 0;
    uint8_t is_null = 0;
    std::string bytes;
    bool operator==(const Key&) const = default;
  };
  Key KeyAt(int64_t row) const;

  std::optional<KeyEncoder> encoder_;
  EncodedKeys keys_;
  std::optional<Key> last_;
};

/// The rows that `starts` marks, and the number of rows.
RunBegins BeginsOf(const std::vector<uint8_t>& starts);

}  // namespace headrace
