// SortKeyEncoder: key cells as byte strings whose memcmp order is the order asked for.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "headrace/types/batch.h"
#include "headrace/types/ordering.h"

namespace headrace {

/// Encoded keys of rows: byte strings, none a prefix of another that differs.
struct SortKeys {
  int64_t num_rows = 0;
  std::vector<int64_t> offsets;  // num_rows + 1 offsets into bytes
  std::vector<uint8_t> bytes;

  std::string_view operator[](int64_t row) const {
    const int64_t begin = offsets[static_cast<size_t>(row)];
    const int64_t end = offsets[static_cast<size_t>(row) + 1];
    return {reinterpret_cast<const char*>(bytes.data()) + begin, static_cast<size_t>(end - begin)};
  }
  int64_t num_bytes() const;
};

/// See SortKey for directions, nulls, NaN and zeros. Immutable, thread safe.
class SortKeyEncoder {
 public:
  /// kUnsupported, naming column and type, for types without an order.
  static Result<SortKeyEncoder> Make(const arrow::Schema& schema, Ordering keys);

  /// All rows of a compacted batch. With `positions` (one per row) every key ends in 16 bytes of
  /// position, so that no two are equal and sorting by them is stable.
  Status Encode(const Batch& batch, const std::vector<RowPosition>* positions,
                arrow::MemoryPool* pool, SortKeys* out) const;
  /// Rows of `batch` that may be among those whose keys are at most `bound`: their first key column
  /// is not above that of `bound`, or cannot be told at once. Numbers count the selected rows.
  Status RowsUpTo(std::string_view bound, const Batch& batch, arrow::MemoryPool* pool,
                  std::vector<uint32_t>* rows) const;
  /// Whether the rows of a compacted batch, which follow each other in the input, are in order.
  Result<bool> AreInOrder(const Batch& batch, arrow::MemoryPool* pool) const;
  /// How many bytes of an encoded key are of its first `columns`; all, where it was cut off within.
  size_t BytesOfKeys(std::string_view key, size_t columns) const;
  /// The position at the end of a key that was encoded with one.
  static RowPosition PositionOf(std::string_view key);

 private:
  SortKeyEncoder(Ordering keys, std::vector<TypePtr> types)
      : keys_(std::move(keys)), types_(std::move(types)) {}

  Ordering keys_;
  std::vector<TypePtr> types_;
};

}  // namespace headrace
