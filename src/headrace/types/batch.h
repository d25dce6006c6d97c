// Batch: what moves through the engine – columns of equal length with their place in the stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "arrow/type_fwd.h"
#include "headrace/base/error.h"

namespace headrace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using SchemaPtr = std::shared_ptr<arrow::Schema>;
using TypePtr = std::shared_ptr<arrow::DataType>;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

/// Place of a batch in its input: batches of a split are numbered from 0 as they leave a stage.
/// That a split has ended is told beside the batches (exec/input.h), so no operator need pass empty
/// ones.
struct Ordinal {
  int64_t split = 0;
  int64_t seq = 0;
};

/// Row positions that are still selected: sorted, without repeats. Shared, never changed.
using Selection = std::shared_ptr<const std::vector<uint32_t>>;

/// Total order of rows in a stream: (split, row), where row = seq * kBatchRowsMax + row in batch.
struct RowPosition {
  int64_t split = 0;
  int64_t row = 0;
  auto operator<=>(const RowPosition&) const = default;
};

/// The name of the column (int8, +1 or −1) that shows the changes of rows outside of the engine.
inline constexpr const char* kChangeColumn = "_change";

/// Columns of equal length + row count + optional selection + ordinal + optional changes. The types
/// of a column are those of the plan edge up to encoding (see types/encoding.h). Cheap to copy.
/// A selection lives only inside a pipeline: queues, state, sinks and cursors see compacted
/// batches.
class Batch {
 public:
  Batch() = default;
  Batch(std::vector<ArrayPtr> columns, int64_t num_rows)
      : columns_(std::move(columns)), num_rows_(num_rows) {}
  static Batch FromRecordBatch(const arrow::RecordBatch& record_batch);

  /// Rows that count: the selected ones.
  int64_t num_rows() const;
  /// Length of every column array, selected or not.
  int64_t physical_rows() const { return num_rows_; }
  const std::vector<ArrayPtr>& columns() const { return columns_; }
  const ArrayPtr& column(int index) const { return columns_[static_cast<size_t>(index)]; }
  const Selection& selection() const { return selection_; }

  /// +1 / −1 per physical row (int8); null when every row is an insertion.
  const ArrayPtr& change() const { return change_; }
  void set_change(ArrayPtr change) { change_ = std::move(change); }

  const Ordinal& ordinal() const { return ordinal_; }
  void set_ordinal(Ordinal ordinal) { ordinal_ = ordinal; }
  RowPosition PositionOf(int64_t row) const;

  /// Same rows, other columns (of the same physical length): selection, ordinal, changes are kept.
  Batch WithColumns(std::vector<ArrayPtr> columns) const;
  /// Narrowed to `selection` (positions in the physical rows).
  Batch WithSelection(Selection selection) const;
  /// Rows [offset, offset + length) of a compacted batch, without copying.
  Batch Slice(int64_t offset, int64_t length) const;
  /// Without a selection; gathers the selected rows when there is one.
  Result<Batch> Compact(arrow::MemoryPool* pool) const;
  /// Rows at `indices` (any order, repeats allowed) of a compacted batch.
  Result<Batch> Take(const arrow::Array& indices, arrow::MemoryPool* pool) const;

  /// Bytes of the buffers behind the columns (shared buffers are counted at every user; slices
  /// count their part).
  int64_t num_bytes() const;

  /// REQUIRES: no selection. The arrays keep their encoding; `schema` gives names and metadata, its
  /// types are replaced where the encoding differs.
  std::shared_ptr<arrow::RecordBatch> ToRecordBatch(const SchemaPtr& schema) const;

 private:
  std::vector<ArrayPtr> columns_;
  int64_t num_rows_ = 0;
  Selection selection_;
  Ordinal ordinal_;
  ArrayPtr change_;
};

/// Concatenates compacted batches of one edge; encodings may differ from batch to batch.
/// Ordinal of the first.
Result<Batch> ConcatenateBatches(const std::vector<Batch>& batches, arrow::MemoryPool* pool);

}  // namespace headrace
