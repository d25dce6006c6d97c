// Aggregates with smaller states, for where a group's row should fit few cache lines.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

/// The same aggregate with a smaller state that owns no memory, for arguments of the plain type
/// `argument` and rows that are never taken back: it has no `remove`. `kernel` itself where there
/// is none. Both save states in formats of their own.
const AggregateKernel& NarrowKernel(const AggregateKernel& kernel, const arrow::DataType& argument);

/// Of one family each; null when it has none for the kernel.
const AggregateKernel* NarrowSum(const AggregateKernel& kernel);
const AggregateKernel* NarrowMean(const AggregateKernel& kernel);
const AggregateKernel* NarrowExtreme(const AggregateKernel& kernel,
                                     const arrow::DataType& argument);

}  // namespace headrace
