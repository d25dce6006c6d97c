// Comparisons of every type that has an order: = <> < <= > >=, with the order of order.h.
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

struct Equal {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueEquals(a, b);
  }
};
struct NotEqual {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueEquals(a, b);
  }
};
struct Less {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueLess(a, b);
  }
};
struct LessEqual {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueLess(b, a);
  }
};
struct Greater {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueLess(b, a);
  }
};
struct GreaterEqual {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueLess(a, b);
  }
};

template <typename Test>
Result<ArrayPtr> Compare(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  Result<ArrayPtr> result = nullptr;
  const bool known = VisitOrdered(args[0].array->type_id(), [&](auto tag) {
    using Column = typename decltype(tag)::Column;
    result = RunTest(ctx, Column(args[0]), Column(args[1]), rows, Test{});
  });
  if (known) return result;
  return Error(ErrorKind::kInternal, "no order for {}", args[0].array->type()->ToString());
}

constexpr ArgPattern kBoth[] = {ArgPattern::kCommonComparable, ArgPattern::kCommonComparable};

template <typename Test>
constexpr Overload kOverloads[] = {
    {.args = kBoth, .result = BooleanType, .scalar = Compare<Test>},
};

constexpr Example kEqualExamples[] = {
    {"1 = 1", "true"},
    {"'a' = 'b'", "false"},
    {"NULL = NULL", "NULL"},
    {"CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE)", "true"},
};
constexpr Example kNotEqualExamples[] = {
    {"1 <> 2", "true"},
    {"NULL <> 2", "NULL"},
};
constexpr Example kLessExamples[] = {
    {"1 < 2", "true"},
    {"'b' < 'a'", "false"},
    {"1 < NULL", "NULL"},
};
constexpr Example kLessEqualExamples[] = {
    {"2 <= 2", "true"},
    {"NULL <= 2", "NULL"},
};
constexpr Example kGreaterExamples[] = {
    {"CAST('NaN' AS DOUBLE) > CAST('inf' AS DOUBLE)", "true"},
    {"NULL > 1", "NULL"},
};
constexpr Example kGreaterEqualExamples[] = {
    {"CAST('2013-01-02' AS DATE) >= '2013-01-01'", "true"},
    {"1 >= NULL", "NULL"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kEqual) = {
    .id = "equal",
    .names = {.sql = "="},
    .overloads = kOverloads<Equal>,
    .flags = function_flag::kCommutative | function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Whether two values are equal. NaN equals NaN and -0 equals 0; with a null it is null.",
    .examples = kEqualExamples,
};

HEADRACE_DEFINE_FUNCTION(kNotEqual) = {
    .id = "not_equal",
    .names = {.sql = "<>|!="},
    .overloads = kOverloads<NotEqual>,
    .flags = function_flag::kCommutative | function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Whether two values differ; with a null it is null.",
    .examples = kNotEqualExamples,
};

HEADRACE_DEFINE_FUNCTION(kLess) = {
    .id = "less",
    .names = {.sql = "<"},
    .overloads = kOverloads<Less>,
    .flags = function_flag::kElementwise,
    .arguments = "x, y",
    .doc =
        "Whether x stands before y: numbers by value with NaN above infinity, text by its "
        "UTF-8 bytes, false before true.",
    .examples = kLessExamples,
};

HEADRACE_DEFINE_FUNCTION(kLessEqual) = {
    .id = "less_equal",
    .names = {.sql = "<="},
    .overloads = kOverloads<LessEqual>,
    .flags = function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Whether x stands before y or equals it.",
    .examples = kLessEqualExamples,
};

HEADRACE_DEFINE_FUNCTION(kGreater) = {
    .id = "greater",
    .names = {.sql = ">"},
    .overloads = kOverloads<Greater>,
    .flags = function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Whether x stands after y; NaN is greater than infinity.",
    .examples = kGreaterExamples,
};

HEADRACE_DEFINE_FUNCTION(kGreaterEqual) = {
    .id = "greater_equal",
    .names = {.sql = ">="},
    .overloads = kOverloads<GreaterEqual>,
    .flags = function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Whether x stands after y or equals it.",
    .examples = kGreaterEqualExamples,
};

}  // namespace headrace
