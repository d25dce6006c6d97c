// Calls of scalar kernels.
#include "headrace/expression/call_kernel.h"

#include "arrow/array/util.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/function/choice.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

/// Whether every row is null: an argument has the null type or is a constant null.
bool IsAllNull(std::span<const Argument> args) {
  for (const Argument& arg : args) {
    const bool is_null =
        arg.array->type_id() == arrow::Type::NA || (arg.is_constant && arg.array->IsNull(0));
    if (is_null) return true;
  }
  return false;
}

bool HasNulls(std::span<const Argument> args) {
  for (const Argument& arg : args) {
    if (arg.array->null_count() > 0) return true;
  }
  return false;
}

/// The active rows where no argument is null.
std::vector<uint32_t> ValidRows(std::span<const Argument> args, const Rows& rows) {
  std::vector<uint32_t> valid = ActiveRows(rows);
  for (const Argument& arg : args) {
    const Validity validity(arg);
    std::erase_if(valid, [&](uint32_t row) { return !validity[row]; });
  }
  return valid;
}

/// `bits` AND the validity of `array`, both from bit 0.
Result<BufferPtr> Narrow(BufferPtr bits, const arrow::Array& array, arrow::MemoryPool* pool) {
  if (array.null_count() == 0) return bits;
  if (bits == nullptr) {
    return arrow::internal::CopyBitmap(pool, array.null_bitmap_data(), array.offset(),
                                       array.length());
  }
  return arrow::internal::BitmapAnd(pool, bits->data(), 0, array.null_bitmap_data(), array.offset(),
                                    array.length(), 0);
}

/// `result` with the nulls of the arguments added to its own.
Result<ArrayPtr> PropagateNulls(const ArrayPtr& result, std::span<const Argument> args,
                                arrow::MemoryPool* pool) {
  BufferPtr bits;
  for (const Argument& arg : args) {
    if (arg.is_constant) continue;  // not null here
    ARROW_ASSIGN_OR_RAISE(bits, Narrow(std::move(bits), *arg.array, pool));
  }
  if (bits == nullptr) return result;
  if (result->offset() != 0) {
    return Error(ErrorKind::kInternal, "a kernel gave an array with an offset");
  }
  ARROW_ASSIGN_OR_RAISE(bits, Narrow(std::move(bits), *result, pool));
  auto data = result->data()->Copy();
  data->buffers[0] = std::move(bits);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

}  // namespace

Result<ArrayPtr> CallKernel(const Expression& call, std::span<const Argument> args,
                            const Rows& rows, arrow::MemoryPool* pool) {
  KernelContext ctx{pool, call.type};
  const ScalarKernel kernel = call.overload->scalar;
  if (call.function->nulls != NullRule::kPropagate) return kernel(ctx, args, rows);
  if (IsAllNull(args)) return MakeNulls(call.type, rows.length, pool);
  auto result = kernel(ctx, args, rows);
  if (!HasNulls(args)) return result;
  if (!result.ok()) {
    // The row that raised may be a null one, whose value means nothing: ask again without those.
    const std::vector<uint32_t> valid = ValidRows(args, rows);
    result = kernel(ctx, args, Rows{rows.length, &valid});
    if (!result.ok()) return result;
  }
  return PropagateNulls(*result, args, pool);
}

}  // namespace headrace
