// Cutting batches by rows and bytes.
#include "headrace/format/batch_slicer.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace headrace {

BatchSlicer::BatchSlicer(const ScanRequest& request)
    : rows_max_(request.batch_rows),
      bytes_max_(request.batch_bytes),
      rows_left_(request.limit.value_or(std::numeric_limits<int64_t>::max())) {}

void BatchSlicer::Put(Batch batch) {
  batch_ = std::move(batch);
  offset_ = 0;
  bytes_ = batch_.num_bytes();
}

Batch BatchSlicer::Take() {
  const int64_t rows = RowsThatFit();
  Batch slice = rows == batch_.physical_rows() ? batch_ : batch_.Slice(offset_, rows);
  offset_ += rows;
  rows_left_ -= rows;
  if (rows_left_ == 0) offset_ = batch_.physical_rows();
  if (empty()) Put(Batch());
  return slice;
}

int64_t BatchSlicer::RowsThatFit() const {
  int64_t rows = std::min({rows_max_, rows_left_, batch_.physical_rows() - offset_});
  const int64_t shared_bytes = batch_.Slice(offset_, 0).num_bytes();
  while (rows > 1 && batch_.Slice(offset_, rows).num_bytes() - shared_bytes > bytes_max_) {
    rows = (rows + 1) / 2;
  }
  return rows;
}

}  // namespace headrace
