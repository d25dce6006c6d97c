// Values as JSON text.
#include <string>

#include "headrace/function/define.h"
#include "headrace/function/text_column.h"
#include "headrace/types/json_text.h"

namespace headrace {
namespace {

Result<ArrayPtr> ToJson(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const Argument& value = args[0];
  std::string text;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    text.clear();
    AppendJson(*value.array, value.is_constant ? 0 : row, &text);
    return out.Append(text);
  });
}

constexpr Overload kToJsonForm[] = {
    {.args = kArgs<ArgPattern::kAny>, .result = StringType, .scalar = ToJson},
};
constexpr Example kToJsonExamples[] = {
    {"to_json(named_struct('a', 1, 'b', list_value(true, NULL), 'c', 'x \"y\"'))",
     "{\"a\":1,\"b\":[true,null],\"c\":\"x \\\"y\\\"\"}"},
    {"to_json(DATE '2020-01-31')", "\"2020-01-31\""},
    {"to_json(map(list_value('a'), list_value(1)))", "{\"a\":1}"},
    {"to_json(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kToJson) = {
    .id = "to_json",
    .names = {.sql = "to_json"},
    .overloads = kToJsonForm,
    .arguments = "x",
    .doc =
        "The value as JSON: lists as arrays, structs and maps as objects, numbers with all their "
        "digits, NaN and infinities as null, all the rest as strings. A null stays a null.",
    .examples = kToJsonExamples,
};

}  // namespace headrace
