// cumulative_sum: the sum of the values up to each row, exact for integers and decimals.
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/function/aggregate/sum_state.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

template <typename T, typename Builder>
Status AppendSum(const IntegerSum& state, arrow::ArrayBuilder* out) {
  const auto sum = static_cast<T>(state.sum());
  if (static_cast<Int128>(sum) != state.sum()) {
    return Error(ErrorKind::kOverflow, "the cumulative sum does not fit {}: {}",
                 out->type()->ToString(), FormatDecimal(state.sum(), 0));
  }
  return static_cast<Builder*>(out)->Append(sum);
}

Status AppendFloat(const FloatSum& state, arrow::ArrayBuilder* out) {
  return static_cast<arrow::DoubleBuilder*>(out)->Append(state.Value());
}

Status AppendDecimal(const DecimalSum192& state, arrow::ArrayBuilder* out) {
  Int128 sum;
  if (state.Narrow(&sum) || !FitsPrecision(sum, kDecimalPrecisionMax)) {
    return Error(ErrorKind::kOverflow, "the cumulative sum does not fit {}: about {}",
                 out->type()->ToString(), state.ToDouble());
  }
  return static_cast<arrow::Decimal128Builder*>(out)->Append(
      arrow::Decimal128(static_cast<int64_t>(sum >> 64), static_cast<uint64_t>(sum)));
}

template <typename State>
using Append = Status (*)(const State& state, arrow::ArrayBuilder* out);

template <typename State, typename T, Append<State> kAppend>
Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
           int64_t end, arrow::ArrayBuilder* out) {
  auto& sum = StateAt<State>(state);
  const View<T> values(args[0]);
  const Validity valid(args[0]);
  ARROW_RETURN_NOT_OK(out->Reserve(end - begin));
  for (int64_t row = begin; row < end; ++row) {
    if constexpr (std::is_same_v<T, Int128>) {
      if (valid[row]) sum.Add({values[row], ScaleOf(*args[0].array->type())});
    } else {
      if (valid[row]) sum.Add(values[row]);
    }
    ARROW_RETURN_NOT_OK(sum.count == 0 ? out->AppendNull() : kAppend(sum, out));
  }
  return Status::OK();
}

template <typename State, typename T, Append<State> kAppend>
constexpr OrderedKernel kKernel = {
    .size = sizeof(State),
    .align = alignof(State),
    .init = InitState<State>,
    .run = Run<State, T, kAppend>,
    .save = SaveState<State>,
    .load = LoadState<State>,
};

constexpr ArgPattern kInt32[] = {ArgPattern::kInt32};
constexpr ArgPattern kInt64[] = {ArgPattern::kInt64};
constexpr ArgPattern kUInt64[] = {ArgPattern::kUInt64};
constexpr ArgPattern kFloat32[] = {ArgPattern::kFloat32};
constexpr ArgPattern kFloat64[] = {ArgPattern::kFloat64};
constexpr ArgPattern kDecimal[] = {ArgPattern::kDecimal128};

constexpr auto kAppendInt64 = AppendSum<int64_t, arrow::Int64Builder>;
constexpr auto kAppendUInt64 = AppendSum<uint64_t, arrow::UInt64Builder>;

constexpr Overload kOverloads[] = {
    {.args = kInt32, .result = Int64Type, .ordered = &kKernel<IntegerSum, int32_t, kAppendInt64>},
    {.args = kInt64, .result = Int64Type, .ordered = &kKernel<IntegerSum, int64_t, kAppendInt64>},
    {.args = kUInt64,
     .result = UInt64Type,
     .ordered = &kKernel<IntegerSum, uint64_t, kAppendUInt64>},
    {.args = kFloat32, .result = Float64Type, .ordered = &kKernel<FloatSum, float, AppendFloat>},
    {.args = kFloat64, .result = Float64Type, .ordered = &kKernel<FloatSum, double, AppendFloat>},
    {.args = kDecimal,
     .result = WidestDecimalType,
     .ordered = &kKernel<DecimalSum192, Int128, AppendDecimal>},
};
constexpr Example kExamples[] = {
    {"cumulative_sum(x)", "1, 1, 4", "(1), (NULL), (3)"},
    {"cumulative_sum(x)", "NULL, 2.5, 3.0", "(NULL), (2.5), (0.5)"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kCumulativeSum) = {
    .id = "cumulative_sum_checked",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "cumulative_sum|cumsum", .ltseq = "cum_sum"},
    .overloads = kOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kCarry,
    .arguments = "x",
    .doc =
        "The sum of the values up to and with this row. A null adds nothing; null before the "
        "first value. The types are those of sum; an integer or decimal that does not fit is "
        "an error.",
    .examples = kExamples,
};

}  // namespace headrace
