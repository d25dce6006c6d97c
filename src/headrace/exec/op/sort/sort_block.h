// SortedBlock: some rows in their final order, and the buffer in which they get that way.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
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

/// Where the rows of a block stand in the input: one after the other, or as two columns say.
struct BlockPositions {
  RowPosition first;
  ArrayPtr splits;  // null: one after the other
  ArrayPtr rows;

  RowPosition operator[](int64_t row) const;
};

/// Rows in key order. Keys end in positions (see SortKeyEncoder), so no two are equal. A block that
/// was made with positions knows the keys of its first and last row, and makes the others when one
/// is asked for; that memory is nobody's, as few blocks are compared at a time. Thread safe.
class SortedBlock {
 public:
  SortedBlock(std::vector<ArrayPtr> columns, SortKeys keys);
  SortedBlock(std::vector<ArrayPtr> columns, int64_t num_rows, BlockPositions positions,
              std::shared_ptr<const SortKeyEncoder> encoder, arrow::MemoryPool* pool);

  std::string_view KeyAt(int64_t row) const { return has_keys() ? keys_[row] : MakeKeyAt(row); }
  /// Whether the key of a row stands before `key`; makes no keys of other rows.
  bool IsBefore(int64_t row, std::string_view key) const;
  RowPosition PositionOf(int64_t row) const;
  /// About what the keys of so many rows take.
  int64_t KeyBytesOf(int64_t count) const;
  bool has_keys() const { return has_keys_.load(std::memory_order_acquire); }
  SortKeys TakeKeys() { return std::move(keys_); }

  std::vector<ArrayPtr> columns;  // plain
  int64_t num_rows = 0;
  int64_t bytes = 0;
  Reservation reservation;  // none for blocks whose reader holds it

 private:
  std::string_view MakeKeyAt(int64_t row) const;
  void MakeKeys() const;
  std::string KeyOf(int64_t row) const;

  BlockPositions positions_;
  std::shared_ptr<const SortKeyEncoder> encoder_;
  arrow::MemoryPool* pool_ = nullptr;
  std::string first_key_;
  std::string last_key_;
  mutable std::mutex mutex_;
  mutable std::atomic<bool> has_keys_ = false;
  mutable SortKeys keys_;  // guarded by mutex_ until has_keys_
};
using SortedBlockPtr = std::shared_ptr<const SortedBlock>;

Result<std::shared_ptr<SortedBlock>> GatherBlock(const RowStore& store,
                                                 std::span<const KeyedRow> rows,
                                                 arrow::MemoryPool* pool);

/// Blocks of about `block_bytes` that share the columns of a plain, compacted batch whose rows are
/// in order; they take `reservation` over.
std::vector<SortedBlockPtr> BlocksOfSorted(const Batch& batch, RowPosition first,
                                           const std::shared_ptr<const SortKeyEncoder>& encoder,
                                           int64_t block_bytes, Reservation reservation,
                                           arrow::MemoryPool* pool);

/// Rows as they came, until they are sorted. Its owner bounds it so that sorting takes one step.
class SortBuffer {
 public:
  SortBuffer(SchemaPtr schema, std::shared_ptr<MemoryBudget> budget);

  /// What Add needs reserved.
  static int64_t BytesOf(const Batch& batch, const SortKeys& keys);
  bool TryReserve(int64_t bytes) { return reservation_.TryGrow(bytes); }
  /// `batch` is compacted and plain.
  void Add(const Batch& batch, SortKeys keys);
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
  std::vector<KeyedRow> SortedRows(int64_t rows_max) const;
  void Clear();

  const SchemaPtr schema_;
  RowStore store_;
  std::vector<SortKeys> keys_;  // per batch
  int64_t key_bytes_ = 0;
  int64_t copied_bytes_ = 0;  // that sorting will make: nowhere yet
  int64_t num_rows_ = 0;
  Reservation reservation_;
};

/// The first 16 bytes of a key as integers: what most comparisons end at.
struct KeyPrefix {
  uint64_t high = 0;
  uint64_t low = 0;
  /// REQUIRES: key.size() >= 16, which the position at its end sees to.
  static KeyPrefix Of(std::string_view key) {
    uint64_t words[2];
    std::memcpy(words, key.data(), sizeof(words));
    return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
  }
};

inline bool KeyPrefixLess(const KeyPrefix& left, const KeyPrefix& right) {
  __extension__ using Number = unsigned __int128;
  return ((Number{left.high} << 64) | left.low) < ((Number{right.high} << 64) | right.low);
}

}  // namespace headrace
