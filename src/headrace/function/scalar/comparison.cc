// Comparisons of every type that has an order: = <> < <= > >=, with the order of order.h.
#include "arrow/type.h"
#include "headrace/function/choice.h"
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

/// Nulls are values here that equal each other.
template <bool kDistinct>
Result<ArrayPtr> CompareNulls(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  const Validity a_valid(args[0]);
  const Validity b_valid(args[1]);
  if (args[0].array->type_id() == arrow::Type::NA) {
    return RunRowTest(ctx, rows, [](int64_t) { return !kDistinct; });
  }
  Result<ArrayPtr> result = nullptr;
  const bool known = VisitOrdered(args[0].array->type_id(), [&](auto tag) {
    using Column = typename decltype(tag)::Column;
    const Column a(args[0]);
    const Column b(args[1]);
    result = RunRowTest(ctx, rows, [&](int64_t row) {
      const bool a_here = a_valid[row];
      const bool same = a_here == b_valid[row] && (!a_here || ValueEquals(a[row], b[row]));
      return same != kDistinct;
    });
  });
  if (known) return result;
  return Error(ErrorKind::kInternal, "no order for {}", args[0].array->type()->ToString());
}

/// Of each row the place of the argument that comes first (or last) in order, nulls left out.
template <bool kGreatest>
std::vector<uint32_t> BestOf(std::span<const Argument> args, const Rows& rows) {
  std::vector<uint32_t> choice(static_cast<size_t>(rows.length), kNoBranch);
  VisitOrdered(args[0].array->type_id(), [&](auto tag) {
    using Column = typename decltype(tag)::Column;
    std::vector<Column> columns(args.begin(), args.end());
    for (size_t i = 0; i < args.size(); ++i) {
      const Validity valid(args[i]);
      for (int64_t row = 0; row < rows.length; ++row) {
        if (!valid[row]) continue;
        uint32_t& best = choice[static_cast<size_t>(row)];
        const bool wins =
            best == kNoBranch || (kGreatest ? ValueLess(columns[best][row], columns[i][row])
                                            : ValueLess(columns[i][row], columns[best][row]));
        if (wins) best = static_cast<uint32_t>(i);
      }
    }
  });
  return choice;
}

template <bool kGreatest>
Result<ArrayPtr> Best(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return ChooseRows(ctx, args, BestOf<kGreatest>(args, rows));
}

template <bool kGreatest>
constexpr Overload kBestOverloads[] = {
    {.args = kArgs<ArgPattern::kCommonComparable>,
     .result = FirstType,
     .scalar = Best<kGreatest>,
     .variadic = true},
};
constexpr Example kGreatestExamples[] = {
    {"greatest(1, 3, 2)", "3"}, {"greatest(1, NULL)", "1"}, {"greatest(NULL, NULL)", "NULL"}};
constexpr Example kLeastExamples[] = {
    {"least('b', 'a')", "a"}, {"least(1, NULL)", "1"}, {"least(NULL, NULL)", "NULL"}};

template <bool kDistinct>
constexpr Overload kDistinctOverloads[] = {
    {.args = kArgs<ArgPattern::kCommonComparable, ArgPattern::kCommonComparable>,
     .result = BooleanType,
     .scalar = CompareNulls<kDistinct>},
};
constexpr Example kDistinctExamples[] = {{"is_distinct_from(1, 2)", "true"},
                                         {"is_distinct_from(1, NULL)", "true"},
                                         {"is_distinct_from(NULL, NULL)", "false"}};
constexpr Example kNotDistinctExamples[] = {{"is_not_distinct_from(1, 1)", "true"},
                                            {"is_not_distinct_from(1, NULL)", "false"},
                                            {"is_not_distinct_from(NULL, NULL)", "true"}};

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

HEADRACE_DEFINE_FUNCTION(kIsDistinctFrom) = {
    .id = "is_distinct_from",
    .names = {.sql = "is_distinct_from"},
    .overloads = kDistinctOverloads<true>,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "Whether two values differ, where null equals null and nothing else. Never null.",
    .examples = kDistinctExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNotDistinctFrom) = {
    .id = "is_not_distinct_from",
    .names = {.sql = "is_not_distinct_from"},
    .overloads = kDistinctOverloads<false>,
    .nulls = NullRule::kKernel,
    .flags = function_flag::kCommutative,
    .arguments = "x, y",
    .doc = "Whether two values are equal, where null equals null and nothing else. Never null.",
    .examples = kNotDistinctExamples,
};

HEADRACE_DEFINE_FUNCTION(kGreatest) = {
    .id = "greatest",
    .names = {.sql = "greatest"},
    .overloads = kBestOverloads<true>,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc = "The greatest of the arguments that are not null; null when all are. NaN is greatest.",
    .examples = kGreatestExamples,
};

HEADRACE_DEFINE_FUNCTION(kLeast) = {
    .id = "least",
    .names = {.sql = "least"},
    .overloads = kBestOverloads<false>,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc = "The least of the arguments that are not null; null when all are.",
    .examples = kLeastExamples,
};

}  // namespace headrace
