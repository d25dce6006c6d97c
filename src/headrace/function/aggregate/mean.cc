// mean: the sum over the count, as float64; null over no value.
#include "arrow/array/builder_primitive.h"
#include "headrace/function/aggregate/narrow_kernel.h"
#include "headrace/function/aggregate/sum_state.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

double Total(const IntegerSum& state) { return static_cast<double>(state.sum()); }
double Total(const DecimalSum192& state) { return state.ToDouble(); }
double Total(const FloatSum& state) { return state.Value(); }
double Total(const FloatTotal& state) { return state.Value(); }

/// A total and of how many values.
struct CountedTotal : FloatTotal {
  int64_t count = 0;

  void Add(double value) {
    FloatTotal::Add(value);
    ++count;
  }
  void AddMany(const uint8_t* values, int64_t length) {
    FloatTotal::AddMany(values, length);
    count += length;
  }
  void Merge(const CountedTotal& other) {
    FloatTotal::Merge(other);
    count += other.count;
  }
  void Save(std::string* out) const {
    FloatTotal::Save(out);
    PutValue(count, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(FloatTotal::Load(reader));
    return reader.ReadCount(&count);
  }
};

template <typename State>
Status Finish(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
              arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const State& state = StateAt<State>(groups[i], offset);
    if (state.count == 0) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(Total(state) / static_cast<double>(state.count));
    }
  }
  return Status::OK();
}

template <typename State, typename T>
constexpr AggregateKernel kKernel = SumKernel<State, T>(Finish<State>);

constexpr ArgPattern kInt32[] = {ArgPattern::kInt32};
constexpr ArgPattern kInt64[] = {ArgPattern::kInt64};
constexpr ArgPattern kUInt64[] = {ArgPattern::kUInt64};
constexpr ArgPattern kFloat32[] = {ArgPattern::kFloat32};
constexpr ArgPattern kFloat64[] = {ArgPattern::kFloat64};
constexpr ArgPattern kDecimal[] = {ArgPattern::kDecimal128};

constexpr Overload kOverloads[] = {
    {.args = kInt32, .result = Float64Type, .aggregate = &kKernel<IntegerSum, int32_t>},
    {.args = kInt64, .result = Float64Type, .aggregate = &kKernel<IntegerSum, int64_t>},
    {.args = kUInt64, .result = Float64Type, .aggregate = &kKernel<IntegerSum, uint64_t>},
    {.args = kFloat32, .result = Float64Type, .aggregate = &kKernel<FloatSum, float>},
    {.args = kFloat64, .result = Float64Type, .aggregate = &kKernel<FloatSum, double>},
    {.args = kDecimal, .result = Float64Type, .aggregate = &kKernel<DecimalSum192, Int128>},
};
constexpr Example kExamples[] = {
    {"mean(x)", "2.5", "(1), (NULL), (4)"},
    {"mean(x)", "NULL", "(CAST(NULL AS INTEGER)), (NULL)"},
};

}  // namespace

const AggregateKernel* NarrowMean(const AggregateKernel& kernel) {
  if (&kernel == &kKernel<FloatSum, double>) return &kKernel<CountedTotal, double>;
  return &kernel == &kKernel<FloatSum, float> ? &kKernel<CountedTotal, float> : nullptr;
}

HEADRACE_DEFINE_FUNCTION(kMean) = {
    .id = "mean",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "mean|avg", .ltseq = "mean"},
    .overloads = kOverloads,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The arithmetic mean of the values that are not null, as float64; null when there is "
        "none. Integers and decimals are summed exactly before the division.",
    .examples = kExamples,
};

}  // namespace headrace
