// Aggregates of pairs of numbers: covariance, correlation, linear regression. Rows with a null on
// either side do not count.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "arrow/array/builder_primitive.h"
#include "headrace/function/aggregate/double_double.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

using enum ArgPattern;
using Wide = __float128;

struct PairSums {
  static constexpr const char* kOwner = "regression";

  int64_t count = 0;
  int64_t not_finite = 0;
  DoubleDouble x;
  DoubleDouble y;
  DoubleDouble xx;
  DoubleDouble yy;
  DoubleDouble xy;

  void Add(double y_value, double x_value, int64_t sign) {
    count += sign;
    if (y_value - y_value != 0 || x_value - x_value != 0) [[unlikely]] {
      not_finite += sign;
      return;
    }
    const auto signed_sum = [sign](DoubleDouble& sum, const DoubleDouble& value) {
      sum = sum + (sign > 0 ? value : -value);
    };
    signed_sum(x, {x_value, 0});
    signed_sum(y, {y_value, 0});
    signed_sum(xx, TwoProduct(x_value, x_value));
    signed_sum(yy, TwoProduct(y_value, y_value));
    signed_sum(xy, TwoProduct(x_value, y_value));
  }
  void Merge(const PairSums& other) {
    count += other.count;
    not_finite += other.not_finite;
    x = x + other.x;
    y = y + other.y;
    xx = xx + other.xx;
    yy = yy + other.yy;
    xy = xy + other.xy;
  }
  void Save(std::string* out) const {
    PutValue(count, out);
    PutValue(not_finite, out);
    for (const DoubleDouble* sum : {&x, &y, &xx, &yy, &xy}) PutValue(*sum, out);
  }
  Status Load(StateBytesReader& reader) {
    ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
    ARROW_RETURN_NOT_OK(reader.ReadCount(&not_finite));
    for (DoubleDouble* sum : {&x, &y, &xx, &yy, &xy}) ARROW_RETURN_NOT_OK(reader.Read(sum));
    return Status::OK();
  }

  // Sums of products of differences from the means.
  Wide Sxx() const { return std::max<Wide>(xx.Wide() - x.Wide() * x.Wide() / count, 0); }
  Wide Syy() const { return std::max<Wide>(yy.Wide() - y.Wide() * y.Wide() / count, 0); }
  Wide Sxy() const { return xy.Wide() - x.Wide() * y.Wide() / count; }
};

struct Pairs {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Change(const AggregateRows& rows, Into&& into, int64_t sign) {
    const View<double> y(rows.args[0]);
    const View<double> x(rows.args[1]);
    ForEachComplete(rows, [&](int64_t row) { into(row).Add(y[row], x[row], sign); });
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

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <int kLeast, auto kResult>
constexpr AggregateKernel kKernel =
    StateKernel<PairSums, Pairs>(FinishFloat64<PairSums, kLeast, kResult>);
template <int kLeast, auto kResult>
constexpr Overload kForm[] = {
    {.args = kArgs<kFloat64, kFloat64>,
     .result = Float64Type,
     .aggregate = &kKernel<kLeast, kResult>},
};
constexpr AggregateKernel kCountKernel =
    StateKernel<PairSums, Pairs>(FinishInt64<PairSums, &PairSums::count>);
constexpr Overload kCountForm[] = {
    {.args = kArgs<kFloat64, kFloat64>, .result = Int64Type, .aggregate = &kCountKernel},
};

double Ratio(Wide a, Wide b) { return b == 0 ? kNaN : Narrow(a / b); }

constexpr auto kCovarPopOf = [](const PairSums& s) { return Narrow(s.Sxy() / s.count); };
constexpr auto kCovarSampOf = [](const PairSums& s) { return Narrow(s.Sxy() / (s.count - 1)); };
constexpr auto kCorrOf = [](const PairSums& s) {
  const Wide sxy = s.Sxy();
  const double square = Ratio(sxy * sxy, s.Sxx() * s.Syy());
  return std::copysign(std::sqrt(std::min(square, 1.0)), Narrow(sxy));
};
constexpr auto kSlopeOf = [](const PairSums& s) { return Ratio(s.Sxy(), s.Sxx()); };
constexpr auto kInterceptOf = [](const PairSums& s) -> std::optional<double> {
  if (s.Sxx() == 0) return std::nullopt;
  return Narrow((s.y.Wide() - s.Sxy() / s.Sxx() * s.x.Wide()) / s.count);
};
constexpr auto kR2Of = [](const PairSums& s) -> std::optional<double> {
  if (s.Sxx() == 0) return std::nullopt;
  if (s.Syy() == 0) return 1.0;
  return Narrow(s.Sxy() * s.Sxy() / (s.Sxx() * s.Syy()));
};
constexpr auto kAvgXOf = [](const PairSums& s) { return Narrow(s.x.Wide() / s.count); };
constexpr auto kAvgYOf = [](const PairSums& s) { return Narrow(s.y.Wide() / s.count); };
constexpr auto kSxxOf = [](const PairSums& s) { return Narrow(s.Sxx()); };
constexpr auto kSyyOf = [](const PairSums& s) { return Narrow(s.Syy()); };
constexpr auto kSxyOf = [](const PairSums& s) { return Narrow(s.Sxy()); };

constexpr Example kCorrExamples[] = {{"corr(x, 2 * x)", "1.0", "(1.0), (NULL), (2.0), (3.0)"},
                                     {"corr(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kCovarPopExamples[] = {
    {"covar_pop(x, 2 * x)", "1.3333333333333333", "(1.0), (NULL), (2.0), (3.0)"},
    {"covar_pop(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kCovarSampExamples[] = {
    {"covar_samp(x, 2 * x)", "2.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"covar_samp(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrSlopeExamples[] = {
    {"regr_slope(x, 2 * x)", "0.5", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_slope(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrInterceptExamples[] = {
    {"regr_intercept(x, 2 * x)", "0.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_intercept(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrR2Examples[] = {{"regr_r2(x, 2 * x)", "1.0", "(1.0), (NULL), (2.0), (3.0)"},
                                       {"regr_r2(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrCountExamples[] = {
    {"regr_count(x, 2 * x)", "3", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_count(x, x)", "0", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrAvgXExamples[] = {
    {"regr_avgx(x, 2 * x)", "4.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_avgx(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrAvgYExamples[] = {
    {"regr_avgy(x, 2 * x)", "2.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_avgy(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrSxxExamples[] = {
    {"regr_sxx(x, 2 * x)", "8.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_sxx(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrSyyExamples[] = {
    {"regr_syy(x, 2 * x)", "2.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_syy(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};
constexpr Example kRegrSxyExamples[] = {
    {"regr_sxy(x, 2 * x)", "4.0", "(1.0), (NULL), (2.0), (3.0)"},
    {"regr_sxy(x, x)", "NULL", "(CAST(NULL AS DOUBLE))"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kCorr) = {
    .id = "corr",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "corr"},
    .overloads = kForm<1, kCorrOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "Pearson's coefficient of correlation; NaN where a side is constant.",
    .examples = kCorrExamples,
};

HEADRACE_DEFINE_FUNCTION(kCovarPop) = {
    .id = "covar_pop",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "covar_pop"},
    .overloads = kForm<1, kCovarPopOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The covariance of a population.",
    .examples = kCovarPopExamples,
};

HEADRACE_DEFINE_FUNCTION(kCovarSamp) = {
    .id = "covar_samp",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "covar_samp"},
    .overloads = kForm<2, kCovarSampOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The covariance of a sample; null of fewer than two pairs.",
    .examples = kCovarSampExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrSlope) = {
    .id = "regr_slope",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_slope"},
    .overloads = kForm<1, kSlopeOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The slope of the line that fits the pairs by least squares; NaN where x is constant.",
    .examples = kRegrSlopeExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrIntercept) = {
    .id = "regr_intercept",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_intercept"},
    .overloads = kForm<1, kInterceptOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "Where the fitted line meets the y axis; null where x is constant.",
    .examples = kRegrInterceptExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrR2) = {
    .id = "regr_r2",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_r2"},
    .overloads = kForm<1, kR2Of>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The coefficient of determination of the fitted line; null where x is constant.",
    .examples = kRegrR2Examples,
};

HEADRACE_DEFINE_FUNCTION(kRegrCount) = {
    .id = "regr_count",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_count"},
    .overloads = kCountForm,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The number of pairs without a null.",
    .examples = kRegrCountExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrAvgX) = {
    .id = "regr_avgx",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_avgx"},
    .overloads = kForm<1, kAvgXOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The mean of x over the pairs without a null.",
    .examples = kRegrAvgXExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrAvgY) = {
    .id = "regr_avgy",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_avgy"},
    .overloads = kForm<1, kAvgYOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The mean of y over the pairs without a null.",
    .examples = kRegrAvgYExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrSxx) = {
    .id = "regr_sxx",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_sxx"},
    .overloads = kForm<1, kSxxOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The squared differences of x from its mean, summed.",
    .examples = kRegrSxxExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrSyy) = {
    .id = "regr_syy",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_syy"},
    .overloads = kForm<1, kSyyOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The squared differences of y from its mean, summed.",
    .examples = kRegrSyyExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegrSxy) = {
    .id = "regr_sxy",
    .kind = FunctionKind::kAggregate,
    .names = {.sql = "regr_sxy"},
    .overloads = kForm<1, kSxyOf>,
    .nulls = NullRule::kSkip,
    .arguments = "y, x",
    .doc = "The products of the differences of x and y from their means, summed.",
    .examples = kRegrSxyExamples,
};

}  // namespace headrace
