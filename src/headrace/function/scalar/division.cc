// Division: / gives a float64 or a decimal, // an integer cut towards zero, % the remainder with
// the sign of the dividend. Integers and decimals divided by zero are an error; floats follow IEEE
// 754.
#include <cmath>
#include <type_traits>

#include "arrow/type.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"

namespace headrace {
namespace {

template <typename T>
Status DivisionByZero(T a, const char* symbol) {
  return Error(ErrorKind::kDivisionByZero, "division by zero in {} {} 0", a, symbol);
}

struct Divide {
  template <typename T, typename Out>
  bool operator()(T a, T b, Out* out) const {
    *out = static_cast<Out>(a) / static_cast<Out>(b);
    return !std::is_floating_point_v<T> && b == T{0};
  }
  template <typename T>
  Status Fail(T a, T) const {
    return DivisionByZero(a, "/");
  }
};

struct IntegerDivide {
  template <typename T>
  bool operator()(T a, T b, T* out) const {
    const bool overflows =
        std::is_signed_v<T> && b == static_cast<T>(-1) && a == std::numeric_limits<T>::min();
    const bool failed = b == 0 || overflows;
    *out = failed ? T{0} : static_cast<T>(a / b);
    return failed;
  }
  template <typename T>
  Status Fail(T a, T b) const {
    if (b == 0) return DivisionByZero(a, "//");
    return Error(ErrorKind::kOverflow, "int{} overflow in {} // {}", sizeof(T) * 8, a, b);
  }
};

struct Modulo {
  template <typename T>
  bool operator()(T a, T b, T* out) const {
    if constexpr (std::is_floating_point_v<T>) {
      *out = std::fmod(a, b);
      return false;
    } else {
      // x % -1 is 0 for every x, also for the least, where the quotient overflows.
      const bool trivial = b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1));
      *out = trivial ? T{0} : static_cast<T>(a % b);
      return b == 0;
    }
  }
  template <typename T>
  Status Fail(T a, T) const {
    return DivisionByZero(a, "%");
  }
};

template <typename T, typename Out, typename Op>
Result<ArrayPtr> Binary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunBinary<T, Out>(ctx, args, rows, Op{});
}

struct DecimalQuotient {
  int left_scale;
  int right_scale;
  int result_scale;

  bool operator()(Int128 a, Int128 b, Int128* out) const {
    *out = 0;
    return b == 0 || DivideScaled(a, result_scale - left_scale + right_scale, b, out);
  }
  Status Fail(Int128 a, Int128 b) const {
    if (b == 0) return DivisionByZero(FormatDecimal(a, left_scale), "/");
    return Error(ErrorKind::kOverflow, "decimal overflow (more than {} digits) in {} / {}",
                 kDecimalPrecisionMax, FormatDecimal(a, left_scale), FormatDecimal(b, right_scale));
  }
};

Result<ArrayPtr> DecimalQuotientKernel(KernelContext& ctx, std::span<const Argument> args,
                                       const Rows& rows) {
  return RunBinary<Int128, Int128>(
      ctx, args, rows,
      DecimalQuotient{ScaleOf(*args[0].array->type()), ScaleOf(*args[1].array->type()),
                      ScaleOf(*ctx.result_type)});
}

struct DecimalRemainder {
  int left_scale;
  int right_scale;
  int result_scale;

  bool operator()(Int128 a, Int128 b, Int128* out) const {
    Int128 left;
    Int128 right;
    *out = 0;
    if (b == 0 || ScaleUp(a, result_scale - left_scale, &left) ||
        ScaleUp(b, result_scale - right_scale, &right)) {
      return true;
    }
    *out = right == -1 ? 0 : left % right;
    return !FitsPrecision(*out, kDecimalPrecisionMax);
  }
  Status Fail(Int128 a, Int128 b) const {
    if (b == 0) return DivisionByZero(FormatDecimal(a, left_scale), "%");
    return Error(ErrorKind::kOverflow, "decimal overflow (more than {} digits) in {} % {}",
                 kDecimalPrecisionMax, FormatDecimal(a, left_scale), FormatDecimal(b, right_scale));
  }
};

Result<ArrayPtr> DecimalRemainderKernel(KernelContext& ctx, std::span<const Argument> args,
                                        const Rows& rows) {
  return RunBinary<Int128, Int128>(
      ctx, args, rows,
      DecimalRemainder{ScaleOf(*args[0].array->type()), ScaleOf(*args[1].array->type()),
                       ScaleOf(*ctx.result_type)});
}

Result<TypePtr> DecimalQuotientType(std::span<const TypePtr> args) {
  constexpr int kMoreDigits = 4;
  const int scale = std::max(ScaleOf(*args[0]), ScaleOf(*args[1])) + kMoreDigits;
  return arrow::decimal128(kDecimalPrecisionMax, std::min(scale, kDecimalPrecisionMax));
}

Result<TypePtr> DecimalRemainderType(std::span<const TypePtr> args) {
  return arrow::decimal128(kDecimalPrecisionMax, std::max(ScaleOf(*args[0]), ScaleOf(*args[1])));
}

constexpr ArgPattern kInt32s[] = {ArgPattern::kInt32, ArgPattern::kInt32};
constexpr ArgPattern kInt64s[] = {ArgPattern::kInt64, ArgPattern::kInt64};
constexpr ArgPattern kUInt64s[] = {ArgPattern::kUInt64, ArgPattern::kUInt64};
constexpr ArgPattern kFloat32s[] = {ArgPattern::kFloat32, ArgPattern::kFloat32};
constexpr ArgPattern kFloat64s[] = {ArgPattern::kFloat64, ArgPattern::kFloat64};
constexpr ArgPattern kDecimals[] = {ArgPattern::kDecimal128, ArgPattern::kDecimal128};

constexpr Overload kDivideOverloads[] = {
    {.args = kInt32s, .result = Float64Type, .scalar = Binary<int32_t, double, Divide>},
    {.args = kInt64s, .result = Float64Type, .scalar = Binary<int64_t, double, Divide>},
    {.args = kUInt64s, .result = Float64Type, .scalar = Binary<uint64_t, double, Divide>},
    {.args = kFloat32s, .result = FirstType, .scalar = Binary<float, float, Divide>},
    {.args = kFloat64s, .result = FirstType, .scalar = Binary<double, double, Divide>},
    {.args = kDecimals, .result = DecimalQuotientType, .scalar = DecimalQuotientKernel},
};
constexpr Example kDivideExamples[] = {
    {"7 / 2", "3.5"},
    {"7 / NULL", "NULL"},
    {"CAST('1.00' AS DECIMAL(5, 2)) / CAST('3.00' AS DECIMAL(5, 2))", "0.333333"},
};

constexpr Overload kIntegerDivideOverloads[] = {
    {.args = kInt32s, .result = FirstType, .scalar = Binary<int32_t, int32_t, IntegerDivide>},
    {.args = kInt64s, .result = FirstType, .scalar = Binary<int64_t, int64_t, IntegerDivide>},
    {.args = kUInt64s, .result = FirstType, .scalar = Binary<uint64_t, uint64_t, IntegerDivide>},
};
constexpr Example kIntegerDivideExamples[] = {
    {"7 // 2", "3"},
    {"-7 // 2", "-3"},
    {"NULL // 2", "NULL"},
};

constexpr Overload kModuloOverloads[] = {
    {.args = kInt32s, .result = FirstType, .scalar = Binary<int32_t, int32_t, Modulo>},
    {.args = kInt64s, .result = FirstType, .scalar = Binary<int64_t, int64_t, Modulo>},
    {.args = kUInt64s, .result = FirstType, .scalar = Binary<uint64_t, uint64_t, Modulo>},
    {.args = kFloat32s, .result = FirstType, .scalar = Binary<float, float, Modulo>},
    {.args = kFloat64s, .result = FirstType, .scalar = Binary<double, double, Modulo>},
    {.args = kDecimals, .result = DecimalRemainderType, .scalar = DecimalRemainderKernel},
};
constexpr Example kModuloExamples[] = {
    {"7 % 3", "1"},
    {"-7 % 3", "-1"},
    {"7 % NULL", "NULL"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kDivide) = {
    .id = "divide",
    .names = {.sql = "/"},
    .overloads = kDivideOverloads,
    .arguments = "x, y",
    .doc =
        "The quotient: float64 for integers; for decimals a decimal(38, s) with s = the larger "
        "scale + 4, rounded half away from zero. Integers and decimals divided by zero are an "
        "error; floats give infinity or NaN.",
    .examples = kDivideExamples,
};

HEADRACE_DEFINE_FUNCTION(kIntegerDivide) = {
    .id = "integer_divide",
    .names = {.sql = "//|divide"},
    .overloads = kIntegerDivideOverloads,
    .arguments = "x, y",
    .doc = "The quotient of two integers, cut towards zero. Division by zero is an error.",
    .examples = kIntegerDivideExamples,
};

HEADRACE_DEFINE_FUNCTION(kModulo) = {
    .id = "modulo_truncated",
    .names = {.sql = "%|mod", .ltseq = "%"},
    .overloads = kModuloOverloads,
    .arguments = "x, y",
    .doc =
        "The remainder of division, with the sign of x. For integers and decimals division by "
        "zero is an error; floats give NaN.",
    .examples = kModuloExamples,
};

}  // namespace headrace
