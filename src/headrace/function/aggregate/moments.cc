// Variance, standard deviation, skewness and kurtosis by sums of powers in double-double, so that
// rows may come in any order and be taken back.
#include <array>
#include <cmath>
#include <optional>

#include "arrow/array/builder_primitive.h"
#include "headrace/function/aggregate/double_double.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Sums of the powers 1 … kPowers of the values.
template <int kPowers>
struct PowerSums {
  static constexpr const char* kOwner = "moments";

  std::array<DoubleDouble, kPowers> sums;
  int64_t count = 0;
  int64_t not_finite = 0;

  void Add(double value, int64_t sign) {
    count += sign;
    if (value - value != 0) [[unlikely]] {
      not_finite += sign;
      return;
    }
    DoubleDouble power{value, 0};
    for (int i = 0; i < kPowers; ++i) {
      sums[i] = sums[i] + (sign > 0 ? power : -power);
      if (i + 1 < kPowers) power = power * value;
    }
  }
  void Merge(const PowerSums& other) {
    for (int i = 0; i < kPowers; ++i) sums[i] = sums[i] + other.sums[i];
    count += other.count;
    not_finite += other.not_finite;
  }
  void Save(std::string* out) const {
    PutValue(count, out);
    PutValue(not_finite, out);
    for (const DoubleDouble& sum : sums) PutValue(sum, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
    ARROW_RETURN_NOT_OK(reader.ReadCount(&not_finite));
    for (DoubleDouble& sum : sums) ARROW_RETURN_NOT_OK(reader.Read(&sum));
    return Status::OK();
  }
};

template <int kPowers>
struct Values {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Change(const AggregateRows& rows, Into&& into, int64_t sign) {
    const View<double> values(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) { into(row).Add(values[row], sign); });
    return Status::OK();
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

using Wide = __float128;

/// The sum of squared differences from the mean, never below zero.
template <int kPowers>
Wide SquaresOf(const PowerSums<kPowers>& state) {
  const Wide sum = state.sums[0].Wide();
  const Wide squares = state.sums[1].Wide() - sum * sum / state.count;
  return squares < 0 ? 0 : squares;
}

template <int kPowers, int kLeast, auto kResult>
constexpr AggregateKernel kKernel = StateKernel<PowerSums<kPowers>, Values<kPowers>>(
    FinishFloat64<PowerSums<kPowers>, kLeast, kResult>);
template <int kPowers, int kLeast, auto kResult>
constexpr Overload kForm[] = {
    {.args = kArgs<kFloat64>,
     .result = Float64Type,
     .aggregate = &kKernel<kPowers, kLeast, kResult>},
};

using Squares = PowerSums<2>;
constexpr auto kVarPopOf = [](const Squares& s) { return Narrow(SquaresOf(s) / s.count); };
constexpr auto kVarSampOf = [](const Squares& s) { return Narrow(SquaresOf(s) / (s.count - 1)); };
constexpr auto kStdPopOf = [](const Squares& s) { return std::sqrt(kVarPopOf(s)); };
constexpr auto kStdSampOf = [](const Squares& s) { return std::sqrt(kVarSampOf(s)); };
constexpr auto kSemOf = [](const Squares& s) {
  return std::sqrt(kVarPopOf(s) / static_cast<double>(s.count));
};

/// Central moments 2 to 4, times the count.
struct Central {
  Wide second;
  Wide third;
  Wide fourth;
};
template <int kPowers>
Central CentralOf(const PowerSums<kPowers>& state) {
  const Wide n = state.count;
  const Wide mean = state.sums[0].Wide() / n;
  const Wide s1 = state.sums[0].Wide();
  const Wide s2 = state.sums[1].Wide();
  const Wide s3 = state.sums[2].Wide();
  Central central{SquaresOf(state),
                  s3 - 3 * mean * s2 + 3 * mean * mean * s1 - n * mean * mean * mean, 0};
  if constexpr (kPowers > 3) {
    central.fourth = state.sums[3].Wide() - 4 * mean * s3 + 6 * mean * mean * s2 -
                     4 * mean * mean * mean * s1 + n * mean * mean * mean * mean;
  }
  return central;
}

constexpr auto kSkewnessOf = [](const PowerSums<3>& s) -> std::optional<double> {
  const Central central = CentralOf(s);
  const auto n = static_cast<double>(s.count);
  const double variance = Narrow(central.second / s.count);
  if (variance <= 0) return std::nullopt;
  const double ratio = Narrow(central.third / s.count) / std::pow(variance, 1.5);
  return std::sqrt(n * (n - 1)) / (n - 2) * ratio;
};
/// Null where all values are equal.
std::optional<Wide> ExcessKurtosis(const PowerSums<4>& s) {
  const Central central = CentralOf(s);
  const Wide variance = central.second / s.count;
  if (variance <= 0) return std::nullopt;
  return central.fourth / s.count / (variance * variance) - 3;
}
constexpr auto kKurtosisPopOf = [](const PowerSums<4>& s) -> std::optional<double> {
  const std::optional<Wide> excess = ExcessKurtosis(s);
  if (!excess.has_value()) return std::nullopt;
  return Narrow(*excess);
};
constexpr auto kKurtosisOf = [](const PowerSums<4>& s) -> std::optional<double> {
  const Wide n = s.count;
  const std::optional<Wide> excess = ExcessKurtosis(s);
  if (!excess.has_value()) return std::nullopt;
  return Narrow((n - 1) * ((n + 1) * *excess + 6) / ((n - 2) * (n - 3)));
};

constexpr Example kVarSampExamples[] = {{"var_samp(x)", "4.5", "(1.0), (NULL), (4.0)"},
                                        {"var_samp(x)", "NULL", "(1.0)"}};
constexpr Example kVarPopExamples[] = {{"var_pop(x)", "2.25", "(1.0), (NULL), (4.0)"},
                                       {"var_pop(x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kStddevSampExamples[] = {{"stddev_samp(x)", "1.0", "(1.0), (NULL), (2.0), (3.0)"},
                                           {"stddev_samp(x)", "NULL", "(1.0)"}};
constexpr Example kStddevPopExamples[] = {{"stddev_pop(x)", "1.5", "(1.0), (NULL), (4.0)"},
                                          {"stddev_pop(x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kSemExamples[] = {{"sem(x)", "0.75", "(1.0), (1.0), (NULL), (4.0), (4.0)"},
                                    {"sem(x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kSkewnessExamples[] = {{"skewness(x)", "0.0", "(1.0), (2.0), (NULL), (3.0)"},
                                         {"skewness(x)", "NULL", "(1.0), (2.0)"}};
constexpr Example kKurtosisExamples[] = {
    {"kurtosis(x)", "-1.2", "(1.0), (2.0), (NULL), (3.0), (4.0)"},
    {"kurtosis(x)", "NULL", "(1.0), (2.0), (3.0)"}};
constexpr Example kKurtosisPopExamples[] = {
    {"kurtosis_pop(x)", "-1.36", "(1.0), (2.0), (NULL), (3.0), (4.0)"},
    {"kurtosis_pop(x)", "NULL", "(1.0)"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kVarSamp) = {
    .id = "var_samp",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "var_samp|variance", .ltseq = "var"},
    .overloads = kForm<2, 2, kVarSampOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The variance of a sample: squared differences from the mean over the count less one; null "
        "of fewer than two values.",
    .examples = kVarSampExamples,
};

HEADRACE_DEFINE_FUNCTION(kVarPop) = {
    .id = "var_pop",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "var_pop"},
    .overloads = kForm<2, 1, kVarPopOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The variance of a population: squared differences from the mean over the count.",
    .examples = kVarPopExamples,
};

HEADRACE_DEFINE_FUNCTION(kStddevSamp) = {
    .id = "stddev_samp",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "stddev_samp|stddev", .ltseq = "std"},
    .overloads = kForm<2, 2, kStdSampOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The standard deviation of a sample, the root of var_samp; null of fewer than two values.",
    .examples = kStddevSampExamples,
};

HEADRACE_DEFINE_FUNCTION(kStddevPop) = {
    .id = "stddev_pop",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "stddev_pop"},
    .overloads = kForm<2, 1, kStdPopOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The standard deviation of a population, the root of var_pop.",
    .examples = kStddevPopExamples,
};

HEADRACE_DEFINE_FUNCTION(kSem) = {
    .id = "sem",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "sem"},
    .overloads = kForm<2, 1, kSemOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The standard error of the mean: stddev_pop over the root of the count.",
    .examples = kSemExamples,
};

HEADRACE_DEFINE_FUNCTION(kSkewness) = {
    .id = "skewness",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "skewness"},
    .overloads = kForm<3, 3, kSkewnessOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc = "The skewness of a sample; null of fewer than three values and where all are equal.",
    .examples = kSkewnessExamples,
};

HEADRACE_DEFINE_FUNCTION(kKurtosis) = {
    .id = "kurtosis",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "kurtosis"},
    .overloads = kForm<4, 4, kKurtosisOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The excess kurtosis of a sample; null of fewer than four values and where all are equal.",
    .examples = kKurtosisExamples,
};

HEADRACE_DEFINE_FUNCTION(kKurtosisPop) = {
    .id = "kurtosis_pop",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "kurtosis_pop"},
    .overloads = kForm<4, 2, kKurtosisPopOf>,
    .nulls = NullRule::kSkip,
    .arguments = "x",
    .doc =
        "The excess kurtosis of a population; null of fewer than two values and where all are "
        "equal.",
    .examples = kKurtosisPopExamples,
};

}  // namespace headrace
