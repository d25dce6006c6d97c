// Functions of integers: divisors, factorials and bits.
#include <bit>
#include <limits>
#include <numeric>

#include "arrow/type.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"

namespace headrace {
namespace {

using enum ArgPattern;

uint64_t Magnitude(int64_t x) {
  return x < 0 ? -static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
}

struct GreatestDivisor {
  bool operator()(int64_t a, int64_t b, int64_t* out) const {
    const uint64_t divisor = std::gcd(Magnitude(a), Magnitude(b));
    *out = static_cast<int64_t>(divisor);
    return *out < 0;
  }
  Status Fail(int64_t a, int64_t b) const {
    return Error(ErrorKind::kOverflow, "int64 overflow in gcd({}, {})", a, b);
  }
};

struct LeastMultiple {
  bool operator()(int64_t a, int64_t b, int64_t* out) const {
    *out = 0;
    if (a == 0 || b == 0) return false;
    const uint64_t left = Magnitude(a) / std::gcd(Magnitude(a), Magnitude(b));
    uint64_t multiple;
    const bool failed = __builtin_mul_overflow(left, Magnitude(b), &multiple);
    *out = static_cast<int64_t>(multiple);
    return failed || *out < 0;
  }
  Status Fail(int64_t a, int64_t b) const {
    return Error(ErrorKind::kOverflow, "int64 overflow in lcm({}, {})", a, b);
  }
};

struct Factorial {
  bool operator()(int64_t n, Int128* out) const {
    *out = 0;
    if (n < 0 || n > 33) return true;  // 34! has 39 digits
    Int128 product = 1;
    for (int64_t i = 2; i <= n; ++i) product *= i;
    *out = product;
    return false;
  }
  Status Fail(int64_t n) const {
    if (n < 0) {
      return Error(ErrorKind::kInvalidArgument, "factorial expected a number from 0, got {}", n);
    }
    return Error(ErrorKind::kOverflow, "decimal overflow (more than 38 digits) in factorial({})",
                 n);
  }
};

Result<ArrayPtr> FactorialKernel(KernelContext& ctx, std::span<const Argument> args,
                                 const Rows& rows) {
  return RunUnary<int64_t, Int128>(ctx, args, rows, Factorial{});
}
Result<TypePtr> FactorialType(std::span<const TypePtr>) { return arrow::decimal128(38, 0); }

template <auto kFunction>
struct BitOp {
  template <typename T>
  bool operator()(T a, T b, T* out) const {
    return *out = kFunction(a, b), false;
  }
  template <typename T>
  Status Fail(T, T) const {
    return Status::OK();
  }
};

struct BitNot {
  template <typename T>
  bool operator()(T a, T* out) const {
    return *out = static_cast<T>(~a), false;
  }
  template <typename T>
  Status Fail(T) const {
    return Status::OK();
  }
};

struct ShiftLeft {
  template <typename T>
  bool operator()(T a, T bits, T* out) const {
    *out = 0;
    constexpr int kBits = std::numeric_limits<T>::digits;
    if (bits < 0 || a < 0) return true;
    if (a == 0) return false;
    if (bits >= static_cast<T>(kBits) || a > (std::numeric_limits<T>::max() >> bits)) return true;
    *out = static_cast<T>(a << bits);
    return false;
  }
  template <typename T>
  Status Fail(T a, T bits) const {
    if (a < 0) {
      return Error(ErrorKind::kInvalidArgument, "<< expected a number from 0, got {}", a);
    }
    return Error(ErrorKind::kOverflow, "int{} overflow in {} << {}", sizeof(T) * 8, a, bits);
  }
};

/// Bits that are pushed out are gone; zero past the width.
struct ShiftRight {
  template <typename T>
  bool operator()(T a, T bits, T* out) const {
    const bool is_beyond = bits < 0 || bits >= static_cast<T>(sizeof(T) * 8);
    *out = is_beyond ? T{0} : static_cast<T>(a >> bits);
    return false;
  }
  template <typename T>
  Status Fail(T, T) const {
    return Status::OK();
  }
};

struct BitCount {
  bool operator()(int64_t a, int32_t* out) const {
    return *out = std::popcount(static_cast<uint64_t>(a)), false;
  }
  bool operator()(uint64_t a, int32_t* out) const { return *out = std::popcount(a), false; }
  bool operator()(int32_t a, int32_t* out) const {
    return *out = std::popcount(static_cast<uint32_t>(a)), false;
  }
  template <typename T>
  Status Fail(T) const {
    return Status::OK();
  }
};

template <typename T, typename Op>
Result<ArrayPtr> Binary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunBinary<T, T>(ctx, args, rows, Op{});
}
template <typename T, typename Out, typename Op>
Result<ArrayPtr> Unary(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunUnary<T, Out>(ctx, args, rows, Op{});
}

template <typename Op>
constexpr Overload kBits[] = {
    {.args = kArgs<kInt32, kInt32>, .result = FirstType, .scalar = Binary<int32_t, Op>},
    {.args = kArgs<kInt64, kInt64>, .result = FirstType, .scalar = Binary<int64_t, Op>},
    {.args = kArgs<kUInt64, kUInt64>, .result = FirstType, .scalar = Binary<uint64_t, Op>},
};
template <typename Op>
constexpr Overload kDivisors[] = {
    {.args = kArgs<kInt64, kInt64>, .result = Int64Type, .scalar = Binary<int64_t, Op>},
};
constexpr Overload kFactorialOverloads[] = {
    {.args = kArgs<kInt64>, .result = FactorialType, .scalar = FactorialKernel},
};
constexpr Overload kNotOverloads[] = {
    {.args = kArgs<kInt32>, .result = FirstType, .scalar = Unary<int32_t, int32_t, BitNot>},
    {.args = kArgs<kInt64>, .result = FirstType, .scalar = Unary<int64_t, int64_t, BitNot>},
    {.args = kArgs<kUInt64>, .result = FirstType, .scalar = Unary<uint64_t, uint64_t, BitNot>},
};
constexpr Overload kCountOverloads[] = {
    {.args = kArgs<kInt32>, .result = Int32Type, .scalar = Unary<int32_t, int32_t, BitCount>},
    {.args = kArgs<kInt64>, .result = Int32Type, .scalar = Unary<int64_t, int32_t, BitCount>},
    {.args = kArgs<kUInt64>, .result = Int32Type, .scalar = Unary<uint64_t, int32_t, BitCount>},
};

Result<ArrayPtr> BooleanXor(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunTest(ctx, BooleanView(args[0]), BooleanView(args[1]), rows,
                 [](bool a, bool b) { return a != b; });
}
using XorOp = BitOp<[](auto a, auto b) { return a ^ b; }>;
constexpr Overload kXorOverloads[] = {
    kBits<XorOp>[0],
    kBits<XorOp>[1],
    kBits<XorOp>[2],
    {.args = kArgs<kBoolean, kBoolean>, .result = BooleanType, .scalar = BooleanXor},
};

constexpr Example kGcdExamples[] = {{"gcd(12, -18)", "6"}, {"gcd(12, NULL)", "NULL"}};
constexpr Example kLcmExamples[] = {{"lcm(4, 6)", "12"}, {"lcm(NULL, 6)", "NULL"}};
constexpr Example kFactorialExamples[] = {{"factorial(5)", "120"}, {"factorial(NULL)", "NULL"}};
constexpr Example kAndExamples[] = {{"6 & 3", "2"}, {"6 & NULL", "NULL"}};
constexpr Example kOrExamples[] = {{"6 | 3", "7"}, {"6 | NULL", "NULL"}};
constexpr Example kXorExamples[] = {
    {"xor(6, 3)", "5"}, {"xor(true, false)", "true"}, {"xor(6, NULL)", "NULL"}};
constexpr Example kNotExamples[] = {{"~5", "-6"}, {"~NULL", "NULL"}};
constexpr Example kLeftExamples[] = {{"1 << 4", "16"}, {"NULL << 4", "NULL"}};
constexpr Example kRightExamples[] = {{"17 >> 2", "4"}, {"-1 >> 1", "-1"}, {"NULL >> 4", "NULL"}};
constexpr Example kCountExamples[] = {{"bit_count(7)", "3"}, {"bit_count(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kGcd) = {
    .id = "gcd",
    .names = {.sql = "gcd|greatest_common_divisor"},
    .overloads = kDivisors<GreatestDivisor>,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "The greatest common divisor of two integers, never below zero.",
    .examples = kGcdExamples,
};

HEADRACE_DEFINE_FUNCTION(kLcm) = {
    .id = "lcm",
    .names = {.sql = "lcm|least_common_multiple"},
    .overloads = kDivisors<LeastMultiple>,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "The least common multiple of two integers, never below zero. Overflow is an error.",
    .examples = kLcmExamples,
};

HEADRACE_DEFINE_FUNCTION(kFactorial) = {
    .id = "factorial",
    .names = {.sql = "factorial"},
    .overloads = kFactorialOverloads,
    .arguments = "n",
    .doc = "The product of the integers from 1 to n as DECIMAL(38, 0), for n from 0 to 33.",
    .examples = kFactorialExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitwiseAnd) = {
    .id = "bitwise_and",
    .names = {.sql = "&"},
    .overloads = kBits<BitOp<[](auto a, auto b) { return a & b; }>>,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "The bits that are set in both integers.",
    .examples = kAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitwiseOr) = {
    .id = "bitwise_or",
    .names = {.sql = "|"},
    .overloads = kBits<BitOp<[](auto a, auto b) { return a | b; }>>,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "The bits that are set in one integer or both.",
    .examples = kOrExamples,
};

HEADRACE_DEFINE_FUNCTION(kXor) = {
    .id = "xor",
    .names = {.sql = "xor"},
    .overloads = kXorOverloads,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "The bits that are set in one of two integers only; of booleans, whether one is true.",
    .examples = kXorExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitwiseNot) = {
    .id = "bitwise_not",
    .names = {.sql = "~"},
    .overloads = kNotOverloads,
    .arguments = "x",
    .doc = "All bits of an integer turned over.",
    .examples = kNotExamples,
};

HEADRACE_DEFINE_FUNCTION(kShiftLeft) = {
    .id = "shift_left",
    .names = {.sql = "<<"},
    .overloads = kBits<ShiftLeft>,
    .arguments = "x, bits",
    .doc =
        "x times two to the power of `bits`. An x below zero, and a result that does not fit, are "
        "errors.",
    .examples = kLeftExamples,
};

HEADRACE_DEFINE_FUNCTION(kShiftRight) = {
    .id = "shift_right",
    .names = {.sql = ">>"},
    .overloads = kBits<ShiftRight>,
    .arguments = "x, bits",
    .doc =
        "The bits of x moved down, the sign kept; zero when `bits` is below zero or at least "
        "the width.",
    .examples = kRightExamples,
};

HEADRACE_DEFINE_FUNCTION(kBitCount) = {
    .id = "bit_count",
    .names = {.sql = "bit_count"},
    .overloads = kCountOverloads,
    .arguments = "x",
    .doc = "How many bits of an integer are set.",
    .examples = kCountExamples,
};

}  // namespace headrace
