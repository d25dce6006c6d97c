// BatchSlicer: batches as decoders make them, cut to the size a scan asks for.
#pragma once

#include <cstdint>

#include "headrace/table/source.h"

namespace headrace {

/// One thread. Slices share the memory of their batch.
class BatchSlicer {
 public:
  explicit BatchSlicer(const ScanRequest& request);

  /// Nothing to take: Put the next batch.
  bool empty() const { return offset_ == batch_.physical_rows(); }
  /// The limit of the request is reached: no more batches are wanted.
  bool finished() const { return rows_left_ == 0; }
  /// Rows that are still wanted.
  int64_t rows_left() const { return rows_left_; }

  /// REQUIRES: empty(), no selection, valid arrays.
  void Put(Batch batch);
  /// At most batch_rows rows and, unless it is one row, batch_bytes bytes; dictionaries, which the
  /// slices share, are not counted. REQUIRES: !empty().
  Batch Take();
  /// Of the batch that is cut; 0 when empty.
  int64_t bytes() const { return bytes_; }

 private:
  int64_t RowsThatFit() const;

  const int64_t rows_max_;
  const int64_t bytes_max_;
  int64_t rows_left_;
  Batch batch_;
  int64_t offset_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace headrace
