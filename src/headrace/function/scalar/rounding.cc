// Rounding to whole numbers and to decimals, and signs.
#include <cmath>
#include <limits>
#include <type_traits>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/float_forms.h"
#include "headrace/function/loop.h"
#include "headrace/function/round_half.h"

namespace headrace {
namespace {

using enum ArgPattern;

// ---- floats ----

double PowerOfDigits(int64_t digits) {
  return std::pow(10.0, static_cast<double>(digits < 0 ? -digits : digits));
}

/// `kFunction` of x at 1 to 308 decimals, `power` is 10 to that; x itself where that is finer than
/// its precision.
template <auto kFunction>
double AtDecimals(double x, double power) {
  const double result = kFunction(x * power) / power;
  return std::isfinite(result) ? result : x;
}

/// The same for any number of digits.
template <auto kFunction>
double AtDigits(double x, int64_t digits) {
  if (digits == 0) return kFunction(x);
  if (digits > 308 || !std::isfinite(x)) return x;
  if (digits < -308) return std::copysign(0.0, x);
  const double power = PowerOfDigits(digits);
  if (digits > 0) return AtDecimals<kFunction>(x, power);
  const double result = kFunction(x / power) * power;
  return std::isfinite(result) ? result : x;
}

template <auto kFunction>
Result<ArrayPtr> FloatDigits(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<double> x(args[0]);
  const View<int64_t> digits(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<double>::Make(rows.length, ctx.pool));
  if (digits.is_constant() && digits.Raw(0) > 0 && digits.Raw(0) <= 308) {
    const double power = PowerOfDigits(digits.Raw(0));
    for (int64_t row = 0; row < rows.length; ++row) {
      out.data()[row] = AtDecimals<kFunction>(x[row], power);
    }
    return out.Finish(ctx.result_type);
  }
  for (int64_t row = 0; row < rows.length; ++row) {
    out.data()[row] = AtDigits<kFunction>(x[row], digits[row]);
  }
  return out.Finish(ctx.result_type);
}

// ---- decimals and integers ----

enum class Way : uint8_t { kNearest, kNearestEven, kTowardsZero, kDown, kUp };

/// value at `digits` fewer decimals, still in its own scale.
template <Way kWay>
bool CutDigits(Int128 value, int digits, Int128* out) {
  if (digits <= 0) return *out = value, false;
  if (digits > kDecimalPrecisionMax) return *out = 0, false;
  const Int128 power = PowerOfTen(digits);
  const Int128 rest = value % power;
  Int128 cut = value - rest;
  if (kWay == Way::kNearest && (rest < 0 ? -rest : rest) >= power - (rest < 0 ? -rest : rest)) {
    cut += rest < 0 ? -power : power;
  }
  if (kWay == Way::kNearestEven) {
    const Int128 size = rest < 0 ? -rest : rest;
    const bool is_odd = cut / power % 2 != 0;
    if (size > power - size || (size == power - size && is_odd)) cut += rest < 0 ? -power : power;
  }
  if (kWay == Way::kDown && rest < 0) cut -= power;
  if (kWay == Way::kUp && rest > 0) cut += power;
  return *out = cut, false;
}

int64_t ClampDigits(int64_t digits) { return std::clamp<int64_t>(digits, -100, 100); }

template <Way kWay>
Result<ArrayPtr> IntegerDigits(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  struct Op {
    bool operator()(int64_t x, int64_t digits, int64_t* out) const {
      Int128 cut;
      CutDigits<kWay>(x, static_cast<int>(-ClampDigits(digits)), &cut);
      *out = static_cast<int64_t>(cut);
      return *out != cut;
    }
    Status Fail(int64_t x, int64_t digits) const {
      return Error(ErrorKind::kOverflow, "int64 overflow in round({}, {})", x, digits);
    }
  };
  return RunBinary<int64_t, int64_t>(ctx, args, rows, Op{});
}

/// To the scale of the result, which is at most that of the argument.
template <Way kWay>
Result<ArrayPtr> Decimal(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    int from;
    int to;
    int digits;
    bool operator()(Int128 x, Int128* out) const {
      Int128 cut;
      CutDigits<kWay>(x, from - digits, &cut);
      *out = ScaleDown(cut, from - to);
      return !FitsPrecision(*out, kDecimalPrecisionMax);
    }
    Status Fail(Int128 x) const {
      return Error(ErrorKind::kOverflow, "decimal overflow in rounding {}", FormatDecimal(x, from));
    }
  };
  const int from = ScaleOf(*args[0].array->type());
  const int to = ScaleOf(*ctx.result_type);
  return RunUnary<Int128, Int128>(ctx, args, rows, Op{from, to, to});
}

template <Way kWay>
Result<ArrayPtr> DecimalDigits(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  const int from = ScaleOf(*args[0].array->type());
  const int to = ScaleOf(*ctx.result_type);
  const View<Int128> x(args[0]);
  const View<int64_t> digits(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Int128>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    Int128 cut;
    CutDigits<kWay>(x[row],
                    from - static_cast<int>(std::min<int64_t>(ClampDigits(digits[row]), to)), &cut);
    out.data()[row] = ScaleDown(cut, from - to);
  }
  return out.Finish(ctx.result_type);
}

/// Whole numbers of as many digits and one more, as 9.9 rounds to 10.
Result<TypePtr> WholeDecimalType(std::span<const TypePtr> args) {
  const int digits = PrecisionOf(*args[0]) - ScaleOf(*args[0]) + 1;
  return arrow::decimal128(std::min(digits, kDecimalPrecisionMax), 0);
}

/// The scale that a literal number of digits asks for, at most the argument's.
Result<TypePtr> RoundedDecimalType(std::span<const TypePtr> args,
                                   std::span<const ScalarPtr> literals) {
  const int scale = ScaleOf(*args[0]);
  int64_t digits = scale;
  if (literals[1] != nullptr && literals[1]->is_valid) {
    digits = static_cast<const arrow::Int64Scalar&>(*literals[1]).value;
  }
  const int kept = static_cast<int>(std::clamp<int64_t>(digits, 0, scale));
  const int precision = PrecisionOf(*args[0]) - scale + kept + 1;
  return arrow::decimal128(std::min(precision, kDecimalPrecisionMax), kept);
}

template <typename T>
Result<ArrayPtr> Same(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(T x, T* out) const { return *out = x, false; }
    Status Fail(T) const { return Status::OK(); }
  };
  return RunUnary<T, T>(ctx, args, rows, Op{});
}

template <typename T>
Result<ArrayPtr> Sign(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(T x, int32_t* out) const {
      return *out = static_cast<int32_t>(x > T{0}) - static_cast<int32_t>(x < T{0}), false;
    }
    Status Fail(T) const { return Status::OK(); }
  };
  return RunUnary<T, int32_t>(ctx, args, rows, Op{});
}

// Half away from zero, as decimals round.
constexpr auto kRoundFloat = [](auto x) { return RoundHalfAway(x); };
constexpr auto kRoundEvenFloat = [](auto x) { return std::nearbyint(x); };
constexpr auto kFloorFloat = [](auto x) { return std::floor(x); };
constexpr auto kCeilFloat = [](auto x) { return std::ceil(x); };
constexpr auto kTruncFloat = [](auto x) { return std::trunc(x); };
/// To the next even whole number away from zero.
constexpr auto kEvenFloat = [](double x) {
  return std::copysign(2 * std::ceil(std::ceil(std::fabs(x)) / 2), x);
};

template <auto kFunction, Way kWay>
constexpr Overload kWhole[] = {
    {.args = kArgs<kInt32>, .result = FirstType, .scalar = Same<int32_t>},
    {.args = kArgs<kInt64>, .result = FirstType, .scalar = Same<int64_t>},
    {.args = kArgs<kUInt64>, .result = FirstType, .scalar = Same<uint64_t>},
    {.args = kArgs<kFloat32>, .result = FirstType, .scalar = FloatUnary<kFunction, float>},
    {.args = kArgs<kFloat64>, .result = FirstType, .scalar = FloatUnary<kFunction, double>},
    {.args = kArgs<kDecimal128>, .result = WholeDecimalType, .scalar = Decimal<kWay>},
};
template <auto kFunction, Way kWay>
constexpr Overload kToDigits[] = {
    kWhole<kFunction, kWay>[0],
    kWhole<kFunction, kWay>[1],
    kWhole<kFunction, kWay>[2],
    kWhole<kFunction, kWay>[3],
    kWhole<kFunction, kWay>[4],
    kWhole<kFunction, kWay>[5],
    {.args = kArgs<kInt64, kInt64>, .result = FirstType, .scalar = IntegerDigits<kWay>},
    {.args = kArgs<kFloat64, kInt64>, .result = Float64Type, .scalar = FloatDigits<kFunction>},
    {.args = kArgs<kDecimal128, kInt64>,
     .scalar = DecimalDigits<kWay>,
     .result_of_literals = RoundedDecimalType},
};
constexpr Overload kSignOverloads[] = {
    {.args = kArgs<kInt64>, .result = Int32Type, .scalar = Sign<int64_t>},
    {.args = kArgs<kUInt64>, .result = Int32Type, .scalar = Sign<uint64_t>},
    {.args = kArgs<kFloat64>, .result = Int32Type, .scalar = Sign<double>},
    {.args = kArgs<kDecimal128>, .result = Int32Type, .scalar = Sign<Int128>},
};
constexpr Overload kEvenOverloads[] = {
    {.args = kArgs<kFloat64>, .result = Float64Type, .scalar = FloatUnary<kEvenFloat, double>},
};

constexpr Example kRoundExamples[] = {{"round(2.5)", "3"},
                                      {"round(CAST('-2.5' AS DOUBLE))", "-3.0"},
                                      {"round(2.567, 1)", "2.6"},
                                      {"round(155, -1)", "160"},
                                      {"round(NULL, 1)", "NULL"}};
constexpr Example kRoundEvenExamples[] = {
    {"round_even(2.5)", "2"},         {"round_even(-3.5)", "-4"},
    {"round_even(2.345, 2)", "2.34"}, {"round_even(CAST('0.5' AS DOUBLE))", "0.0"},
    {"round_even(150, -2)", "200"},   {"round_even(NULL, 1)", "NULL"}};
constexpr Example kFloorExamples[] = {
    {"floor(-2.5)", "-3"}, {"floor(CAST('2.5' AS DOUBLE))", "2.0"}, {"floor(NULL)", "NULL"}};
constexpr Example kCeilExamples[] = {
    {"ceil(2.1)", "3"}, {"ceil(CAST('-2.5' AS DOUBLE))", "-2.0"}, {"ceil(NULL)", "NULL"}};
constexpr Example kTruncExamples[] = {
    {"trunc(-2.7)", "-2"}, {"trunc(2.567, 1)", "2.5"}, {"trunc(NULL)", "NULL"}};
constexpr Example kSignExamples[] = {
    {"sign(-7)", "-1"}, {"sign(0.0)", "0"}, {"sign(NULL)", "NULL"}};
constexpr Example kEvenExamples[] = {
    {"even(3)", "4.0"}, {"even(-2.5)", "-4.0"}, {"even(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRound) = {
    .id = "round",
    .names = {.sql = "round", .ltseq = "round"},
    .overloads = kToDigits<kRoundFloat, Way::kNearest>,
    .arguments = "x, digits",
    .doc =
        "The nearest whole number, or number of `digits` decimals (tens, hundreds … below zero); "
        "halves go away from zero. Decimals stay exact.",
    .examples = kRoundExamples,
};

HEADRACE_DEFINE_FUNCTION(kRoundEven) = {
    .id = "round_even",
    .names = {.sql = "round_even|roundbankers|bround"},
    .overloads = kToDigits<kRoundEvenFloat, Way::kNearestEven>,
    .arguments = "x, digits",
    .doc =
        "As round, but halves go to the even neighbour, as banks and Python's decimal round. "
        "Decimals stay exact.",
    .examples = kRoundEvenExamples,
};

HEADRACE_DEFINE_FUNCTION(kFloor) = {
    .id = "floor",
    .names = {.sql = "floor", .ltseq = "floor"},
    .overloads = kWhole<kFloorFloat, Way::kDown>,
    .arguments = "x",
    .doc = "The greatest whole number that is not above x.",
    .examples = kFloorExamples,
};

HEADRACE_DEFINE_FUNCTION(kCeil) = {
    .id = "ceil",
    .names = {.sql = "ceil|ceiling", .ltseq = "ceil"},
    .overloads = kWhole<kCeilFloat, Way::kUp>,
    .arguments = "x",
    .doc = "The least whole number that is not below x.",
    .examples = kCeilExamples,
};

HEADRACE_DEFINE_FUNCTION(kTrunc) = {
    .id = "trunc",
    .names = {.sql = "trunc"},
    .overloads = kToDigits<kTruncFloat, Way::kTowardsZero>,
    .arguments = "x, digits",
    .doc = "x without its fraction, or without what is beyond `digits` decimals.",
    .examples = kTruncExamples,
};

HEADRACE_DEFINE_FUNCTION(kSign) = {
    .id = "sign",
    .names = {.sql = "sign"},
    .overloads = kSignOverloads,
    .arguments = "x",
    .doc = "-1, 0 or 1 as x is below, at or above zero; 0 for NaN.",
    .examples = kSignExamples,
};

HEADRACE_DEFINE_FUNCTION(kEven) = {
    .id = "even",
    .names = {.sql = "even"},
    .overloads = kEvenOverloads,
    .arguments = "x",
    .doc = "The next even whole number away from zero.",
    .examples = kEvenExamples,
};

}  // namespace headrace
