// Statistics of a column chunk as bounds that the engine can compare with.
#pragma once

#include "headrace/table/bound.h"
#include "parquet/metadata.h"

namespace headrace::parquet_format {

/// Fills null_count, min and max of `range` with what the chunk tells and what can be trusted:
/// values of type `plain`; NaN, unset, deprecated and unordered ones are left unknown.
void ReadStatistics(const parquet::ColumnChunkMetaData& chunk, const TypePtr& plain,
                    ColumnRange* range);

/// Whether bounds of such a column are values of it: those of text may be cut short, of floats
/// leave NaN out, of seconds were rounded.
bool HasExactStatistics(const arrow::DataType& type);

}  // namespace headrace::parquet_format
