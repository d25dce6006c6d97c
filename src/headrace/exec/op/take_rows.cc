// A range of rows is a slice.
#include "headrace/exec/op/take_rows.h"

#include "arrow/array.h"

namespace headrace {
namespace {

bool IsRange(const std::vector<uint32_t>& rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != rows[0] + i) return false;
  }
  return true;
}

}  // namespace

Result<Batch> TakeRows(const Batch& batch, const std::vector<uint32_t>& rows,
                       arrow::MemoryPool* pool) {
  const auto count = static_cast<int64_t>(rows.size());
  if (count == 0) return batch.Slice(0, 0);
  if (IsRange(rows)) {
    return count == batch.num_rows() ? batch : batch.Slice(rows[0], count);
  }
  const arrow::UInt32Array indices(count, arrow::Buffer::Wrap(rows.data(), rows.size()));
  return batch.Take(indices, pool);
}

}  // namespace headrace
