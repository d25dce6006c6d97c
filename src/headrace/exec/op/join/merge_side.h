// MergeSide: the rows of one side of a merge join, a batch at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/types/batch.h"

namespace headrace {

/// A cursor over sorted rows that come in batches. Keys of both sides of a join compare as bytes.
/// One thread; its owner charges the memory.
class MergeSide {
 public:
  /// `nulls_match` goes beside `order`.
  static Result<MergeSide> Make(const arrow::Schema& schema, const Ordering& order,
                                std::vector<bool> nulls_match);

  /// Starts with the first row of a compacted, decoded batch. REQUIRES: !has_row().
  Status Take(const Batch& rows, arrow::MemoryPool* pool);
  /// What a batch takes with its keys.
  static int64_t BytesToTake(const Batch& rows) { return 2 * rows.num_bytes(); }
  void End() { has_ended_ = true; }

  bool has_ended() const { return has_ended_; }
  bool has_row() const { return next_ < keys_.num_rows; }
  /// Of the rows that were taken, some may still be referred to: no batch may be taken.
  bool has_chunk() const { return chunk_ >= 0; }

  std::string_view key() const { return keys_[next_]; }
  /// The key has a null that matches nothing.
  bool is_unmatched() const { return !unmatched_.empty() && unmatched_[Index(next_)] != 0; }
  int64_t next() const { return next_; }
  int64_t num_rows() const { return keys_.num_rows; }
  RowRef RefOf(int64_t row) const { return {chunk_, static_cast<int32_t>(row)}; }
  void GoTo(int64_t row) { next_ = row; }

  /// The first row from here on whose key is not below `key`, or above it; num_rows(): none.
  int64_t FirstNotBelow(std::string_view key) const;
  int64_t FirstAbove(std::string_view key) const;

  /// The rows, also those of chunks that others keep.
  RowStore& rows() { return rows_; }
  /// The batch is done: forgets its rows, or leaves them to the caller, who removes the chunk.
  void Drop();
  int32_t GiveChunk();

 private:
  MergeSide(const arrow::Schema& schema, SortKeyEncoder encoder, std::vector<int> never_null)
      : encoder_(std::move(encoder)), never_null_(std::move(never_null)), rows_(schema) {}

  static size_t Index(int64_t row) { return static_cast<size_t>(row); }
  template <typename IsBehind>
  int64_t FirstThat(IsBehind is_behind) const;

  SortKeyEncoder encoder_;
  std::vector<int> never_null_;  // columns whose nulls match nothing
  RowStore rows_;
  int32_t chunk_ = -1;
  SortKeys keys_;
  std::vector<uint8_t> unmatched_;  // per row; empty: none
  int64_t next_ = 0;
  bool has_ended_ = false;
};

}  // namespace headrace
