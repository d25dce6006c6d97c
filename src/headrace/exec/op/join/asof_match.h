// AsofMatcher: what an as-of join keeps of its right side, and the match of each left row in it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/exec/op/join/asof_times.h"
#include "headrace/exec/op/row_store.h"

namespace headrace {

/// Rows of one batch of one side: codes of their times up to the first null, and the numbers of
/// their keys.
struct AsofRows {
  std::vector<int64_t> times;
  std::vector<uint32_t> keys;
  int64_t num_rows() const { return static_cast<int64_t>(keys.size()); }
};

struct ChunkLimits {
  int64_t rows = 0;
  int64_t bytes = 0;
};

/// One lane's. Left rows are matched in order; right batches are added when Match asks for more.
class AsofMatcher {
 public:
  virtual ~AsofMatcher() = default;
  AsofMatcher(const AsofMatcher&) = delete;
  AsofMatcher& operator=(const AsofMatcher&) = delete;

  /// Keeps a decoded right batch. Numbers of keys, of either side, are below `num_keys`.
  virtual void Add(const Batch& batch, AsofRows rows, int64_t num_keys) = 0;
  /// No more right batches come.
  void EndRight() { right_ended_ = true; }

  /// Appends the matches of left rows from `row` on (no row: unmatched), and gives the first left
  /// row whose match depends on right rows still to come.
  virtual int64_t Match(const AsofRows& left, int64_t row, std::vector<RowRef>* matches) = 0;

  /// Frees right rows that no left row still to be matched can reach. Earlier matches get invalid.
  /// Rows may be copied together, in chunks of `limits`, which takes as much memory again as they
  /// have; without limits only whole chunks are freed.
  virtual Status Trim(const ChunkLimits* limits, arrow::MemoryPool* pool) = 0;

  const RowStore& rows() const { return store_; }
  /// Memory held.
  int64_t bytes() const { return row_bytes_ + IndexBytes(); }
  /// Memory held at most after Add of such a batch.
  virtual int64_t BytesToAdd(const Batch& batch, int64_t num_keys) const = 0;

 protected:
  AsofMatcher(const arrow::Schema& right_schema, AsofRule rule)
      : rule_(rule), store_(right_schema) {}
  virtual int64_t IndexBytes() const = 0;

  int32_t Keep(const Batch& batch);
  void Drop(int32_t chunk);

  const AsofRule rule_;
  bool right_ended_ = false;
  RowStore store_;
  std::vector<int64_t> bytes_of_chunk_;
  int64_t row_bytes_ = 0;
};

/// The last right row at or before the left time. Keeps the last row of each key among the right
/// rows before the left row in work, and one right batch: O(keys + batch).
std::unique_ptr<AsofMatcher> MakeBackwardMatcher(const arrow::Schema& right_schema, AsofRule rule);
/// The first right row at or after the left time. Keeps the right rows between the time of the left
/// row in work and its match: a batch or so when every key comes often, but all of the right side
/// for a key that never comes, unless there is a tolerance.
std::unique_ptr<AsofMatcher> MakeForwardMatcher(const arrow::Schema& right_schema, AsofRule rule);

}  // namespace headrace
