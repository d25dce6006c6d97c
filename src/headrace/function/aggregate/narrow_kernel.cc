// Asks the families in turn.
#include "headrace/function/aggregate/narrow_kernel.h"

namespace headrace {

const AggregateKernel& NarrowKernel(const AggregateKernel& kernel,
                                    const arrow::DataType& argument) {
  if (const AggregateKernel* sum = NarrowSum(kernel)) return *sum;
  if (const AggregateKernel* mean = NarrowMean(kernel)) return *mean;
  if (const AggregateKernel* extreme = NarrowExtreme(kernel, argument)) return *extreme;
  return kernel;
}

}  // namespace headrace
