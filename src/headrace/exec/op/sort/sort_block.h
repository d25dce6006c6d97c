// SortedBlock: some rows in their final order, and the buffer in which they get that way.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/exec/key/sort_key_encoder.h"
#include "headrace/exec/op/row_store.h"
#include "headrace/exec/op/sort/sort_rows.h"
#include "headrace/memory/budget.h"
#include "headrace/types/batch.h"

namespace headrace {

/// Where rows stand in the input: one after the other, or as two columns say.
struct RowPlaces {
  RowPosition first;
  ArrayPtr splits;  // null: one after the other
  ArrayPtr rows;

  static Result<RowPlaces> Of(std::span<const RowPosition> positions, arrow::MemoryPool* pool);
  bool are_columns() const { return splits != nullptr; }
  RowPosition operator[](int64_t row) const;
  /// The same, of `count` rows, as columns.
  Result<RowPlaces> AsColumns(int64_t count, arrow::MemoryPool* pool) const;
};

/// Rows in key order. Keys end in positions (see SortKeyEncoder), so no two are equal. A block
/// knows the keys of its first and last row, and makes the others when one is asked for; that
/// memory is nobody's, as few blocks are compared at a time. Thread safe.
class SortedBlock {
 public:
  SortedBlock(std::vector<ArrayPtr> columns, int64_t num_rows, RowPlaces places,
              std::shared_ptr<const SortKeyEncoder> encoder, arrow::MemoryPool* pool);

  std::string_view KeyAt(int64_t row) const;
  /// All of them.
  const SortKeys& keys() const;
  /// The same as KeyAt, for few rows of a block that is not compared otherwise.
  std::string KeyOf(int64_t row) const;
  /// Whether the key of a row stands before `key`.
  bool IsBefore(int64_t row, std::string_view key) const;
  const RowPlaces& places() const { return places_; }
  /// About what the key of a row takes.
  int64_t key_bytes() const;

  std::vector<ArrayPtr> columns;  // plain
  int64_t num_rows = 0;
  int64_t bytes = 0;        // with the columns of places
  Reservation reservation;  // none for blocks whose reader holds it

 private:
  void MakeKeys() const;

  RowPlaces places_;
  std::shared_ptr<const SortKeyEncoder> encoder_;
  arrow::MemoryPool* pool_ = nullptr;
  std::string first_key_;
  std::string last_key_;
  mutable std::mutex mutex_;
  mutable std::atomic<bool> has_keys_ = false;
  mutable SortKeys keys_;  // guarded by mutex_ until has_keys_
};
using SortedBlockPtr = std::shared_ptr<const SortedBlock>;

/// Blocks of about `block_bytes` that share the columns of a plain, compacted batch whose rows are
/// in order; they take `reservation` over.
std::vector<SortedBlockPtr> BlocksOfSorted(const Batch& batch, RowPosition first,
                                           const std::shared_ptr<const SortKeyEncoder>& encoder,
                                           int64_t block_bytes, Reservation reservation,
                                           arrow::MemoryPool* pool);

/// Rows as they came, until they are sorted. Its owner bounds it so that sorting takes one step.
class SortBuffer {
 public:
  SortBuffer(SchemaPtr schema, std::shared_ptr<const SortKeyEncoder> encoder,
             std::shared_ptr<MemoryBudget> budget);

  /// What Add needs reserved.
  static int64_t BytesOf(const Batch& batch, const SortKeys& keys);
  bool TryReserve(int64_t bytes) { return reservation_.TryGrow(bytes); }
  /// `batch` is compacted and plain; `keys` end in `places`.
  void Add(const Batch& batch, RowPlaces places, SortKeys keys);
  /// Empties the buffer into blocks of about `block_bytes`, which take its reservation over; of its
  /// rows only the first `rows_max` are kept.
  Result<std::vector<SortedBlockPtr>> Sort(int64_t block_bytes, int64_t rows_max,
                                           arrow::MemoryPool* pool);
  /// Forgets all but the first `rows` rows, which are at least one, and gives the last one's key.
  /// REQUIRES: more rows than that.
  Result<std::string> KeepFirst(int64_t rows, arrow::MemoryPool* pool);

  int64_t num_rows() const { return num_rows_; }
  int64_t bytes() const { return reservation_.bytes(); }

 private:
  struct Chunk {
    SortKeys keys;
    RowPlaces places;
  };

  std::vector<RowRef> SortedRows(int64_t rows_max) const;
  std::string_view KeyOf(RowRef row) const;
  size_t BlockEnd(const std::vector<RowRef>& rows, size_t begin, int64_t block_bytes) const;
  Result<std::shared_ptr<SortedBlock>> GatherBlock(std::span<const RowRef> rows,
                                                   arrow::MemoryPool* pool) const;
  Result<RowPlaces> GatherPlaces(std::span<const RowRef> rows, arrow::MemoryPool* pool) const;
  SortKeys GatherKeys(std::span<const RowRef> rows) const;
  void Clear();

  const SchemaPtr schema_;
  const std::shared_ptr<const SortKeyEncoder> encoder_;
  RowStore store_;
  std::vector<Chunk> chunks_;  // of the store
  int64_t key_bytes_ = 0;
  int64_t copied_bytes_ = 0;  // that sorting will make: nowhere yet
  int64_t num_rows_ = 0;
  int64_t row_bytes_max_ = 0;
  Reservation reservation_;
};

}  // namespace headrace
