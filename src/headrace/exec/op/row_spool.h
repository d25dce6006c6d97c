// RowSpool: batches that wait in their order, in memory or in spill files.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// A queue. One thread.
class RowSpool {
 public:
  /// Batches are of `schema` up to encoding; `stem` is the start of the names of files.
  RowSpool(const OperatorContext& context, SchemaPtr schema, const char* stem);

  /// Puts a compacted, decoded batch behind the others; 0, or the bytes that were not granted.
  int64_t TryPush(const Batch& rows);
  /// The first one goes: into `rows`; 0, or the bytes that were not granted, and it stays.
  /// REQUIRES: !empty().
  Result<int64_t> TryPop(Batch* rows);
  /// Writes what is in memory; gives the bytes that this freed.
  Result<int64_t> Spill();

  bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    std::optional<Batch> rows;  // none: in the file
    std::shared_ptr<SpillFile> file;
    size_t section = 0;
    int64_t bytes = 0;
  };

  const OperatorContext& context_;
  const SchemaPtr schema_;
  const char* const stem_;
  Reservation reservation_;  // of what is in memory, and of the batch popped last
  int64_t popped_bytes_ = 0;
  std::deque<Waiting> waiting_;
  std::shared_ptr<SpillFile> writing_;  // null: none is open
  size_t sections_ = 0;                 // of it
};

}  // namespace headrace
