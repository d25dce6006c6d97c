// Three-valued logic: and, or (lazy: later arguments see only undecided rows), not, is_null.
#include "arrow/array/array_primitive.h"
#include "arrow/type.h"
#include "headrace/function/choice.h"
#include "headrace/function/define.h"

namespace headrace {
namespace {

enum Truth : uint8_t { kFalse = 0, kTrue = 1, kUnknown = 2 };

/// A boolean array of one Truth per row.
Result<ArrayPtr> FromTruth(KernelContext& ctx, const std::vector<uint8_t>& truth) {
  const auto rows = static_cast<int64_t>(truth.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateEmptyBitmap(rows, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> valid,
                        arrow::AllocateEmptyBitmap(rows, ctx.pool));
  int64_t nulls = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t value = truth[static_cast<size_t>(row)];
    nulls += value == kUnknown;
    arrow::bit_util::SetBitTo(values->mutable_data(), row, value == kTrue);
    arrow::bit_util::SetBitTo(valid->mutable_data(), row, value != kUnknown);
  }
  if (nulls == 0) valid = nullptr;
  return std::make_shared<arrow::BooleanArray>(rows, std::move(values), std::move(valid), nulls);
}

/// AND (kDecides = false) or OR (true): a row is decided by the first argument that is kDecides;
/// the others go on to the next argument. Undecided rows are kUnknown after a null, else !kDecides.
template <bool kDecides>
Result<ArrayPtr> Connect(KernelContext& ctx, std::span<const LazyArgument> args, const Rows& rows) {
  std::vector<uint8_t> truth(static_cast<size_t>(rows.length), kDecides ? kFalse : kTrue);
  std::vector<uint32_t> open = ActiveRows(rows);
  for (const LazyArgument& arg : args) {
    if (open.empty()) break;
    ARROW_ASSIGN_OR_RAISE(const Argument value, arg(Rows{rows.length, &open}));
    const Validity valid(value);
    const BooleanView holds(value);
    std::vector<uint32_t> left;
    left.reserve(open.size());
    for (const uint32_t row : open) {
      if (!valid[row]) {
        truth[row] = kUnknown;
      } else if (holds[row] == kDecides) {
        truth[row] = kDecides ? kTrue : kFalse;
        continue;
      }
      left.push_back(row);
    }
    open = std::move(left);
  }
  return FromTruth(ctx, truth);
}

Result<ArrayPtr> Not(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BooleanView value(args[0]);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, !value[row]);
  }
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

template <bool kNull>
Result<ArrayPtr> IsNull(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const Validity valid(args[0]);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, valid[row] != kNull);
  }
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

constexpr ArgPattern kBooleans[] = {ArgPattern::kBoolean, ArgPattern::kBoolean};
constexpr ArgPattern kOneBoolean[] = {ArgPattern::kBoolean};
constexpr ArgPattern kAnything[] = {ArgPattern::kAny};

constexpr Overload kAndOverloads[] = {
    {.args = kBooleans, .result = BooleanType, .lazy = Connect<false>, .variadic = true},
};
constexpr Overload kOrOverloads[] = {
    {.args = kBooleans, .result = BooleanType, .lazy = Connect<true>, .variadic = true},
};
constexpr Overload kNotOverloads[] = {
    {.args = kOneBoolean, .result = BooleanType, .scalar = Not},
};
constexpr Overload kIsNullOverloads[] = {
    {.args = kAnything, .result = BooleanType, .scalar = IsNull<true>},
};
constexpr Overload kIsNotNullOverloads[] = {
    {.args = kAnything, .result = BooleanType, .scalar = IsNull<false>},
};

constexpr Example kAndExamples[] = {
    {"true AND false", "false"},
    {"false AND NULL", "false"},
    {"true AND NULL", "NULL"},
    {"0 <> 0 AND 1 // 0 > 2", "false"},
};
constexpr Example kOrExamples[] = {
    {"true OR false", "true"},
    {"true OR NULL", "true"},
    {"false OR NULL", "NULL"},
};
constexpr Example kNotExamples[] = {
    {"NOT true", "false"},
    {"NOT NULL", "NULL"},
};
constexpr Example kIsNullExamples[] = {
    {"is_null(NULL)", "true"},
    {"is_null(1)", "false"},
};
constexpr Example kIsNotNullExamples[] = {
    {"is_not_null(NULL)", "false"},
    {"is_not_null(1)", "true"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kAnd) = {
    .id = "and",
    .names = {.sql = "and"},
    .overloads = kAndOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc =
        "False when an argument is false, else null when one is null, else true. Arguments are "
        "evaluated from the left, only for the rows that are not false yet.",
    .examples = kAndExamples,
};

HEADRACE_DEFINE_FUNCTION(kOr) = {
    .id = "or",
    .names = {.sql = "or"},
    .overloads = kOrOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc =
        "True when an argument is true, else null when one is null, else false. Arguments are "
        "evaluated from the left, only for the rows that are not true yet.",
    .examples = kOrExamples,
};

HEADRACE_DEFINE_FUNCTION(kNot) = {
    .id = "not",
    .names = {.sql = "not"},
    .overloads = kNotOverloads,
    .arguments = "x",
    .doc = "True for false, false for true, null for null.",
    .examples = kNotExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNull) = {
    .id = "is_null",
    .names = {.sql = "is_null", .ltseq = "is_null"},
    .overloads = kIsNullOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x",
    .doc = "Whether the value is null; never null itself. NaN is not null.",
    .examples = kIsNullExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsNotNull) = {
    .id = "is_not_null",
    .names = {.sql = "is_not_null", .ltseq = "is_not_null"},
    .overloads = kIsNotNullOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x",
    .doc = "Whether the value is not null; never null itself.",
    .examples = kIsNotNullExamples,
};

}  // namespace headrace
