// TextAssembly: views of texts, with nulls between them, become one Arrow array.
#pragma once

#include <cstdint>
#include <string_view>

#include "arrow/buffer_builder.h"
#include "headrace/types/batch.h"

namespace headrace::parquet_format {

/// The texts of a valid UTF-8 string array. Fails when one of them is not UTF-8.
Status CheckUtf8(const int32_t* offsets, int64_t count, const uint8_t* data);

/// One thread.
class TextAssembly {
 public:
  explicit TextAssembly(arrow::MemoryPool* pool) : pool_(pool), data_(pool) {}

  /// Room for `rows` texts; what was there is dropped.
  Status Begin(int64_t rows);
  /// The next `rows` texts: those whose bit from `offset` on is set come from `views`, the others
  /// are empty; all when `bits` is null. Behind every view 16 bytes are readable.
  Status Append(const std::string_view* views, int64_t count, const uint8_t* bits, int64_t offset,
                int64_t rows);
  int64_t bytes() const { return data_.length(); }
  /// The texts so far as buffers of an array: `validity`, offsets, bytes.
  Result<ArrayPtr> Finish(const TypePtr& type, std::shared_ptr<arrow::Buffer> validity,
                          int64_t null_count);

 private:
  arrow::MemoryPool* const pool_;
  std::unique_ptr<arrow::Buffer> offsets_;
  int64_t rows_ = 0;
  arrow::BufferBuilder data_;
  int64_t bytes_before_ = 0;  // of the array before: a guess of what comes
};

}  // namespace headrace::parquet_format
