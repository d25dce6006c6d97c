// CASE, COALESCE and their short forms: each argument is evaluated only for the rows that need it.
#include "headrace/function/choice.h"
#include "headrace/function/define.h"
#include "headrace/function/order.h"

namespace headrace {
namespace {

/// What the rows of a lazy call have been given so far.
class Choices {
 public:
  explicit Choices(const Rows& rows)
      : choice_(static_cast<size_t>(rows.length), kNoBranch), open_(ActiveRows(rows)) {}

  bool done() const { return open_.empty(); }
  Rows open() const { return {static_cast<int64_t>(choice_.size()), &open_}; }

  /// Gives `branch` to the open rows that `takes` says, and closes them.
  template <typename Takes>
  void Give(Argument branch, Takes&& takes) {
    std::vector<uint32_t> left;
    for (const uint32_t row : open_) {
      if (takes(row)) {
        choice_[row] = static_cast<uint32_t>(branches_.size());
      } else {
        left.push_back(row);
      }
    }
    open_ = std::move(left);
    branches_.push_back(std::move(branch));
  }
  Result<ArrayPtr> Finish(KernelContext& ctx) const { return ChooseRows(ctx, branches_, choice_); }

 private:
  std::vector<uint32_t> choice_;
  std::vector<uint32_t> open_;
  std::vector<Argument> branches_;
};

Result<ArrayPtr> Coalesce(KernelContext& ctx, std::span<const LazyArgument> args,
                          const Rows& rows) {
  Choices choices(rows);
  for (const LazyArgument& arg : args) {
    if (choices.done()) break;
    ARROW_ASSIGN_OR_RAISE(const Argument value, arg(choices.open()));
    const Validity valid(value);
    const bool has_all = &arg == &args.front() && valid.all_valid() && !value.is_constant;
    if (has_all) return value.array;
    choices.Give(value, [&](uint32_t row) { return valid[row]; });
  }
  return choices.Finish(ctx);
}

/// The rows of `open` where `condition` is true.
std::vector<uint32_t> RowsWhere(const Argument& condition, const std::vector<uint32_t>& open) {
  const Validity valid(condition);
  const BooleanView holds(condition);
  std::vector<uint32_t> rows;
  for (const uint32_t row : open) {
    if (valid[row] && holds[row]) rows.push_back(row);
  }
  return rows;
}

/// cond1, value1, cond2, value2, … [, else].
Result<ArrayPtr> Case(KernelContext& ctx, std::span<const LazyArgument> args, const Rows& rows) {
  Choices choices(rows);
  size_t next = 0;
  for (; next + 1 < args.size() && !choices.done(); next += 2) {
    const Rows open = choices.open();
    ARROW_ASSIGN_OR_RAISE(const Argument condition, args[next](open));
    const std::vector<uint32_t> matched = RowsWhere(condition, *open.active);
    if (matched.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(Argument value, args[next + 1](Rows{rows.length, &matched}));
    auto candidate = matched.begin();  // both lists are sorted, so one walk tells who is in
    choices.Give(std::move(value), [&](uint32_t row) {
      if (candidate == matched.end() || *candidate != row) return false;
      ++candidate;
      return true;
    });
  }
  if (next < args.size() && !choices.done()) {
    ARROW_ASSIGN_OR_RAISE(Argument value, args[next](choices.open()));
    choices.Give(std::move(value), [](uint32_t) { return true; });
  }
  return choices.Finish(ctx);
}

/// x, but null where it equals y.
Result<ArrayPtr> NullIf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<uint32_t> choice(static_cast<size_t>(rows.length), 0);
  const Validity x_valid(args[0]);
  const Validity y_valid(args[1]);
  VisitOrdered(args[0].array->type_id(), [&](auto tag) {
    const typename decltype(tag)::Column x(args[0]);
    const typename decltype(tag)::Column y(args[1]);
    for (int64_t row = 0; row < rows.length; ++row) {
      const bool equal = x_valid[row] && y_valid[row] && ValueEquals(x[row], y[row]);
      if (equal) choice[static_cast<size_t>(row)] = kNoBranch;
    }
  });
  return ChooseRows(ctx, args.first(1), choice);
}

constexpr Overload kNullIfOverloads[] = {
    {.args = kArgs<ArgPattern::kCommonComparable, ArgPattern::kCommonComparable>,
     .result = FirstType,
     .scalar = NullIf},
};
constexpr Example kNullIfExamples[] = {
    {"nullif(1, 2)", "1"}, {"nullif(1, 1)", "NULL"}, {"nullif(1, NULL)", "1"}};

constexpr Overload kIfNullOverloads[] = {
    {.args = kArgs<ArgPattern::kCommon, ArgPattern::kCommon>,
     .result = FirstType,
     .lazy = Coalesce},
};
constexpr Example kIfNullExamples[] = {{"ifnull(NULL, 2)", "2"}, {"ifnull(NULL, NULL)", "NULL"}};

constexpr Overload kIfOverloads[] = {
    {.args = kArgs<ArgPattern::kBoolean, ArgPattern::kCommon, ArgPattern::kCommon>,
     .result = SecondType,
     .lazy = Case},
};
constexpr Example kIfExamples[] = {
    {"if(1 < 2, 'a', 'b')", "a"}, {"if(NULL, 'a', 'b')", "b"}, {"if(0 <> 0, 1 // 0, -1)", "-1"}};

constexpr ArgPattern kCoalesceArgs[] = {ArgPattern::kCommon};
constexpr Overload kCoalesceOverloads[] = {
    {.args = kCoalesceArgs, .result = FirstType, .lazy = Coalesce, .variadic = true},
};
constexpr Example kCoalesceExamples[] = {
    {"coalesce(NULL, 2, 3)", "2"},
    {"coalesce(NULL, NULL)", "NULL"},
    {"coalesce(1, 1 // 0)", "1"},
};

constexpr ArgPattern kCaseArgs[] = {ArgPattern::kBoolean, ArgPattern::kCommon, ArgPattern::kCommon};
constexpr Overload kCaseOverloads[] = {
    {.args = kCaseArgs, .result = SecondType, .lazy = Case, .leading_group = 2},
    {.args = std::span<const ArgPattern>(kCaseArgs, 2),
     .result = SecondType,
     .lazy = Case,
     .leading_group = 2},
};
constexpr Example kCaseExamples[] = {
    {"CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' ELSE 'c' END", "b"},
    {"CASE WHEN NULL THEN 1 END", "NULL"},
    {"CASE WHEN 0 <> 0 THEN 1 // 0 ELSE -1 END", "-1"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kCoalesce) = {
    .id = "coalesce",
    .names = {.sql = "coalesce", .ltseq = "coalesce"},
    .overloads = kCoalesceOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc =
        "The first argument that is not null, or null. An argument is evaluated only for the "
        "rows where those before it are null.",
    .examples = kCoalesceExamples,
};

HEADRACE_DEFINE_FUNCTION(kCase) = {
    .id = "case",
    .names = {.sql = "case"},
    .overloads = kCaseOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "condition, value, ..., otherwise",
    .doc =
        "The value behind the first condition that is true, else the last argument, else null. "
        "A value is evaluated only for the rows that take it.",
    .examples = kCaseExamples,
};

HEADRACE_DEFINE_FUNCTION(kNullIf) = {
    .id = "nullif",
    .names = {.sql = "nullif"},
    .overloads = kNullIfOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y",
    .doc = "x, or null where x equals y.",
    .examples = kNullIfExamples,
};

HEADRACE_DEFINE_FUNCTION(kIfNull) = {
    .id = "ifnull",
    .names = {.sql = "ifnull", .ltseq = "fill_null"},
    .overloads = kIfNullOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y",
    .doc = "x, or y where x is null; y is evaluated only there.",
    .examples = kIfNullExamples,
};

HEADRACE_DEFINE_FUNCTION(kIf) = {
    .id = "if",
    .names = {.sql = "if|iff", .ltseq = "if_else"},
    .overloads = kIfOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "condition, value, otherwise",
    .doc =
        "`value` where the condition is true, else `otherwise`; each is evaluated only for the "
        "rows that take it.",
    .examples = kIfExamples,
};

}  // namespace headrace
