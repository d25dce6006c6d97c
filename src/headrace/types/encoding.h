// A logical type is not an encoding: a string column may come as utf8, large_utf8 or a dictionary.
// Row-wise operators pass encodings through; keys and state use the plain form; cursors and sinks
// restore the type promised at bind time.
#pragma once

#include "headrace/types/batch.h"

namespace headrace {

/// The plain type of `type`, recursively: dictionaries become their value type, large_utf8 and
/// string_view utf8, large_binary and binary_view binary, large_list list. Equal types: same
/// object.
TypePtr PlainType(const TypePtr& type);
/// Whether two types differ in encoding only.
bool SameLogicalType(const arrow::DataType& left, const arrow::DataType& right);

/// `array` in its plain type; the same array when it is plain already. Fails with kMemoryLimit
/// style capacity errors when one batch of text exceeds 2 GiB.
Result<ArrayPtr> Decode(const ArrayPtr& array, arrow::MemoryPool* pool);
/// `array` in `type`, which differs from its type in encoding only. Dictionaries are built per
/// batch.
Result<ArrayPtr> Encode(const ArrayPtr& array, const TypePtr& type, arrow::MemoryPool* pool);

/// Every column decoded; selection, ordinal and changes are kept.
Result<Batch> DecodeBatch(const Batch& batch, arrow::MemoryPool* pool);
/// A compacted batch as a record batch of exactly `schema`.
Result<std::shared_ptr<arrow::RecordBatch>> RestoreSchema(const Batch& batch,
                                                          const SchemaPtr& schema,
                                                          arrow::MemoryPool* pool);

}  // namespace headrace
