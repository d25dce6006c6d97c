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
      : length_(rows.length), open_(MaskOf(rows)), num_open_(CountActive(rows)) {}

  bool done() const { return num_open_ == 0; }
  const RowMask& open() const { return open_; }

  /// An argument, asked for those of the open rows that are in `rows`.
  Result<Argument> Ask(const LazyArgument& argument, const RowMask& rows) const {
    const std::vector<uint32_t> active = RowsIn(rows);
    const bool is_all = static_cast<int64_t>(active.size()) == length_;
    return argument(Rows{length_, is_all ? nullptr : &active});
  }
  /// Gives `value` to open rows, and closes them.
  void Give(Argument value, RowMask rows) {
    for (size_t i = 0; i < rows.size(); ++i) open_[i] &= ~rows[i];
    num_open_ -= CountRows(rows);
    branches_.push_back({std::move(value), std::move(rows)});
  }
  Result<ArrayPtr> Finish(KernelContext& ctx) const { return ChooseRows(ctx, branches_, length_); }

 private:
  int64_t length_;
  RowMask open_;
  int64_t num_open_;
  std::vector<Branch> branches_;
};

RowMask Both(RowMask a, const RowMask& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] &= b[i];
  return a;
}

Result<ArrayPtr> Coalesce(KernelContext& ctx, std::span<const LazyArgument> args,
                          const Rows& rows) {
  Choices choices(rows);
  for (const LazyArgument& arg : args) {
    if (choices.done()) break;
    ARROW_ASSIGN_OR_RAISE(Argument value, choices.Ask(arg, choices.open()));
    const bool has_all = &arg == &args.front() && !value.is_constant && Validity(value).all_valid();
    if (has_all) return value.array;
    RowMask valid = Both(ValidRows(value, rows.length), choices.open());
    choices.Give(std::move(value), std::move(valid));
  }
  return choices.Finish(ctx);
}

/// cond1, value1, cond2, value2, … [, else].
Result<ArrayPtr> Case(KernelContext& ctx, std::span<const LazyArgument> args, const Rows& rows) {
  Choices choices(rows);
  size_t next = 0;
  for (; next + 1 < args.size() && !choices.done(); next += 2) {
    ARROW_ASSIGN_OR_RAISE(const Argument condition, choices.Ask(args[next], choices.open()));
    RowMask matched = Both(TrueRows(condition, rows.length), choices.open());
    if (CountRows(matched) == 0) continue;
    ARROW_ASSIGN_OR_RAISE(Argument value, choices.Ask(args[next + 1], matched));
    choices.Give(std::move(value), std::move(matched));
  }
  if (next < args.size() && !choices.done()) {
    ARROW_ASSIGN_OR_RAISE(Argument value, choices.Ask(args[next], choices.open()));
    choices.Give(std::move(value), choices.open());
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
    .names = {.sql = "if|iff|iif", .ltseq = "if_else"},
    .overloads = kIfOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "condition, value, otherwise",
    .doc =
        "`value` where the condition is true, else `otherwise`; each is evaluated only for the "
        "rows that take it.",
    .examples = kIfExamples,
};

}  // namespace headrace
