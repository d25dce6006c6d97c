// KeyEncoder: key cells in a form that equality and hashing can take as bytes. Used by grouping,
// joins, and the exchange that sends rows to the lane that owns their key group.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// One key column: where it stands in the batch, how messages call it, its type in any encoding.
struct KeyColumn {
  int column = 0;
  std::string name;
  TypePtr type;
};

/// The columns `keys` of `schema`.
std::vector<KeyColumn> KeyColumnsOf(const arrow::Schema& schema, const std::vector<int>& keys);

/// Of the length before a text in an encoded key.
inline constexpr int64_t kLengthBytes = 4;

/// Encoded keys of rows. A single key column of at most 8 fixed bytes is encoded as `values` (null:
/// value 0); all other keys as byte strings. Equal keys, and only those, have equal encodings (of
/// values and nulls, or of bytes).
struct EncodedKeys {
  bool is_fixed = false;
  int64_t num_rows = 0;
  std::vector<uint64_t> hashes;  // stable: they choose key groups in checkpoints
  std::vector<uint8_t> nulls;    // 1 where some key cell of the row is null
  std::vector<uint64_t> values;  // is_fixed
  std::vector<int64_t> offsets;  // otherwise: num_rows + 1 offsets into bytes
  std::vector<uint8_t> bytes;

  std::string_view Bytes(int64_t row) const {
    const int64_t begin = offsets[static_cast<size_t>(row)];
    const int64_t end = offsets[static_cast<size_t>(row) + 1];
    return {reinterpret_cast<const char*>(bytes.data()) + begin, static_cast<size_t>(end - begin)};
  }
  /// Memory held.
  int64_t num_bytes() const;
};

/// −0 = 0; NaN = NaN; null is a value of its own; encodings of a type (dictionary, large, slices)
/// are equal. Immutable, thread safe.
class KeyEncoder {
 public:
  /// kUnsupported, naming column and type, for types that cannot be a key: nested and extension
  /// types.
  static Result<KeyEncoder> Make(std::vector<KeyColumn> keys);

  /// All rows of a compacted batch. `out` is overwritten; its memory is used again.
  Status Encode(const Batch& batch, arrow::MemoryPool* pool, EncodedKeys* out) const;
  /// The same, with no hashes.
  Status EncodeWithoutHashes(const Batch& batch, arrow::MemoryPool* pool, EncodedKeys* out) const;
  /// The same over the key columns alone, in the order of keys().
  Status EncodeColumns(std::vector<ArrayPtr> columns, int64_t num_rows, arrow::MemoryPool* pool,
                       EncodedKeys* out) const;
  /// What EncodedKeys::values would be, where the column holds just that and no null; else nullptr.
  /// It lives as long as the column.
  const uint64_t* ValuesInPlace(const Batch& batch) const;
  /// The key columns of all rows of `keys`, in plain encoding.
  Result<std::vector<ArrayPtr>> Decode(const EncodedKeys& keys, arrow::MemoryPool* pool) const;

  /// The same for keys that are byte strings, by where they start; together they have `num_bytes`.
  Result<std::vector<ArrayPtr>> DecodeBytes(std::vector<const uint8_t*> keys, int64_t num_bytes,
                                            arrow::MemoryPool* pool) const;

  bool is_fixed() const { return is_fixed_; }
  /// Their types are plain.
  const std::vector<KeyColumn>& keys() const { return keys_; }

 private:
  explicit KeyEncoder(std::vector<KeyColumn> keys);
  std::vector<ArrayPtr> ColumnsIn(const Batch& batch) const;
  Status EncodeValues(std::vector<ArrayPtr> columns, int64_t num_rows, arrow::MemoryPool* pool,
                      EncodedKeys* out) const;

  std::vector<KeyColumn> keys_;
  bool is_fixed_ = false;
};

}  // namespace headrace
