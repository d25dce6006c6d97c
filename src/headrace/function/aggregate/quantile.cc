// Exact quantiles: the values of a group are kept. approx_quantile keeps counts of buckets instead,
// whose bounds grow by 1 %.
#include <algorithm>
#include <cmath>
#include <map>

#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/builder_time.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/function/aggregate/counted_values.h"
#include "headrace/function/aggregate/removing_kernel.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

using enum ArgPattern;

Status CheckFraction(double fraction) {
  if (fraction >= 0 && fraction <= 1) return Status::OK();
  return Error(ErrorKind::kInvalidArgument, "a quantile stands between 0 and 1, not at {}",
               fraction);
}

/// Values one behind the other: raw, or text with its length before it; and the fraction asked for.
struct ValueBag {
  static constexpr const char* kOwner = "quantile";

  std::string bytes;
  double fraction = 0.5;

  template <typename T>
  void Add(const T& value) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      PutValue(static_cast<uint32_t>(value.size()), &bytes);
      bytes.append(value);
    } else {
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
  }
  void Merge(const ValueBag& other) {
    if (!other.bytes.empty()) fraction = other.fraction;
    bytes += other.bytes;
  }
  void Save(std::string* out) const {
    PutValue(fraction, out);
    PutText(bytes, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.Read(&fraction));
    if (!CheckFraction(fraction).ok()) return reader.Damaged("a fraction is out of range");
    return reader.ReadText(&bytes);
  }
  int64_t Bytes() const { return HeapBytes(bytes); }

  /// All values; kBadData when the bytes are none.
  template <typename T>
  Result<std::vector<T>> Values() const {
    std::vector<T> values;
    if constexpr (std::is_same_v<T, std::string_view>) {
      for (std::string_view rest = bytes; !rest.empty();) {
        uint32_t size = 0;
        if (rest.size() < sizeof(size)) return Damaged();
        std::memcpy(&size, rest.data(), sizeof(size));
        rest.remove_prefix(sizeof(size));
        if (rest.size() < size) return Damaged();
        values.push_back(rest.substr(0, size));
        rest.remove_prefix(size);
      }
    } else {
      if (bytes.size() % sizeof(T) != 0) return Damaged();
      if (bytes.empty()) return values;
      values.resize(bytes.size() / sizeof(T));
      std::memcpy(static_cast<void*>(values.data()), bytes.data(), bytes.size());
    }
    return values;
  }

 private:
  Status Damaged() const {
    return Error(ErrorKind::kBadData, "the saved state of {} holds no values", kOwner);
  }
};

/// Checks and notes the fraction of a row, the second argument where there is one. All rows have
/// the same.
class Fractions {
 public:
  explicit Fractions(const AggregateRows& rows) {
    if (rows.args.size() > 1) column_.emplace_back(rows.args[1]);
  }
  Status Note(int64_t row, bool is_first, double* fraction) const {
    if (column_.empty()) return Status::OK();
    const double asked = column_[0][row];
    ARROW_RETURN_NOT_OK(CheckFraction(asked));
    if (!is_first && asked != *fraction) {
      return Error(ErrorKind::kInvalidArgument,
                   "a quantile has one fraction for all rows, got {} and {}", *fraction, asked);
    }
    *fraction = asked;
    return Status::OK();
  }

 private:
  std::vector<View<double>> column_;
};

struct OrderedRows {
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    const arrow::Array& array = *rows.args[0].array;
    if (array.type_id() == arrow::Type::NA) return Status::OK();
    const Fractions fractions(rows);
    Status status;
    const bool known = VisitOrdered(array.type_id(), [&](auto tag) {
      using Tag = decltype(tag);
      const typename Tag::Column column(rows.args[0]);
      ForEachComplete(rows, [&](int64_t row) {
        ValueBag& bag = into(row);
        if (status.ok()) status = fractions.Note(row, bag.bytes.empty(), &bag.fraction);
        bag.Add(typename Tag::Value(column[row]));
      });
    });
    if (known) return status;
    return Error(ErrorKind::kInternal, "no order for {}", array.type()->ToString());
  }
};

template <typename T>
T Interpolate(T low, T high, double share) {
  if constexpr (std::is_same_v<T, double>) {
    if (low == high) return low;
    return low + (high - low) * share;
  } else {
    const auto width = static_cast<long double>(high) - static_cast<long double>(low);
    return low + static_cast<T>(std::round(width * share));
  }
}

template <typename T>
T ContinuousQuantile(std::vector<T>& values, double fraction) {
  const double place = static_cast<double>(values.size() - 1) * fraction;
  const auto below = static_cast<size_t>(std::floor(place));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), at, values.end(), ValueLess<T>);
  const T low = *at;
  if (place == std::floor(place)) return low;
  const T high = *std::min_element(at + 1, values.end(), ValueLess<T>);
  return Interpolate(low, high, place - std::floor(place));
}

template <typename T, typename Builder, typename State = ValueBag>
Status FinishContinuous(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                        arrow::ArrayBuilder* out) {
  auto& builder = static_cast<Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& bag = StateAt<State>(groups[i], offset);
    ARROW_ASSIGN_OR_RAISE(std::vector<T> values, bag.template Values<T>());
    if (values.empty()) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(ContinuousQuantile(values, bag.fraction));
    }
  }
  return Status::OK();
}

/// The middle of integers of up to 64 bits as a float64, of the exact sum of both.
template <typename T, typename State = ValueBag>
Status FinishIntegerMedian(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                           arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(std::vector<T> values,
                          StateAt<State>(groups[i], offset).template Values<T>());
    if (values.empty()) {
      builder.UnsafeAppendNull();
      continue;
    }
    const auto upper = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), upper, values.end());
    const T lower = values.size() % 2 == 0 ? *std::max_element(values.begin(), upper) : *upper;
    const Int128 sum = static_cast<Int128>(lower) + static_cast<Int128>(*upper);
    builder.UnsafeAppend(static_cast<double>(sum) / 2);
  }
  return Status::OK();
}

/// The exact middle of decimals, with one decimal more: half of 0.05 is 0.025.
template <typename State = ValueBag>
Status FinishDecimalMedian(KernelContext& ctx, std::byte* const* groups, size_t offset,
                           int64_t count, arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::Decimal128Builder&>(*out);
  for (int64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(std::vector<Int128> values,
                          StateAt<State>(groups[i], offset).template Values<Int128>());
    if (values.empty()) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    const auto upper = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), upper, values.end());
    const bool is_even = values.size() % 2 == 0;
    const Int128 lower = is_even ? *std::max_element(values.begin(), upper) : *upper;
    Int128 sum;
    Int128 middle;
    if (__builtin_add_overflow(lower, *upper, &sum) ||
        __builtin_mul_overflow(sum, Int128{5}, &middle) ||
        !FitsPrecision(middle, PrecisionOf(*ctx.result_type))) {
      return Error(ErrorKind::kOverflow, "the median does not fit {}", out->type()->ToString());
    }
    ARROW_RETURN_NOT_OK(builder.Append(
        arrow::Decimal128(static_cast<int64_t>(middle >> 64), static_cast<uint64_t>(middle))));
  }
  return Status::OK();
}

Result<TypePtr> DecimalMedianType(std::span<const TypePtr> args) {
  const int scale = ScaleOf(*args[0]) + 1;
  if (scale <= kDecimalPrecisionMax) {
    return arrow::decimal128(std::min(PrecisionOf(*args[0]) + 1, kDecimalPrecisionMax), scale);
  }
  return Error(ErrorKind::kTypeMismatch, "the median of {} has too many decimals; cast to DOUBLE",
               args[0]->ToString());
}

/// The least value with at least that share of the values up to it.
template <typename T, typename State>
Status AppendDiscrete(const State& bag, const arrow::DataType& type, arrow::ArrayBuilder* out) {
  ARROW_ASSIGN_OR_RAISE(std::vector<T> values, bag.template Values<T>());
  if (values.empty()) return out->AppendNull();
  const auto size = static_cast<double>(values.size());
  const double rank = std::max(1.0, size - std::floor(size - bag.fraction * size));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(values.begin(), at, values.end(), ValueLess<T>);
  if constexpr (std::is_same_v<T, std::string_view>) {
    return AppendCell(*at, type, out);
  } else {
    return AppendCell({reinterpret_cast<const char*>(&*at), sizeof(T)}, type, out);
  }
}

Status FinishDiscrete(KernelContext& ctx, std::byte* const* groups, size_t offset, int64_t count,
                      arrow::ArrayBuilder* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto& bag = StateAt<ValueBag>(groups[i], offset);
    Status status = Status::OK();
    const bool known = VisitOrdered(ctx.result_type->id(), [&](auto tag) {
      status = AppendDiscrete<typename decltype(tag)::Value>(bag, *ctx.result_type, out);
    });
    ARROW_RETURN_NOT_OK(known ? status : out->AppendNull());
  }
  return Status::OK();
}

// ---- with rows taken back ----

/// Values counted in their order, and the fraction of the second argument.
template <typename Tag>
struct CountedQuantileRows {
  static constexpr bool kRemoves = true;

  template <typename Into, typename Change>
  static Status ForEach(const AggregateRows& rows, Into&& into, Change&& change) {
    if (rows.args[0].array->type_id() == arrow::Type::NA) return Status::OK();
    const typename Tag::Column column(rows.args[0]);
    const Fractions fractions(rows);
    Status status;
    ForEachComplete(rows, [&](int64_t row) {
      CountedValues<Tag>& state = into(row);
      if (status.ok()) status = fractions.Note(row, state.empty(), &state.fraction);
      change(state, typename Tag::Value(column[row]));
    });
    return status;
  }
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEach(rows, into, [](auto& state, const auto& value) { state.Add(value); });
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEach(rows, into, [](auto& state, const auto& value) { state.Remove(value); });
  }
};

template <typename Tag>
Status FinishCountedDiscrete(KernelContext& ctx, std::byte* const* groups, size_t offset,
                             int64_t count, arrow::ArrayBuilder* out) {
  for (int64_t i = 0; i < count; ++i) {
    ARROW_RETURN_NOT_OK(AppendDiscrete<typename Tag::Value>(
        StateAt<CountedValues<Tag>>(groups[i], offset), *ctx.result_type, out));
  }
  return Status::OK();
}

template <typename Tag>
constexpr AggregateKernel CountedQuantile(decltype(AggregateKernel::finish) finish) {
  return StateKernel<CountedValues<Tag>, CountedQuantileRows<Tag>>(finish);
}

using Doubles = representation::Fixed<double>;
using Ticks = representation::Fixed<int64_t>;
using Wide = representation::Fixed<Int128>;

constexpr AggregateKernel kCountedNumbers = CountedQuantile<Doubles>(
    FinishContinuous<double, arrow::DoubleBuilder, CountedValues<Doubles>>);
constexpr AggregateKernel kCountedTimes = CountedQuantile<Ticks>(
    FinishContinuous<int64_t, arrow::TimestampBuilder, CountedValues<Ticks>>);
template <typename T>
constexpr AggregateKernel kCountedIntegers = CountedQuantile<representation::Fixed<T>>(
    FinishIntegerMedian<T, CountedValues<representation::Fixed<T>>>);
constexpr AggregateKernel kCountedDecimals =
    CountedQuantile<Wide>(FinishDecimalMedian<CountedValues<Wide>>);
template <typename Tag>
constexpr AggregateKernel kCountedDiscrete = CountedQuantile<Tag>(FinishCountedDiscrete<Tag>);

// ---- approximate ----

/// Counts per bucket of the logarithm (Masson, Rim, Lee 2019: DDSketch), keys in the order of the
/// values.
struct LogBuckets {
  static constexpr const char* kOwner = "approx_quantile";
  static constexpr double kError = 0.005;
  static constexpr int64_t kOne = 1 << 20;  // the key of bucket 0 of positive values
  static constexpr int64_t kInfinity = 1 << 22;
  static constexpr int64_t kNan = kInfinity + 1;

  std::map<int64_t, int64_t> counts;
  int64_t total = 0;
  double fraction = 0.5;

  static double LogStep() { return std::log((1 + kError) / (1 - kError)); }
  static int64_t KeyOf(double value) {
    if (value != value) return kNan;
    if (value == 0) return 0;
    const double size = std::fabs(value);
    const int64_t key = std::isinf(size)
                            ? kInfinity
                            : kOne + static_cast<int64_t>(std::ceil(std::log(size) / LogStep()));
    return value < 0 ? -key : key;
  }
  static double ValueOf(int64_t key) {
    if (key == kNan) return std::numeric_limits<double>::quiet_NaN();
    if (key == 0) return 0;
    const double sign = key < 0 ? -1 : 1;
    const int64_t size = key < 0 ? -key : key;
    if (size >= kInfinity) return sign * std::numeric_limits<double>::infinity();
    return sign * std::exp(static_cast<double>(size - kOne) * LogStep()) * (1 - kError);
  }
  void Add(double value, int64_t sign) {
    int64_t& count = counts[KeyOf(value)];
    count += sign;
    total += sign;
    if (count == 0) counts.erase(KeyOf(value));
  }
  void Merge(const LogBuckets& other) {
    if (other.total > 0) fraction = other.fraction;
    for (const auto& [key, count] : other.counts) counts[key] += count;
    total += other.total;
  }
  double Quantile() const {
    const auto rank = static_cast<int64_t>(std::floor(fraction * static_cast<double>(total - 1)));
    int64_t passed = 0;
    for (const auto& [key, count] : counts) {
      passed += count;
      if (passed > rank) return ValueOf(key);
    }
    return counts.empty() ? 0 : ValueOf(counts.rbegin()->first);
  }
  void Save(std::string* out) const {
    PutValue(fraction, out);
    PutValue<uint64_t>(counts.size(), out);
    for (const auto& [key, count] : counts) {
      PutValue(key, out);
      PutValue(count, out);
    }
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.Read(&fraction));
    if (!CheckFraction(fraction).ok()) return reader.Damaged("a fraction is out of range");
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(reader.Read(&size));
    if (size > reader.left() / 16) return reader.Damaged("more buckets than bytes");
    for (uint64_t i = 0; i < size; ++i) {
      int64_t key = 0;
      int64_t count = 0;
      ARROW_RETURN_NOT_OK(reader.Read(&key));
      ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
      const bool possible = key >= -kInfinity && key <= kNan && count > 0 &&
                            total < int64_t{1} << 56 && counts.emplace(key, count).second;
      if (!possible) return reader.Damaged("no buckets");
      total += count;
    }
    return Status::OK();
  }
  int64_t Bytes() const { return static_cast<int64_t>(counts.size()) * 64; }
};

struct BucketRows {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Change(const AggregateRows& rows, Into&& into, int64_t sign) {
    const View<double> values(rows.args[0]);
    const Fractions fractions(rows);
    Status status;
    ForEachComplete(rows, [&](int64_t row) {
      LogBuckets& buckets = into(row);
      if (status.ok()) status = fractions.Note(row, buckets.total == 0, &buckets.fraction);
      buckets.Add(values[row], sign);
    });
    return status;
  }
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return Change(rows, into, 1);
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    return Change(rows, into, -1);
  }
};

Status FinishApproximate(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                         arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<LogBuckets>(groups[i], offset);
    if (state.total == 0) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(state.Quantile());
    }
  }
  return Status::OK();
}

constexpr AggregateKernel kNumbers =
    StateKernel<ValueBag, OrderedRows>(FinishContinuous<double, arrow::DoubleBuilder>);
constexpr AggregateKernel kTimes =
    StateKernel<ValueBag, OrderedRows>(FinishContinuous<int64_t, arrow::TimestampBuilder>);
template <typename T>
constexpr AggregateKernel kIntegers = StateKernel<ValueBag, OrderedRows>(FinishIntegerMedian<T>);
constexpr AggregateKernel kDecimals = StateKernel<ValueBag, OrderedRows>(FinishDecimalMedian<>);
constexpr AggregateKernel kDiscrete = StateKernel<ValueBag, OrderedRows>(FinishDiscrete);
constexpr AggregateKernel kApproximate = StateKernel<LogBuckets, BucketRows>(FinishApproximate);

constexpr Overload kMedianForm[] = {
    {.args = kArgs<kInt64>, .result = Float64Type, .aggregate = &kIntegers<int64_t>},
    {.args = kArgs<kUInt64>, .result = Float64Type, .aggregate = &kIntegers<uint64_t>},
    {.args = kArgs<kFloat64>, .result = Float64Type, .aggregate = &kNumbers},
    {.args = kArgs<kTimestamp>, .result = FirstType, .aggregate = &kTimes},
    {.args = kArgs<kDecimal128>, .result = DecimalMedianType, .aggregate = &kDecimals},
};
constexpr Overload kContinuousForm[] = {
    {.args = kArgs<kFloat64, kFloat64>, .result = Float64Type, .aggregate = &kNumbers},
    {.args = kArgs<kTimestamp, kFloat64>, .result = FirstType, .aggregate = &kTimes},
};
constexpr Overload kDiscreteForm[] = {
    {.args = kArgs<kCommonComparable, kFloat64>, .result = FirstType, .aggregate = &kDiscrete},
};
constexpr Overload kApproximateForm[] = {
    {.args = kArgs<kFloat64, kFloat64>, .result = Float64Type, .aggregate = &kApproximate},
};

constexpr Example kMedianExamples[] = {{"median(x)", "2.5", "(1), (NULL), (4), (3), (2)"},
                                       {"median(x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kQuantileContExamples[] = {
    {"quantile_cont(x, 0.25)", "1.75", "(1), (NULL), (4), (3), (2)"},
    {"quantile_cont(x, 0.25)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kQuantileDiscExamples[] = {
    {"quantile_disc(x, 0.5)", "b", "('d'), (NULL), ('a'), ('c'), ('b')"},
    {"quantile_disc(x, 0.5)", "NULL", "(CAST(NULL AS VARCHAR))"}};
constexpr Example kApproxQuantileExamples[] = {
    {"approx_quantile(x, 0.5)", "0.0", "(-1), (NULL), (0), (3)"},
    {"approx_quantile(x, 0.5)", "NULL", "(CAST(NULL AS DOUBLE))"}};

}  // namespace

const AggregateKernel* RemovingQuantile(const AggregateKernel& kernel,
                                        const arrow::DataType& argument) {
  if (&kernel == &kNumbers) return &kCountedNumbers;
  if (&kernel == &kTimes) return &kCountedTimes;
  if (&kernel == &kDecimals) return &kCountedDecimals;
  if (&kernel == &kIntegers<int64_t>) return &kCountedIntegers<int64_t>;
  if (&kernel == &kIntegers<uint64_t>) return &kCountedIntegers<uint64_t>;
  const AggregateKernel* discrete = nullptr;
  if (&kernel != &kDiscrete) return discrete;
  VisitOrdered(argument.id(), [&](auto tag) { discrete = &kCountedDiscrete<decltype(tag)>; });
  return discrete;
}

HEADRACE_DEFINE_FUNCTION(kMedian) = {
    .id = "median",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "median", .ltseq = "median"},
    .overloads = kMedianForm,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The middle value, between two the middle of both, of decimals exact with one decimal "
        "more; "
        "NaN stands above all. The values are kept.",
    .examples = kMedianExamples,
};

HEADRACE_DEFINE_FUNCTION(kQuantileCont) = {
    .id = "quantile_cont",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "quantile_cont|percentile_cont"},
    .overloads = kContinuousForm,
    .nulls = NullRule::kSkip,
    .arguments = "x, fraction",
    .doc =
        "The value at a fraction (0 to 1) of the ordered values, interpolated between two. Exact.",
    .examples = kQuantileContExamples,
};

HEADRACE_DEFINE_FUNCTION(kQuantileDisc) = {
    .id = "quantile_disc",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "quantile_disc|quantile|percentile_disc"},
    .overloads = kDiscreteForm,
    .nulls = NullRule::kSkip,
    .arguments = "x, fraction",
    .doc =
        "The least value that is not below that fraction (0 to 1) of the values. Exact; any type "
        "that has an order.",
    .examples = kQuantileDiscExamples,
};

HEADRACE_DEFINE_FUNCTION(kApproxQuantile) = {
    .id = "approx_quantile",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "approx_quantile"},
    .overloads = kApproximateForm,
    .nulls = NullRule::kSkip,
    .arguments = "x, fraction",
    .doc =
        "A value within 0.5 % of the one at a fraction (0 to 1) of the ordered values, in memory "
        "that does not grow with their number. The same however the work is divided.",
    .examples = kApproxQuantileExamples,
};

}  // namespace headrace
