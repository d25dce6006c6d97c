// Aggregates whose states can take rows back, where the usual ones keep too little for that.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

/// The same aggregate with `remove`, for a first argument of the plain type `argument`: `kernel`
/// itself if it has one, else one that keeps its values. Null when rows cannot be taken back. Both
/// save states in formats of their own.
const AggregateKernel* RemovingKernel(const AggregateKernel& kernel,
                                      const arrow::DataType& argument);

/// Of one family each; null when it has none for the kernel.
const AggregateKernel* RemovingExtreme(const AggregateKernel& kernel,
                                       const arrow::DataType& argument);
const AggregateKernel* RemovingDelta(const AggregateKernel& kernel);
const AggregateKernel* RemovingCollection(const AggregateKernel& kernel);
const AggregateKernel* RemovingEnd(const AggregateKernel& kernel);
const AggregateKernel* RemovingQuantile(const AggregateKernel& kernel,
                                        const arrow::DataType& argument);

}  // namespace headrace
