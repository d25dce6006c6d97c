// Literals are decoded once.
#include "headrace/exec/op/window/window_call.h"

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/util/bitmap_ops.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"

namespace headrace {

Result<WindowCall> WindowCall::Make(const RollingCall& rolling, arrow::MemoryPool* pool) {
  const bool is_aggregate = rolling.call.function->kind == FunctionKind::kAggregate;
  ARROW_ASSIGN_OR_RAISE(
      WindowCall made,
      Make(rolling.call, is_aggregate ? MakeRollingKernel(rolling, pool) : MakeFillKernel(rolling),
           pool));
  for (const int column : {rolling.key, rolling.bound}) {
    if (column < 0) continue;
    made.columns.push_back(column);
    made.constants.emplace_back();
  }
  return made;
}

Result<WindowCall> WindowCall::Make(const FunctionCall& call,
                                    std::unique_ptr<PartitionKernel> kernel,
                                    arrow::MemoryPool* pool) {
  WindowCall result{call, std::move(kernel), {}, {}};
  for (const ExpressionPtr& arg : call.args) {
    const bool is_literal = arg->kind == Expression::Kind::kLiteral;
    HEADRACE_CHECK(is_literal || arg->kind == Expression::Kind::kColumn,
                   "arguments of a window call are columns or literals");
    result.columns.push_back(is_literal ? -1 : arg->column);
    result.constants.emplace_back();
    if (!is_literal) continue;
    ARROW_ASSIGN_OR_RAISE(ArrayPtr one, arrow::MakeArrayFromScalar(*arg->literal, 1, pool));
    ARROW_ASSIGN_OR_RAISE(result.constants.back(), Decode(one, pool));
  }
  return result;
}

std::string TextOfCall(const FunctionCall& call) {
  std::string text = call.function->id;
  text += "(";
  for (size_t i = 0; i < call.args.size(); ++i) {
    text += (i == 0 ? "" : ", ") + ToString(*call.args[i]);
  }
  return text + ")";
}

Result<ArrayPtr> WithNullsOf(const ArrayPtr& value, const Argument& arg, arrow::MemoryPool* pool) {
  if (arg.array->null_count() == 0) return value;
  if (arg.is_constant || arg.array->type_id() == arrow::Type::NA) {
    return arrow::MakeArrayOfNull(value->type(), value->length(), pool);
  }
  std::shared_ptr<arrow::ArrayData> data = value->data()->Copy();
  const arrow::Array& nulls = *arg.array;
  if (value->null_bitmap_data() == nullptr) {
    ARROW_ASSIGN_OR_RAISE(data->buffers[0],
                          arrow::internal::CopyBitmap(pool, nulls.null_bitmap_data(),
                                                      nulls.offset(), nulls.length()));
    HEADRACE_CHECK(data->offset == 0, "a builder gave a slice");
  } else {
    ARROW_ASSIGN_OR_RAISE(data->buffers[0], arrow::internal::BitmapAnd(
                                                pool, value->null_bitmap_data(), value->offset(),
                                                nulls.null_bitmap_data(), nulls.offset(),
                                                value->length(), value->offset()));
  }
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

}  // namespace headrace
