// Stored types: Parquet keeps some Arrow types as others (seconds as milliseconds, date64 as
// date32, dictionaries as their values); the original is in the file as ARROW:schema.
#pragma once

#include "arrow/type_fwd.h"
#include "headrace/types/batch.h"

namespace headrace::parquet_format {

/// Columns are written in their plain type. What readers are told of `type` in ARROW:schema:
/// itself, with int32 for narrower codes of dictionaries, because a row group may have more values
/// than the codes of one batch can count.
TypePtr ToldType(const TypePtr& type);

/// The type to promise for a column that decodes as `stored` and was written as `origin`: `origin`
/// when it differs in encoding or time unit only, else `stored`.
TypePtr PromisedType(const TypePtr& stored, const TypePtr& origin);

/// `array` as `promised`, up to encoding: units of time are converted, exactly or not at all.
Result<ArrayPtr> AsPromised(const ArrayPtr& array, const TypePtr& promised,
                            arrow::MemoryPool* pool);

}  // namespace headrace::parquet_format
