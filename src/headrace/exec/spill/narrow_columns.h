// Narrow columns: how the columns of a section take fewer bytes in a state file. Integers that are
// near each other are kept as differences to the least; texts that are all as long, without
// offsets.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arrow/memory_pool.h"
#include "headrace/types/batch.h"

namespace headrace {

/// A column that is not written as it is, as docs/formats/state.md gives it.
struct NarrowColumn {
  uint32_t column = 0;
  /// Of a difference: 1, 2 or 4. 0: texts or binaries of one length.
  uint32_t width = 0;
  /// The least value; the length of the texts.
  int64_t base = 0;
};
static_assert(sizeof(NarrowColumn) == 16);

/// The batch with its narrow columns, which `narrow` names in their order; null when it has none.
Result<std::shared_ptr<arrow::RecordBatch>> NarrowColumns(const arrow::RecordBatch& batch,
                                                          arrow::MemoryPool* pool,
                                                          std::vector<NarrowColumn>* narrow);

/// The schema of a narrowed batch. kInvalid when a batch of `schema` cannot be narrowed so.
Result<SchemaPtr> NarrowSchema(const SchemaPtr& schema, std::span<const NarrowColumn> narrow);

/// The batch of `schema` that was narrowed. REQUIRES: `batch` is of its NarrowSchema, and valid.
/// kInvalid when the texts exceed the offsets of their type.
Result<std::shared_ptr<arrow::RecordBatch>> WidenColumns(
    const std::shared_ptr<arrow::RecordBatch>& batch, const SchemaPtr& schema,
    std::span<const NarrowColumn> narrow, arrow::MemoryPool* pool);

}  // namespace headrace
