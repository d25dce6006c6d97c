// CountedRows: rows that are held one by one, in the batches they came in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/op/row_store.h"

namespace headrace {

/// A RowStore that knows how many rows of each chunk are still wanted: a chunk goes with its last
/// row. One thread; its owner charges bytes().
class CountedRows {
 public:
  explicit CountedRows(const arrow::Schema& schema) : store_(schema) {}

  /// Keeps a compacted, decoded batch that is not empty; every row is wanted.
  int32_t Add(const Batch& batch);
  /// The row is not wanted any more.
  void Drop(RowRef row);

  Result<std::vector<ArrayPtr>> Gather(std::span<const RowRef> rows,
                                       arrow::MemoryPool* pool) const {
    return store_.Gather(rows, pool);
  }
  /// One column.
  Result<ArrayPtr> Gather(int column, std::span<const RowRef> rows, arrow::MemoryPool* pool) const {
    return store_.Gather(static_cast<size_t>(column), rows, pool);
  }
  const RowStore& store() const { return store_; }
  int64_t BytesOf(RowRef row) const { return store_.BytesOf(row); }
  int64_t bytes() const { return bytes_; }
  /// Most of what is held belongs to rows that are not wanted.
  bool is_sparse() const { return held_rows_ > kSparseRows && held_rows_ > 2 * wanted_rows_; }
  /// Bytes that Rewrite takes beside those held, at most.
  int64_t BytesToRewrite() const;
  /// Copies the rows wanted together: `refs` point at all of them, once each, and are changed.
  Status Rewrite(std::span<RowRef* const> refs, arrow::MemoryPool* pool);

 private:
  static constexpr int64_t kSparseRows = 8192;
  static constexpr size_t kRowsPerChunk = 16384;

  struct Chunk {
    int64_t rows = 0;
    int64_t wanted = 0;
    int64_t bytes = 0;
  };

  RowStore store_;
  std::vector<Chunk> chunks_;
  int64_t held_rows_ = 0;
  int64_t wanted_rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace headrace
