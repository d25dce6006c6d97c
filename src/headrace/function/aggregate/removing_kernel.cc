// Asks the families in turn.
#include "headrace/function/aggregate/removing_kernel.h"

namespace headrace {

const AggregateKernel* RemovingKernel(const AggregateKernel& kernel,
                                      const arrow::DataType& argument) {
  if (kernel.remove != nullptr) return &kernel;
  if (const AggregateKernel* extreme = RemovingExtreme(kernel, argument)) return extreme;
  if (const AggregateKernel* delta = RemovingDelta(kernel)) return delta;
  if (const AggregateKernel* collection = RemovingCollection(kernel)) return collection;
  if (const AggregateKernel* end = RemovingEnd(kernel)) return end;
  return RemovingQuantile(kernel, argument);
}

}  // namespace headrace
