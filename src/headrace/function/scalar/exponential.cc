// Roots, powers, exponentials and logarithms over float64, and tests of floats. They follow IEEE
// 754: outside its domain a function gives NaN or an infinity, never an error.
#include <cmath>
#include <numbers>

#include "headrace/function/float_forms.h"

namespace headrace {
namespace {

using enum ArgPattern;

template <auto kTest>
Result<ArrayPtr> Test(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<double> x(args[0]);
  return RunRowTest(ctx, rows, [&](int64_t row) { return kTest(x[row]); });
}

template <auto kTest>
constexpr Overload kTestForm[] = {
    {.args = kArgs<kFloat64>, .result = BooleanType, .scalar = Test<kTest>},
};

constexpr auto kLogarithm10 = [](double x) { return std::log10(x); };
constexpr auto kLogarithmOf = [](double base, double x) {
  return std::log10(x) / std::log10(base);
};
constexpr Overload kLogOverloads[] = {
    {.args = kArgs<kFloat64>, .result = Float64Type, .scalar = FloatUnary<kLogarithm10, double>},
    {.args = kArgs<kFloat64, kFloat64>,
     .result = Float64Type,
     .scalar = Float64Binary<kLogarithmOf>},
};

Result<ArrayPtr> Pi(KernelContext& ctx, std::span<const Argument>, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(auto out, Output<double>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, std::numbers::pi);
  return out.Finish(ctx.result_type);
}
constexpr Overload kPiOverloads[] = {{.args = {}, .result = Float64Type, .scalar = Pi}};

constexpr Example kSqrtExamples[] = {
    {"sqrt(16)", "4.0"}, {"sqrt(-1)", "nan"}, {"sqrt(NULL)", "NULL"}};
constexpr Example kCbrtExamples[] = {{"cbrt(-8)", "-2.0"}, {"cbrt(NULL)", "NULL"}};
constexpr Example kExpExamples[] = {{"exp(0)", "1.0"}, {"exp(NULL)", "NULL"}};
constexpr Example kLnExamples[] = {{"ln(1)", "0.0"}, {"ln(0)", "-inf"}, {"ln(NULL)", "NULL"}};
constexpr Example kLog2Examples[] = {{"log2(8)", "3.0"}, {"log2(NULL)", "NULL"}};
constexpr Example kLog10Examples[] = {
    {"log10(1000)", "3.0"}, {"log(2, 8)", "3.0"}, {"log(NULL)", "NULL"}};
constexpr Example kPowExamples[] = {
    {"pow(2, 10)", "1024.0"}, {"2 ** 3", "8.0"}, {"pow(2, NULL)", "NULL"}};
constexpr Example kGammaExamples[] = {{"gamma(5)", "24.0"}, {"gamma(NULL)", "NULL"}};
constexpr Example kLogGammaExamples[] = {{"lgamma(1)", "0.0"}, {"lgamma(NULL)", "NULL"}};
constexpr Example kIsNanExamples[] = {
    {"isnan(CAST('NaN' AS DOUBLE))", "true"}, {"isnan(1.5)", "false"}, {"isnan(NULL)", "NULL"}};
constexpr Example kIsInfExamples[] = {
    {"isinf(CAST('-inf' AS DOUBLE))", "true"}, {"isinf(1.5)", "false"}, {"isinf(NULL)", "NULL"}};
constexpr Example kIsFiniteExamples[] = {{"isfinite(1.5)", "true"},
                                         {"isfinite(CAST('NaN' AS DOUBLE))", "false"},
                                         {"isfinite(NULL)", "NULL"}};
constexpr Example kSignBitExamples[] = {{"signbit(CAST('-0.0' AS DOUBLE))", "true"},
                                        {"signbit(NULL)", "NULL"}};
constexpr Example kNextAfterExamples[] = {{"nextafter(1, 2)", "1.0000000000000002"},
                                          {"nextafter(1, NULL)", "NULL"}};
constexpr Example kPiExamples[] = {{"pi()", "3.141592653589793"}, {"pi() + NULL", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kSqrt) = {
    .id = "sqrt",
    .names = {.sql = "sqrt"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::sqrt(x); }>,
    .arguments = "x",
    .doc = "The square root; NaN of a number below zero.",
    .examples = kSqrtExamples,
};

HEADRACE_DEFINE_FUNCTION(kCbrt) = {
    .id = "cbrt",
    .names = {.sql = "cbrt"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::cbrt(x); }>,
    .arguments = "x",
    .doc = "The cube root.",
    .examples = kCbrtExamples,
};

HEADRACE_DEFINE_FUNCTION(kExp) = {
    .id = "exp",
    .names = {.sql = "exp"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::exp(x); }>,
    .arguments = "x",
    .doc = "e to the power of x.",
    .examples = kExpExamples,
};

HEADRACE_DEFINE_FUNCTION(kLn) = {
    .id = "ln",
    .names = {.sql = "ln"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::log(x); }>,
    .arguments = "x",
    .doc = "The natural logarithm; -inf of zero, NaN of a number below zero.",
    .examples = kLnExamples,
};

HEADRACE_DEFINE_FUNCTION(kLog2) = {
    .id = "log2",
    .names = {.sql = "log2"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::log2(x); }>,
    .arguments = "x",
    .doc = "The logarithm to base 2; -inf of zero, NaN of a number below zero.",
    .examples = kLog2Examples,
};

HEADRACE_DEFINE_FUNCTION(kLog10) = {
    .id = "log10",
    .names = {.sql = "log|log10"},
    .overloads = kLogOverloads,
    .arguments = "base, x",
    .doc =
        "The logarithm to base 10, or of two arguments that of the second to the base that the "
        "first gives.",
    .examples = kLog10Examples,
};

HEADRACE_DEFINE_FUNCTION(kPow) = {
    .id = "pow",
    .names = {.sql = "pow|power|**"},
    .overloads = kFloat64BinaryForm<[](double x, double y) { return std::pow(x, y); }>,
    .arguments = "x, y",
    .doc = "x to the power of y; NaN of a number below zero to a broken power. Also written ^.",
    .examples = kPowExamples,
};

HEADRACE_DEFINE_FUNCTION(kGamma) = {
    .id = "gamma",
    .names = {.sql = "gamma"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::tgamma(x); }>,
    .arguments = "x",
    .doc = "The gamma function: gamma(n + 1) is the factorial of n.",
    .examples = kGammaExamples,
};

HEADRACE_DEFINE_FUNCTION(kLogGamma) = {
    .id = "log_gamma",
    .names = {.sql = "lgamma"},
    .overloads = kFloat64UnaryForm<[](double x) {
      int sign = 0;
      return ::lgamma_r(x, &sign);
    }>,
    .arguments = "x",
    .doc = "The natural logarithm of the absolute value of the gamma function.",
    .examples = kLogGammaExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNan) = {
    .id = "is_nan",
    .names = {.sql = "isnan"},
    .overloads = kTestForm<[](double x) { return std::isnan(x); }>,
    .arguments = "x",
    .doc = "Whether a float is NaN.",
    .examples = kIsNanExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsInf) = {
    .id = "is_inf",
    .names = {.sql = "isinf"},
    .overloads = kTestForm<[](double x) { return std::isinf(x); }>,
    .arguments = "x",
    .doc = "Whether a float is an infinity.",
    .examples = kIsInfExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsFinite) = {
    .id = "is_finite",
    .names = {.sql = "isfinite"},
    .overloads = kTestForm<[](double x) { return std::isfinite(x); }>,
    .arguments = "x",
    .doc = "Whether a float is neither NaN nor an infinity.",
    .examples = kIsFiniteExamples,
};

HEADRACE_DEFINE_FUNCTION(kSignBit) = {
    .id = "sign_bit",
    .names = {.sql = "signbit"},
    .overloads = kTestForm<[](double x) { return std::signbit(x); }>,
    .arguments = "x",
    .doc = "Whether the sign of a float is minus, also that of -0.",
    .examples = kSignBitExamples,
};

HEADRACE_DEFINE_FUNCTION(kNextAfter) = {
    .id = "next_after",
    .names = {.sql = "nextafter"},
    .overloads = kFloat64BinaryForm<[](double x, double y) { return std::nextafter(x, y); }>,
    .arguments = "x, y",
    .doc = "The next float64 after x in the direction of y.",
    .examples = kNextAfterExamples,
};

HEADRACE_DEFINE_FUNCTION(kPi) = {
    .id = "pi",
    .names = {.sql = "pi"},
    .overloads = kPiOverloads,
    .arguments = "",
    .doc = "The ratio of a circle's circumference to its diameter.",
    .examples = kPiExamples,
};

}  // namespace headrace
