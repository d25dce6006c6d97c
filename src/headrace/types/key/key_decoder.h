// Columns from encoded keys; key_encoder.cc has the encoding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arrow/buffer.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// The column of keys that are `is_fixed`, of a plain type.
Result<ArrayPtr> DecodeFixedKeys(const EncodedKeys& keys, const TypePtr& type,
                                 arrow::MemoryPool* pool);

/// Columns of keys that are byte strings. Keys come some rows at a time, so that they stay in a
/// near cache while one column after the other takes its cells.
class KeyDecoder {
 public:
  /// Of `num_rows` keys of at most `num_bytes` bytes together: INT32_MAX at most.
  KeyDecoder(const std::vector<KeyColumn>& keys, int64_t num_rows, int64_t num_bytes,
             arrow::MemoryPool* pool);

  static constexpr size_t kRows = 256;
  /// The next keys, at most kRows, by where they start. Moves each to its end.
  Status Append(std::span<const uint8_t*> keys);
  /// After all keys: their columns in plain encoding.
  Result<std::vector<ArrayPtr>> Finish();

 private:
  struct Column {
    TypePtr type;
    std::shared_ptr<arrow::Buffer> validity;  // none: no null came
    std::shared_ptr<arrow::Buffer> values;    // cells of one width, or offsets of texts
    std::shared_ptr<arrow::ResizableBuffer> texts;
  };
  Status Begin(Column& column);
  Status TakeNulls(std::span<const uint8_t*> keys, Column& column);
  void TakeFixed(std::span<const uint8_t*> keys, size_t width, Column& column) const;
  Status TakeTexts(std::span<const uint8_t*> keys, Column& column);
  Status ReserveTexts(int64_t text_bytes, int64_t rows, Column& column) const;

  std::vector<Column> columns_;
  const int64_t num_rows_;
  const int64_t num_bytes_;
  arrow::MemoryPool* const pool_;
  int64_t next_row_ = 0;
};

}  // namespace headrace
