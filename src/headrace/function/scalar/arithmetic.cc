// Checked arithmetic: + − * and abs over integers, floats and decimals. An integer or decimal
// result that does not fit is an error; floats follow IEEE 754.
#include <cmath>
#include <limits>
#include <type_traits>

#include "arrow/type.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/temporal_arithmetic.h"

namespace headrace {
namespace {

using enum ArgPattern;

// ---- integers and floats ----

template <typename T>
constexpr const char* kTypeName = std::is_same_v<T, int32_t>    ? "int32"
                                  : std::is_same_v<T, uint64_t> ? "uint64"
                                                                : "int64";

template <typename T>
Status OverflowIn(T a, char symbol, T b) {
  return Error(ErrorKind::kOverflow, "{} overflow in {} {} {}", kTypeName<T>, a, symbol, b);
}

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

struct Add {
  template <typename T>
  auto operator()(T a, T b, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = a + b;
      return false;
    } else if constexpr (std::is_unsigned_v<T>) {
      return __builtin_add_overflow(a, b, out);
    } else {
      const T sum = static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
      *out = sum;
      return (a ^ sum) & (b ^ sum);
    }
  }
  template <typename T>
  Status Fail(T a, T b) const {
    return OverflowIn(a, '+', b);
  }
};

struct Subtract {
  template <typename T>
  auto operator()(T a, T b, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = a - b;
      return false;
    } else if constexpr (std::is_unsigned_v<T>) {
      return __builtin_sub_overflow(a, b, out);
    } else {
      const T difference =
          static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
      *out = difference;
      return (a ^ b) & (a ^ difference);
    }
  }
  template <typename T>
  Status Fail(T a, T b) const {
    return OverflowIn(a, '-', b);
  }
};

struct Multiply {
  template <typename T>
  bool operator()(T a, T b, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = a * b;
      return false;
    } else {
      return __builtin_mul_overflow(a, b, out);
    }
  }
  template <typename T>
  Status Fail(T a, T b) const {
    return OverflowIn(a, '*', b);
  }
};

struct Negate {
  template <typename T>
  auto operator()(T a, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = -a;
      return false;
    } else {
      const T negated = static_cast<T>(Unsigned<T>{0} - static_cast<Unsigned<T>>(a));
      *out = negated;
      return a & negated;  // both below zero: the least value
    }
  }
  template <typename T>
  Status Fail(T a) const {
    return Error(ErrorKind::kOverflow, "{} overflow in -({})", kTypeName<T>, a);
  }
};

struct Absolute {
  template <typename T>
  auto operator()(T a, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = std::fabs(a);
      return false;
    } else if constexpr (std::is_unsigned_v<T>) {
      *out = a;
      return false;
    } else {
      const auto sign = static_cast<Unsigned<T>>(a < 0 ? -1 : 0);
      const T absolute = static_cast<T>((static_cast<Unsigned<T>>(a) ^ sign) - sign);
      *out = absolute;
      return absolute;  // below zero: of the least value
    }
  }
  template <typename T>
  Status Fail(T a) const {
    return Error(ErrorKind::kOverflow, "{} overflow in abs({})", kTypeName<T>, a);
  }
};

template <typename T, typename Op>
Result<ArrayPtr> Binary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunBinary<T, T>(ctx, args, rows, Op{});
}

template <typename T, typename Op>
Result<ArrayPtr> Unary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunUnary<T, T>(ctx, args, rows, Op{});
}

// ---- decimals ----

/// Sum or difference at the larger scale, in the precision of the result.
template <bool kSubtract>
struct DecimalSum {
  int left_digits;
  int right_digits;
  int left_scale;
  int right_scale;
  int precision;

  bool operator()(Int128 a, Int128 b, Int128* out) const {
    Int128 left;
    Int128 right;
    bool failed = ScaleUp(a, left_digits, &left) || ScaleUp(b, right_digits, &right);
    if (failed) {
      *out = 0;
      return true;
    }
    failed = kSubtract ? __builtin_sub_overflow(left, right, out)
                       : __builtin_add_overflow(left, right, out);
    return failed || !FitsPrecision(*out, precision);
  }
  Status Fail(Int128 a, Int128 b) const {
    return Error(ErrorKind::kOverflow, "decimal overflow (more than {} digits) in {} {} {}",
                 precision, FormatDecimal(a, left_scale), kSubtract ? '-' : '+',
                 FormatDecimal(b, right_scale));
  }
};

template <bool kSubtract>
Result<ArrayPtr> DecimalSumKernel(KernelContext& ctx, std::span<const Argument> args,
                                  const Rows& rows) {
  const int left = ScaleOf(*args[0].array->type());
  const int right = ScaleOf(*args[1].array->type());
  const int scale = ScaleOf(*ctx.result_type);
  return RunBinary<Int128, Int128>(ctx, args, rows,
                                   DecimalSum<kSubtract>{scale - left, scale - right, left, right,
                                                         PrecisionOf(*ctx.result_type)});
}

struct DecimalProduct {
  int left_scale;
  int right_scale;
  int precision;

  bool operator()(Int128 a, Int128 b, Int128* out) const {
    return __builtin_mul_overflow(a, b, out) || !FitsPrecision(*out, precision);
  }
  Status Fail(Int128 a, Int128 b) const {
    return Error(ErrorKind::kOverflow, "decimal overflow (more than {} digits) in {} * {}",
                 precision, FormatDecimal(a, left_scale), FormatDecimal(b, right_scale));
  }
};

Result<ArrayPtr> DecimalProductKernel(KernelContext& ctx, std::span<const Argument> args,
                                      const Rows& rows) {
  return RunBinary<Int128, Int128>(
      ctx, args, rows,
      DecimalProduct{ScaleOf(*args[0].array->type()), ScaleOf(*args[1].array->type()),
                     PrecisionOf(*ctx.result_type)});
}

struct DecimalNegate {
  // A decimal has at most 38 digits, so only a value that is no decimal could overflow.
  bool operator()(Int128 a, Int128* out) const { return __builtin_sub_overflow(Int128{0}, a, out); }
  Status Fail(Int128) const { return Error(ErrorKind::kOverflow, "decimal overflow in negation"); }
};

struct DecimalAbsolute {
  bool operator()(Int128 a, Int128* out) const {
    return a < 0 ? __builtin_sub_overflow(Int128{0}, a, out) : (*out = a, false);
  }
  Status Fail(Int128) const { return Error(ErrorKind::kOverflow, "decimal overflow in abs"); }
};

template <typename Op>
Result<ArrayPtr> DecimalUnary(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  return RunUnary<Int128, Int128>(ctx, args, rows, Op{});
}

Result<TypePtr> DecimalSumType(std::span<const TypePtr> args) {
  const int scale = std::max(ScaleOf(*args[0]), ScaleOf(*args[1]));
  const int integer_digits = std::max(PrecisionOf(*args[0]) - ScaleOf(*args[0]),
                                      PrecisionOf(*args[1]) - ScaleOf(*args[1]));
  return arrow::decimal128(std::min(integer_digits + scale + 1, kDecimalPrecisionMax), scale);
}

Result<TypePtr> DecimalProductType(std::span<const TypePtr> args) {
  const int scale = ScaleOf(*args[0]) + ScaleOf(*args[1]);
  if (scale > kDecimalPrecisionMax) {
    return Error(ErrorKind::kTypeMismatch,
                 "the product of {} and {} needs a scale of at most {}, not {}; cast one to fewer "
                 "decimals",
                 args[0]->ToString(), args[1]->ToString(), kDecimalPrecisionMax, scale);
  }
  const int precision = PrecisionOf(*args[0]) + PrecisionOf(*args[1]);
  return arrow::decimal128(std::min(precision, kDecimalPrecisionMax), scale);
}

// ---- rows ----

constexpr ArgPattern kInt32s[] = {ArgPattern::kInt32, ArgPattern::kInt32};
constexpr ArgPattern kInt64s[] = {ArgPattern::kInt64, ArgPattern::kInt64};
constexpr ArgPattern kUInt64s[] = {ArgPattern::kUInt64, ArgPattern::kUInt64};
constexpr ArgPattern kFloat32s[] = {ArgPattern::kFloat32, ArgPattern::kFloat32};
constexpr ArgPattern kFloat64s[] = {ArgPattern::kFloat64, ArgPattern::kFloat64};
constexpr ArgPattern kDecimals[] = {ArgPattern::kDecimal128, ArgPattern::kDecimal128};

/// The first `count` of a list of patterns.
template <size_t kSize>
constexpr std::span<const ArgPattern> First(const ArgPattern (&patterns)[kSize], size_t count) {
  return std::span<const ArgPattern>(patterns, count);
}

constexpr Overload kAddOverloads[] = {
    {.args = kInt32s, .result = FirstType, .scalar = Binary<int32_t, Add>},
    {.args = kInt64s, .result = FirstType, .scalar = Binary<int64_t, Add>},
    {.args = kUInt64s, .result = FirstType, .scalar = Binary<uint64_t, Add>},
    {.args = kFloat32s, .result = FirstType, .scalar = Binary<float, Add>},
    {.args = kFloat64s, .result = FirstType, .scalar = Binary<double, Add>},
    {.args = kDecimals, .result = DecimalSumType, .scalar = DecimalSumKernel<false>},
    {.args = kArgs<kTimestamp, kDuration>, .result = TimePlusDurationType, .scalar = AddTicks},
    {.args = kArgs<kDuration, kTimestamp>, .result = DurationPlusTimeType, .scalar = AddTicks},
    {.args = kArgs<kDuration, kDuration>, .result = FinerDurationType, .scalar = AddTicks},
    {.args = kArgs<kTimestamp, kInterval>, .result = TimePlusIntervalType, .scalar = AddInterval},
    {.args = kArgs<kInterval, kTimestamp>, .result = IntervalPlusTimeType, .scalar = AddToInterval},
    {.args = kArgs<kDate32, kInt64>, .result = FirstType, .scalar = AddDays},
    {.args = kArgs<kInt64, kDate32>, .result = SecondType, .scalar = AddToDays},
    {.args = kArgs<kTime, kInterval>, .result = FirstType, .scalar = AddToTime},
    {.args = kArgs<kInterval, kTime>, .result = SecondType, .scalar = AddTime},
    {.args = kArgs<kInterval, kInterval>, .result = FirstType, .scalar = AddIntervals},
    {.args = kArgs<kDate32, kTime>, .result = DatePlusTimeType, .scalar = AddTimeToDate},
    {.args = kArgs<kTime, kDate32>, .result = TimePlusDateType, .scalar = AddDateToTime},
};
constexpr Example kAddExamples[] = {
    {"DATE '2013-01-31' + 1", "2013-02-01"},
    {"TIME '23:30:00' + INTERVAL '1 hour'", "00:30:00"},
    {"1 + 2", "3"},
    {"1 + NULL", "NULL"},
    {"CAST('1.25' AS DECIMAL(4, 2)) + CAST('0.005' AS DECIMAL(4, 3))", "1.255"},
};

constexpr Overload kSubtractOverloads[] = {
    {.args = kInt32s, .result = FirstType, .scalar = Binary<int32_t, Subtract>},
    {.args = kInt64s, .result = FirstType, .scalar = Binary<int64_t, Subtract>},
    {.args = kUInt64s, .result = FirstType, .scalar = Binary<uint64_t, Subtract>},
    {.args = kFloat32s, .result = FirstType, .scalar = Binary<float, Subtract>},
    {.args = kFloat64s, .result = FirstType, .scalar = Binary<double, Subtract>},
    {.args = kDecimals, .result = DecimalSumType, .scalar = DecimalSumKernel<true>},
    {.args = kArgs<kDate32, kDate32>, .result = Int64Type, .scalar = DaysBetween},
    {.args = kArgs<kTimestamp, kTimestamp>, .result = FinerDurationType, .scalar = SubtractTicks},
    {.args = kArgs<kTimestamp, kDuration>, .result = TimePlusDurationType, .scalar = SubtractTicks},
    {.args = kArgs<kDuration, kDuration>, .result = FinerDurationType, .scalar = SubtractTicks},
    {.args = kArgs<kTimestamp, kInterval>,
     .result = TimePlusIntervalType,
     .scalar = SubtractInterval},
    {.args = kArgs<kDate32, kInt64>, .result = FirstType, .scalar = SubtractDays},
    {.args = kArgs<kTime, kInterval>, .result = FirstType, .scalar = SubtractFromTime},
    {.args = kArgs<kTime, kTime>, .result = FinerDurationType, .scalar = SubtractTicks},
    {.args = kArgs<kInterval, kInterval>, .result = FirstType, .scalar = SubtractIntervals},
    {.args = kArgs<kDuration>, .result = FirstType, .scalar = Unary<int64_t, Negate>},
    {.args = kArgs<kInterval>, .result = FirstType, .scalar = NegateInterval},
    {.args = First(kInt32s, 1), .result = FirstType, .scalar = Unary<int32_t, Negate>},
    {.args = First(kInt64s, 1), .result = FirstType, .scalar = Unary<int64_t, Negate>},
    {.args = First(kFloat32s, 1), .result = FirstType, .scalar = Unary<float, Negate>},
    {.args = First(kFloat64s, 1), .result = FirstType, .scalar = Unary<double, Negate>},
    {.args = First(kDecimals, 1), .result = FirstType, .scalar = DecimalUnary<DecimalNegate>},
};
constexpr Example kSubtractExamples[] = {
    {"1 - 3", "-2"},
    {"-(2 + 3)", "-5"},
    {"DATE '2013-02-01' - DATE '2013-01-31'", "1"},
    {"NULL - 1", "NULL"},
};

constexpr Overload kMultiplyOverloads[] = {
    {.args = kInt32s, .result = FirstType, .scalar = Binary<int32_t, Multiply>},
    {.args = kInt64s, .result = FirstType, .scalar = Binary<int64_t, Multiply>},
    {.args = kUInt64s, .result = FirstType, .scalar = Binary<uint64_t, Multiply>},
    {.args = kFloat32s, .result = FirstType, .scalar = Binary<float, Multiply>},
    {.args = kFloat64s, .result = FirstType, .scalar = Binary<double, Multiply>},
    {.args = kDecimals, .result = DecimalProductType, .scalar = DecimalProductKernel},
    {.args = kArgs<kDuration, kInt64>, .result = FirstType, .scalar = Binary<int64_t, Multiply>},
    {.args = kArgs<kInt64, kDuration>, .result = SecondType, .scalar = Binary<int64_t, Multiply>},
    {.args = kArgs<kInterval, kInt64>, .result = FirstType, .scalar = MultiplyInterval},
    {.args = kArgs<kInt64, kInterval>, .result = SecondType, .scalar = MultiplyByInterval},
};
constexpr Example kMultiplyExamples[] = {
    {"6 * 7", "42"},
    {"6 * NULL", "NULL"},
    {"CAST('1.5' AS DECIMAL(3, 1)) * CAST('0.25' AS DECIMAL(3, 2))", "0.375"},
};

constexpr Overload kAbsOverloads[] = {
    {.args = First(kInt32s, 1), .result = FirstType, .scalar = Unary<int32_t, Absolute>},
    {.args = First(kInt64s, 1), .result = FirstType, .scalar = Unary<int64_t, Absolute>},
    {.args = First(kUInt64s, 1), .result = FirstType, .scalar = Unary<uint64_t, Absolute>},
    {.args = First(kFloat32s, 1), .result = FirstType, .scalar = Unary<float, Absolute>},
    {.args = First(kFloat64s, 1), .result = FirstType, .scalar = Unary<double, Absolute>},
    {.args = First(kDecimals, 1), .result = FirstType, .scalar = DecimalUnary<DecimalAbsolute>},
};
constexpr Example kAbsExamples[] = {
    {"abs(-7)", "7"},
    {"abs(NULL)", "NULL"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kAdd) = {
    .id = "add_checked",
    .names = {.sql = "+|add", .ltseq = "+"},
    .overloads = kAddOverloads,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc =
        "The sum of two numbers; of a time and a span; of a date and a number of days or a time of "
        "the day. A time of the day goes on after midnight, months and days do not move it. An "
        "integer or decimal sum that does not fit its type is an error; decimals are exact. Months "
        "are added "
        "first, a day that a month lacks becomes its last.",
    .examples = kAddExamples,
};

HEADRACE_DEFINE_FUNCTION(kSubtract) = {
    .id = "subtract_checked",
    .names = {.sql = "-|subtract", .ltseq = "-"},
    .overloads = kSubtractOverloads,
    .arguments = "x, y",
    .doc =
        "The difference of two numbers, of two times (a span; of two dates a number of days) or of "
        "a "
        "time and a span, or the negation of a number. An integer or decimal result "
        "that does not fit its type is an error; decimals are exact.",
    .examples = kSubtractExamples,
};

HEADRACE_DEFINE_FUNCTION(kMultiply) = {
    .id = "multiply_checked",
    .names = {.sql = "*|multiply", .ltseq = "*"},
    .overloads = kMultiplyOverloads,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc =
        "The product of two numbers, or of a span and an integer. An integer or decimal product "
        "that does not fit its type "
        "is an error; the scale of a decimal product is the sum of both scales.",
    .examples = kMultiplyExamples,
};

HEADRACE_DEFINE_FUNCTION(kAbs) = {
    .id = "abs_checked",
    .names = {.sql = "abs", .ltseq = "abs"},
    .overloads = kAbsOverloads,
    .arguments = "x",
    .doc = "The absolute value. The least value of an integer type has none and is an error.",
    .examples = kAbsExamples,
};

}  // namespace headrace
