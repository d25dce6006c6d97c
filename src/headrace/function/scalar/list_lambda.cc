// Functions of lists and a lambda: the lambda is computed by expression/evaluate_lambda.h for the
// items of all rows together, the kernels here make the result of what it gave.
#include "arrow/array/array_nested.h"
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/takes_lambda.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using enum ArgPattern;

Result<ArrayPtr> WhatTheLambdaGave(KernelContext&, std::span<const Argument> args, const Rows&) {
  return args[1].array;
}

/// The items for which the lambda gave true.
Result<ArrayPtr> Filter(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const ListColumn given(args[1]);
  const Argument flags{given.values(), false};
  const Validity valid(flags);
  const BooleanView holds(flags);
  std::vector<int64_t> places;
  std::vector<int32_t> ends;
  for (int64_t row = 0; row < rows.length; ++row) {
    for (int64_t i = 0; i < given.Length(row); ++i) {
      const int64_t place = given.Begin(row) + i;
      if (valid[place] && holds[place]) places.push_back(list.Begin(row) + i);
    }
    ends.push_back(static_cast<int32_t>(places.size()));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(*list.values(), places, ctx.pool));
  return MakeLists(ctx, ends, items);
}

Result<TypePtr> FilteredType(std::span<const TypePtr> args) {
  const TypePtr& flag = args[1]->field(0)->type();
  if (flag->id() == arrow::Type::BOOL) return args[0];
  return Error(ErrorKind::kTypeMismatch, "the condition of list_filter is a BOOLEAN, not a {}",
               SqlNameOf(*flag));
}

constexpr Overload kTransformForm[] = {
    {.args = kArgs<kList, kList>, .result = SecondType, .scalar = WhatTheLambdaGave}};
constexpr Overload kFilterForm[] = {
    {.args = kArgs<kList, kList>, .result = FilteredType, .scalar = Filter}};
constexpr Overload kReduceForm[] = {
    {.args = kArgs<kList, kAny>, .result = SecondType, .scalar = WhatTheLambdaGave}};

constexpr Example kTransformExamples[] = {
    {"list_transform(list_value(1, NULL, 3), x -> x + 1)", "[2, NULL, 4]"},
    {"list_transform(list_value(7, 8), lambda x, i: x * i)", "[7, 16]"},
    {"[2 * x FOR x IN list_value(1, 2, 3) IF x > 1]", "[4, 6]"},
    {"list_transform(CAST(NULL AS BIGINT[]), x -> x + 1)", "NULL"}};
constexpr Example kFilterExamples[] = {
    {"list_filter(list_value(1, NULL, 3), x -> x > 1)", "[3]"},
    {"list_filter(list_value('a', 'b'), (x, i) -> i = 2)", "['b']"},
    {"list_filter(CAST(NULL AS BIGINT[]), x -> true)", "NULL"}};
constexpr Example kReduceExamples[] = {
    {"list_reduce(list_value(1, 2, 3), (a, x) -> a + x)", "6"},
    {"list_reduce(list_value('b', 'c'), (a, x) -> a || x, 'a')", "abc"},
    {"list_reduce(CAST(NULL AS BIGINT[]), (a, x) -> a + x)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kListTransform) = {
    .id = "list_transform",
    .names = {.sql = "list_transform|array_transform|list_apply|array_apply|apply"},
    .overloads = kTransformForm,
    .flags = function_flag::kTakesLambda,
    .arguments = "x, f",
    .doc =
        "What f gives for each item: item -> value, or (item, number) -> value with the place of "
        "the item from 1; f may use columns. Also written [value FOR item IN x IF condition].",
    .examples = kTransformExamples,
};

HEADRACE_DEFINE_FUNCTION(kListFilter) = {
    .id = "list_filter",
    .names = {.sql = "list_filter|array_filter|filter"},
    .overloads = kFilterForm,
    .flags = function_flag::kTakesLambda,
    .arguments = "x, f",
    .doc =
        "The items for which f gives true: item -> condition, or (item, number) -> condition with "
        "the place of the item from 1; f may use columns.",
    .examples = kFilterExamples,
};

HEADRACE_DEFINE_FUNCTION(kListReduce) = {
    .id = "list_reduce",
    .names = {.sql = "list_reduce|array_reduce|reduce"},
    .overloads = kReduceForm,
    .flags = function_flag::kTakesLambda | function_flag::kFoldsLambda,
    .arguments = "x, f, first",
    .doc =
        "The items put together from the left by f: (so far, item) -> value, or (so far, item, "
        "number) -> value. It begins with `first` or, without it, with the first item: then a "
        "list without items is an error.",
    .examples = kReduceExamples,
};

}  // namespace headrace
