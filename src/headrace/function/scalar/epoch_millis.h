// Overloads that take times as integers: milliseconds since 1970-01-01, as many streams have them.
#pragma once

#include <algorithm>
#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/function/function.h"

namespace headrace {

/// `kKernel` with the arguments from `kFirst` on, which are int64, read as timestamps.
template <ScalarKernel kKernel, size_t kFirst, size_t kCount>
Result<ArrayPtr> OfMillis(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<Argument> times(args.begin(), args.end());
  for (size_t i = kFirst; i < kFirst + kCount; ++i) {
    auto data = times[i].array->data()->Copy();
    data->type = arrow::timestamp(arrow::TimeUnit::MILLI);
    times[i].array = arrow::MakeArray(std::move(data));
  }
  return kKernel(ctx, times, rows);
}

}  // namespace headrace
