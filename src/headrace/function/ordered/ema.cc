// ema: the exponential moving average, one row after the other.
#include "arrow/array/builder_primitive.h"
#include "headrace/function/define.h"
#include "headrace/function/state.h"
#include "headrace/function/state_bytes.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

struct Average {
  double value = 0;
  bool has_value = false;
};

Status Run(KernelContext&, std::byte* state, std::span<const Argument> args, int64_t begin,
           int64_t end, arrow::ArrayBuilder* out) {
  auto& average = StateAt<Average>(state);
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  const View<double> values(args[0]);
  const View<double> alphas(args[1]);
  const Validity value_valid(args[0]);
  const Validity alpha_valid(args[1]);
  ARROW_RETURN_NOT_OK(builder.Reserve(end - begin));
  for (int64_t row = begin; row < end; ++row) {
    if (!value_valid[row] || !alpha_valid[row]) {
      builder.UnsafeAppendNull();
      continue;
    }
    const double alpha = alphas[row];
    if (!(alpha >= 0 && alpha <= 1)) {
      return Error(ErrorKind::kInvalidArgument, "ema takes an alpha from 0 to 1, got {}", alpha);
    }
    const double value = values[row];
    average.value = average.has_value ? average.value + alpha * (value - average.value) : value;
    average.has_value = true;
    builder.UnsafeAppend(average.value);
  }
  return Status::OK();
}

Status Save(const std::byte* state, std::string* out) {
  const auto& average = StateAt<Average>(state);
  PutValue(average.value, out);
  PutValue<uint8_t>(average.has_value ? 1 : 0, out);
  return Status::OK();
}

Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader("ema", bytes);
  Average loaded;
  ARROW_RETURN_NOT_OK(reader.Read(&loaded.value));
  ARROW_RETURN_NOT_OK(reader.ReadFlag(&loaded.has_value));
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<Average>(state) = loaded;
  return Status::OK();
}

constexpr OrderedKernel kKernel = {
    .size = sizeof(Average),
    .align = alignof(Average),
    .init = InitState<Average>,
    .run = Run,
    .save = Save,
    .load = Load,
};

constexpr ArgPattern kArgs[] = {ArgPattern::kFloat64, ArgPattern::kFloat64};
constexpr Overload kOverloads[] = {
    {.args = kArgs, .result = Float64Type, .ordered = &kKernel},
};
constexpr Example kExamples[] = {
    {"ema(x, 0.5)", "1.0, NULL, 2.0", "(1), (NULL), (3)"},
    {"ema(x, 1)", "4.0, 8.0", "(4.0), (8.0)"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kEma) = {
    .id = "ema",
    .kind = FunctionKind::kOrdered,
    .names = {.sql = "ema", .ltseq = "ema"},
    .overloads = kOverloads,
    .nulls = NullRule::kKernel,
    .parallel = ParallelClass::kSerial,
    .arguments = "x, alpha",
    .doc =
        "The exponential moving average: the first value, then previous + alpha * (x - "
        "previous). A null gives null and leaves the average as it is; alpha is from 0 to 1.",
    .examples = kExamples,
};

}  // namespace headrace
