// NullRows: the rows of a column under construction that are null.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "arrow/buffer.h"
#include "arrow/util/bit_util.h"
#include "headrace/base/error.h"

namespace headrace::csv {

/// Costs nothing while there are none.
class NullRows {
 public:
  void Add(int64_t row) { rows_.push_back(static_cast<int32_t>(row)); }
  int64_t count() const { return static_cast<int64_t>(rows_.size()); }

  /// The validity bits of `length` rows, or null when all are valid. Starts anew.
  Result<std::shared_ptr<arrow::Buffer>> Finish(int64_t length, arrow::MemoryPool* pool) {
    if (rows_.empty()) return nullptr;
    ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateBitmap(length, pool));
    arrow::bit_util::SetBitsTo(bits->mutable_data(), 0, length, true);
    for (const int32_t row : rows_) arrow::bit_util::ClearBit(bits->mutable_data(), row);
    rows_.clear();
    return std::shared_ptr<arrow::Buffer>(std::move(bits));
  }

 private:
  std::vector<int32_t> rows_;
};

}  // namespace headrace::csv
