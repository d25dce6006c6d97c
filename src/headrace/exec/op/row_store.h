// RowStore: rows of joins, kept in the batches they came in and gathered by reference.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// Rows that are referred to are fetched so many references before they are read.
inline constexpr size_t kPrefetchAhead = 16;

/// A row of one chunk of a RowStore; the default is no row, which gathers as nulls.
struct RowRef {
  int32_t chunk = -1;
  int32_t row = 0;
  bool none() const { return chunk < 0; }
  bool operator==(const RowRef&) const = default;
};

/// Columns are kept in their plain types (see types/encoding.h), so chunks of any encoding mix and
/// no chunk outgrows 32-bit offsets. Gather and BytesOf may be called from many threads while
/// nobody changes the store. Its owner charges the memory.
class RowStore {
 public:
  explicit RowStore(const arrow::Schema& schema);

  /// Keeps the columns of a compacted, decoded batch (DecodeBatch) and gives the number of the
  /// chunk.
  int32_t Add(const Batch& batch);
  /// Forgets a chunk; its number is given to a chunk added later.
  void Remove(int32_t chunk);

  /// The columns of a chunk.
  std::vector<ArrayPtr> ColumnsOf(int32_t chunk) const;
  /// The same cells in other memory.
  void Replace(int32_t chunk, const std::vector<ArrayPtr>& columns);

  size_t num_columns() const { return columns_.size(); }
  /// One cell per reference. kMemoryLimit when its text exceeds 2 GiB: bound it with BytesOf.
  Result<ArrayPtr> Gather(size_t column, std::span<const RowRef> rows,
                          arrow::MemoryPool* pool) const;
  /// All columns.
  Result<std::vector<ArrayPtr>> Gather(std::span<const RowRef> rows, arrow::MemoryPool* pool) const;

  /// Bytes that the row takes when gathered; nested cells count as the mean of their chunk.
  int64_t BytesOf(RowRef row) const;
  /// The same when it does not depend on the row, else −1.
  int64_t bytes_per_row() const { return varying_.empty() ? fixed_bytes_ : -1; }
  /// At least BytesOf any row of the chunk.
  int64_t BytesMaxOf(int32_t chunk) const;
  /// Memory of the store itself per chunk, whatever its rows.
  int64_t bytes_per_chunk() const;

 private:
  enum class Layout : uint8_t { kNull, kBits, kFixed, kText, kNested };
  /// What a gather reads of one chunk of one column.
  struct View {
    ArrayPtr array;
    const uint8_t* validity = nullptr;  // null: all valid
    const uint8_t* values = nullptr;    // of row 0; for bits and text: of the buffer
    const int32_t* offsets = nullptr;   // of row 0
    int64_t bit_offset = 0;
    int64_t mean_bytes = 0;  // nested
  };
  struct Column {
    TypePtr type;
    Layout layout;
    int width = 0;  // kFixed
    int64_t chunks_with_nulls = 0;
    std::vector<View> views;             // per chunk
    std::vector<const uint8_t*> values;  // of the views
  };
  struct Gatherer;

  static Column ColumnOf(const TypePtr& type);
  static View ViewOf(const Column& column, const ArrayPtr& array);
  static void SetView(Column& column, size_t chunk, View view);

  std::vector<Column> columns_;
  std::vector<size_t> varying_;  // columns whose cells differ in size
  int64_t fixed_bytes_ = 0;      // of the other columns, per row
  std::vector<int32_t> free_;
};

/// Bytes of every row of a compacted batch in any encoding; cells whose size is not known from
/// offsets count as the mean of their column.
std::vector<int64_t> RowBytes(const Batch& batch);

}  // namespace headrace
