// KeyNumbering: keys of batches as numbers 0, 1, 2 …, for window partitions and as-of joins.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/op/known_numbers.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// Numbers the keys of one or several inputs alike. Two calls per batch, so that a reservation fits
/// between them. One thread. Without key columns every row has number 0.
class KeyNumbering {
 public:
  /// One list of columns per input, of types that are equal up to encoding; else kTypeMismatch.
  static Result<KeyNumbering> Make(std::vector<std::vector<KeyColumn>> inputs);

  /// Looks the keys of a compacted batch up; gives how many rows have a key that is new.
  Result<int64_t> Find(size_t input, const Batch& batch, arrow::MemoryPool* pool);
  /// Memory held at most when the keys found last get numbers.
  int64_t BytesToAssign() const;
  /// The numbers of the rows found last; new keys get the next ones.
  const std::vector<uint32_t>& Assign();

  /// Of the rows found last: their numbers; before Assign GroupTable::kNoGroup for keys that are
  /// new.
  const std::vector<uint32_t>& found() const { return numbers_; }
  /// The key columns of the first input. REQUIRES: has_keys().
  const std::vector<KeyColumn>& columns() const { return encoders_.front().keys(); }

  bool has_keys() const { return !encoders_.empty(); }
  /// Numbers given are below this.
  int64_t size() const { return has_keys() ? table_.num_ids() : 1; }
  int64_t bytes() const;

  /// Key groups and columns of numbers; REQUIRES: has_keys().
  int KeyGroupOfNumber(uint32_t number) const;
  Result<std::vector<ArrayPtr>> KeysOf(const std::vector<uint32_t>& numbers,
                                       arrow::MemoryPool* pool);
  /// Find over plain key columns alone.
  Result<int64_t> FindColumns(std::vector<ArrayPtr> columns, int64_t num_rows,
                              arrow::MemoryPool* pool);

 private:
  KeyNumbering(std::vector<KeyEncoder> encoders, bool is_fixed)
      : encoders_(std::move(encoders)), known_(encoders_.size()), table_(is_fixed) {}
  int64_t FindEncoded();

  std::vector<KeyEncoder> encoders_;
  std::vector<KnownNumbers> known_;  // per input, where it has one key column
  KnownNumbers* learns_ = nullptr;   // what is to be told of the rows found last
  GroupTable table_;
  EncodedKeys keys_;
  std::vector<uint32_t> rows_;
  std::vector<uint32_t> numbers_;
  int64_t missing_ = 0;
};

}  // namespace headrace
