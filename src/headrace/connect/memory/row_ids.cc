// A null bitmap is made only where a row is missing.
#include "headrace/connect/memory/row_ids.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/buffer.h"
#include "arrow/util/bit_util.h"

namespace headrace {

Result<ArrayPtr> RowIdsOf(std::span<const int64_t> row_ids, arrow::MemoryPool* pool) {
  const auto length = static_cast<int64_t>(row_ids.size());
  const int64_t nulls = std::count(row_ids.begin(), row_ids.end(), int64_t{-1});
  std::shared_ptr<arrow::Buffer> valid;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(valid, arrow::AllocateEmptyBitmap(length, pool));
    for (int64_t i = 0; i < length; ++i) {
      const bool is_row = row_ids[static_cast<size_t>(i)] >= 0;
      arrow::bit_util::SetBitTo(valid->mutable_data(), i, is_row);
    }
  }
  auto values = arrow::Buffer::Wrap(row_ids.data(), row_ids.size());
  return std::make_shared<arrow::Int64Array>(length, std::move(values), std::move(valid), nulls);
}

}  // namespace headrace
