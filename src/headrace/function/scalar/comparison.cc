// Comparisons of every type that has an order: = <> < <= > >=, with the order of order.h.
#include <type_traits>

#include "arrow/type.h"
#include "headrace/function/choice.h"
#include "headrace/function/compare_bits.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

struct Equal {
  static constexpr CompareOp kOp = CompareOp::kEqual;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueEquals(a, b);
  }
};
struct NotEqual {
  static constexpr CompareOp kOp = CompareOp::kNotEqual;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueEquals(a, b);
  }
};
struct Less {
  static constexpr CompareOp kOp = CompareOp::kLess;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueLess(a, b);
  }
};
struct LessEqual {
  static constexpr CompareOp kOp = CompareOp::kLessEqual;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueLess(b, a);
  }
};
struct Greater {
  static constexpr CompareOp kOp = CompareOp::kGreater;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return ValueLess(b, a);
  }
};
struct GreaterEqual {
  static constexpr CompareOp kOp = CompareOp::kGreaterEqual;
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return !ValueLess(a, b);
  }
};

CompareOp Mirrored(CompareOp op) {
  switch (op) {
    case CompareOp::kLess:
      return CompareOp::kGreater;
    case CompareOp::kLessEqual:
      return CompareOp::kGreaterEqual;
    case CompareOp::kGreater:
      return CompareOp::kLess;
    case CompareOp::kGreaterEqual:
      return CompareOp::kLessEqual;
    default:
      return op;
  }
}

template <typename Column>
struct NumberOf {
  static constexpr bool kHasBits = false;
};
template <typename T>
struct NumberOf<View<T>> {
  using Type = T;
  static constexpr bool kHasBits = std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t> ||
                                   std::is_same_v<T, float> || std::is_same_v<T, double>;
};

/// `column` `op` `number`, which is not NaN.
template <typename T>
Result<ArrayPtr> CompareWithNumber(KernelContext& ctx, CompareOp op, const arrow::Array& column,
                                   T number, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(auto bits, Output<uint8_t>::Make((rows.length + 7) / 8, ctx.pool));
  if (rows.length > 0) {
    const uint8_t* values =
        column.data()->buffers[1]->data() + column.offset() * int64_t{sizeof(T)};
    CompareBits(op, values, number, rows.length, bits.data());
  }
  return bits.FinishBits(ctx.result_type, rows.length);
}

template <typename Column, typename Test>
Result<ArrayPtr> CompareColumns(KernelContext& ctx, std::span<const Argument> args,
                                const Rows& rows) {
  const Column left(args[0]), right(args[1]);
  if constexpr (NumberOf<Column>::kHasBits) {
    if (left.is_constant() != right.is_constant()) {
      const auto number = left.is_constant() ? left[0] : right[0];
      const CompareOp op = left.is_constant() ? Mirrored(Test::kOp) : Test::kOp;
      const arrow::Array& column = *args[left.is_constant() ? 1 : 0].array;
      if (number == number) return CompareWithNumber(ctx, op, column, number, rows);
    }
  }
  return RunTest(ctx, left, right, rows, Test{});
}

template <typename Test>
Result<ArrayPtr> Compare(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  Result<ArrayPtr> result = nullptr;
  const bool known = VisitOrdered(args[0].array->type_id(), [&](auto tag) {
    using Column = typename decltype(tag)::Column;
    result = CompareColumns<Column, Test>(ctx, args, rows);
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
