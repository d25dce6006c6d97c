// sum: exact for integers and decimals, order-independent for floats; null over no value.
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/function/aggregate/narrow_kernel.h"
#include "headrace/function/aggregate/sum_state.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

/// Appends `append(state)` or a null for every group.
template <typename State, typename Append>
Status FinishEach(std::byte* const* groups, size_t offset, int64_t count, arrow::ArrayBuilder* out,
                  Append&& append) {
  ARROW_RETURN_NOT_OK(out->Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const State& state = StateAt<State>(groups[i], offset);
    ARROW_RETURN_NOT_OK(state.is_empty() ? out->AppendNull() : append(state));
  }
  return Status::OK();
}

template <typename State, typename T, typename Builder>
Status FinishInteger(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  return FinishEach<State>(groups, offset, count, out, [&](const State& state) {
    const auto sum = static_cast<T>(state.sum());
    if (state.sum() != static_cast<Int128>(sum)) {
      return Error(ErrorKind::kOverflow, "the sum does not fit {}; cast to DECIMAL or DOUBLE: {}",
                   out->type()->ToString(), FormatDecimal(state.sum(), 0));
    }
    return static_cast<Builder*>(out)->Append(sum);
  });
}

template <typename State>
Status FinishFloat(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                   arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const State& state = StateAt<State>(groups[i], offset);
    if (state.is_empty()) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(state.Value());
    }
  }
  return Status::OK();
}

Status FinishDecimal(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  return FinishEach<DecimalSum192>(groups, offset, count, out, [&](const DecimalSum192& state) {
    Int128 sum;
    if (state.Narrow(&sum) || !FitsPrecision(sum, kDecimalPrecisionMax)) {
      return Error(ErrorKind::kOverflow, "the sum does not fit {}: about {}",
                   out->type()->ToString(), state.ToDouble());
    }
    return static_cast<arrow::Decimal128Builder*>(out)->Append(
        arrow::Decimal128(static_cast<int64_t>(sum >> 64), static_cast<uint64_t>(sum)));
  });
}

template <typename State, typename T>
constexpr AggregateKernel kIntegerKernel =
    SumKernel<State, T>(FinishInteger<State, int64_t, arrow::Int64Builder>);
template <typename State>
constexpr AggregateKernel kIntegerKernel<State, uint64_t> =
    SumKernel<State, uint64_t>(FinishInteger<State, uint64_t, arrow::UInt64Builder>);
constexpr AggregateKernel kFloat32Kernel = SumKernel<FloatSum, float>(FinishFloat<FloatSum>);
constexpr AggregateKernel kFloat64Kernel = SumKernel<FloatSum, double>(FinishFloat<FloatSum>);
constexpr AggregateKernel kNarrowFloat32Kernel =
    SumKernel<FloatTotal, float>(FinishFloat<FloatTotal>);
constexpr AggregateKernel kNarrowFloat64Kernel =
    SumKernel<FloatTotal, double>(FinishFloat<FloatTotal>);
constexpr AggregateKernel kDecimalKernel = SumKernel<DecimalSum192, Int128>(FinishDecimal);

constexpr ArgPattern kInt32[] = {ArgPattern::kInt32};
constexpr ArgPattern kInt64[] = {ArgPattern::kInt64};
constexpr ArgPattern kUInt64[] = {ArgPattern::kUInt64};
constexpr ArgPattern kFloat32[] = {ArgPattern::kFloat32};
constexpr ArgPattern kFloat64[] = {ArgPattern::kFloat64};
constexpr ArgPattern kDecimal[] = {ArgPattern::kDecimal128};

constexpr Overload kOverloads[] = {
    {.args = kInt32, .result = Int64Type, .aggregate = &kIntegerKernel<IntegerSum, int32_t>},
    {.args = kInt64, .result = Int64Type, .aggregate = &kIntegerKernel<IntegerSum, int64_t>},
    {.args = kUInt64, .result = UInt64Type, .aggregate = &kIntegerKernel<IntegerSum, uint64_t>},
    {.args = kFloat32, .result = Float64Type, .aggregate = &kFloat32Kernel},
    {.args = kFloat64, .result = Float64Type, .aggregate = &kFloat64Kernel},
    {.args = kDecimal, .result = WidestDecimalType, .aggregate = &kDecimalKernel},
};
constexpr Example kExamples[] = {
    {"sum(x)", "4", "(1), (NULL), (3)"},
    {"sum(x)", "NULL", "(CAST(NULL AS INTEGER)), (NULL)"},
    {"sum(x)", "2.5", "(1.0), (1.5), (NULL)"},
};

}  // namespace

const AggregateKernel* NarrowSum(const AggregateKernel& kernel) {
  if (&kernel == &kFloat64Kernel) return &kNarrowFloat64Kernel;
  if (&kernel == &kFloat32Kernel) return &kNarrowFloat32Kernel;
  if (&kernel == &kIntegerKernel<IntegerSum, int32_t>)
    return &kIntegerKernel<IntegerTotal, int32_t>;
  if (&kernel == &kIntegerKernel<IntegerSum, int64_t>)
    return &kIntegerKernel<IntegerTotal, int64_t>;
  const bool is_unsigned = &kernel == &kIntegerKernel<IntegerSum, uint64_t>;
  return is_unsigned ? &kIntegerKernel<IntegerTotal, uint64_t> : nullptr;
}

HEADRACE_DEFINE_FUNCTION(kSum) = {
    .id = "sum_checked",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "sum", .ltseq = "sum"},
    .overloads = kOverloads,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The sum of the values that are not null, null when there is none: int64 (uint64 of "
        "unsigned), decimal(38, s) or float64. An integer or decimal sum that does not fit is an "
        "error; a float sum does not depend on the order of rows to 1e-12.",
    .examples = kExamples,
};

}  // namespace headrace
