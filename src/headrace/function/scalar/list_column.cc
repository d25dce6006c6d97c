// Picking items.
#include "headrace/function/scalar/list_column.h"

#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"

namespace headrace {

Result<ArrayPtr> TakeItems(const arrow::Array& values, const std::vector<int64_t>& places,
                           arrow::MemoryPool* pool) {
  const auto count = static_cast<int64_t>(places.size());
  ARROW_ASSIGN_OR_RAISE(auto indices, Output<int64_t>::Make(count, pool));
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(count, pool));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t place = places[static_cast<size_t>(i)];
    indices.data()[i] = place == kNoItem ? 0 : place;
    arrow::bit_util::SetBitTo(bits->mutable_data(), i, place != kNoItem);
  }
  auto data = indices.Finish(arrow::int64())->data()->Copy();
  data->buffers[0] = std::move(bits);
  data->null_count = arrow::kUnknownNullCount;
  arrow::compute::ExecContext exec(pool, nullptr);
  return arrow::compute::Take(values, *arrow::MakeArray(std::move(data)),
                              arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
}

Result<ArrayPtr> MakeLists(KernelContext& ctx, const std::vector<int32_t>& ends,
                           const ArrayPtr& items) {
  const auto rows = static_cast<int64_t>(ends.size());
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(rows + 1, ctx.pool));
  offsets.data()[0] = 0;
  std::copy(ends.begin(), ends.end(), offsets.data() + 1);
  return std::make_shared<arrow::ListArray>(ctx.result_type, rows, offsets.FinishBuffer(), items);
}

}  // namespace headrace
