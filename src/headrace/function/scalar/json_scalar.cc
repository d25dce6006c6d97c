// Values of JSON text by kind: json_value gives scalars, json_query arrays and objects, and neither
// fails on text that is no JSON; and the items of arrays and objects.
#include <fast_float/fast_float.h>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/function/define.h"
#include "headrace/function/scalar/json_parts.h"
#include "headrace/function/scalar/json_walk.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

using enum ArgPattern;
using namespace json_walk;

bool IsNested(ondemand::json_type type) {
  return type == ondemand::json_type::object || type == ondemand::json_type::array;
}

/// Arrays and objects as JSON (`kNested`), or the others as text; else null.
template <bool kNested>
Result<ArrayPtr> ValueOfKind(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(auto column, TextColumn::Make(rows.length, ctx.pool));
  std::string text;
  bool is_null = false;
  const auto visit = [&](auto& at) -> error_code {
    ondemand::json_type type;
    if (const error_code error = at.type().get(type)) return error;
    if (IsNested(type) != kNested) return simdjson::INCORRECT_TYPE;
    if constexpr (kNested) return AppendJson(at, &text);
    return AppendText(at, &text, &is_null);
  };
  const auto end = [&](int64_t row, bool found) -> Status {
    ARROW_RETURN_NOT_OK(column.SkipTo(row));
    const bool has_value = found && !std::exchange(is_null, false);
    if (has_value) ARROW_RETURN_NOT_OK(column.Append(text));
    text.clear();
    return has_value ? column.EndRow() : column.EndRowAsNull();
  };
  ARROW_RETURN_NOT_OK(ForEachFound<OnBroken::kAbsent>(args, rows, visit, end));
  ARROW_RETURN_NOT_OK(column.SkipTo(rows.length));
  return column.Finish(ctx.result_type);
}

std::optional<double> NumberIn(std::string_view text) {
  double value = 0;
  const auto [stop, error] = fast_float::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Whether the item has the text `wanted`, or is the number that it says.
error_code Matches(ondemand::value& item, std::string_view wanted, std::string* text, bool* same) {
  ondemand::json_type type;
  if (const error_code error = item.type().get(type)) return error;
  bool is_null = false;
  text->clear();
  if (const error_code error = AppendText(item, text, &is_null)) return error;
  *same = !is_null && *text == wanted;
  if (!*same && type == ondemand::json_type::number) {
    const std::optional<double> number = NumberIn(wanted);
    *same = number.has_value() && NumberIn(*text) == number;
  }
  return SUCCESS;
}

}  // namespace

Result<ArrayPtr> JsonValues(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  auto values = std::make_shared<arrow::StringBuilder>(ctx.pool);
  arrow::ListBuilder lists(ctx.pool, values, ctx.result_type);
  std::vector<std::optional<std::string>> found_values;
  std::string text;
  const auto visit = [&](auto& at) -> error_code {
    ondemand::json_type type;
    if (const error_code error = at.type().get(type)) return error;
    if (type != ondemand::json_type::object) return SUCCESS;
    ondemand::object object;
    if (const error_code error = at.get_object().get(object)) return error;
    for (auto field : object) {
      ondemand::value value;
      if (const error_code error = field.value().get(value)) return error;
      bool is_null = false;
      text.clear();
      if (const error_code error = AppendText(value, &text, &is_null)) return error;
      found_values.push_back(is_null ? std::nullopt : std::optional(text));
    }
    return SUCCESS;
  };
  const auto end = [&](int64_t row, bool found) -> Status {
    while (lists.length() < row) ARROW_RETURN_NOT_OK(lists.AppendNull());
    ARROW_RETURN_NOT_OK(found ? lists.Append() : lists.AppendNull());
    for (const auto& value : found_values) {
      ARROW_RETURN_NOT_OK(value.has_value() ? values->Append(*value) : values->AppendNull());
    }
    found_values.clear();
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  while (lists.length() < rows.length) ARROW_RETURN_NOT_OK(lists.AppendNull());
  return lists.Finish();
}

Result<ArrayPtr> JsonContains(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  Documents documents(args[0]);
  const BytesView wanted(args[1]);
  arrow::BooleanBuilder out(ctx.pool);
  std::string text;
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    ARROW_RETURN_NOT_OK(out.AppendNulls(row - out.length()));
    if (!HasAll(args, row)) return out.AppendNull();
    bool any = false;
    const auto visit = [&](auto& at) -> error_code {
      ondemand::array array;
      if (const error_code error = at.get_array().get(array)) return error;
      for (auto element : array) {
        ondemand::value item;
        bool same = false;
        if (const error_code error = element.get(item)) return error;
        if (const error_code error = Matches(item, wanted[row], &text, &same)) return error;
        any = any || same;
      }
      return SUCCESS;
    };
    const std::string_view json = documents.Text(row);
    const error_code error = Find(documents, json, JsonPath{}, visit);
    if (error != SUCCESS && !IsAbsent(error)) return documents.Broken(json, error);
    return out.Append(any);
  }));
  ARROW_RETURN_NOT_OK(out.AppendNulls(rows.length - out.length()));
  return out.Finish();
}

namespace {

template <bool kNested>
constexpr Overload kKindForm[] = {
    {.args = kArgs<kString, kString>, .result = StringType, .scalar = ValueOfKind<kNested>},
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = ValueOfKind<kNested>},
};

constexpr Example kValueExamples[] = {{R"(json_value('{"a": {"b": [10, "x"]}}', '$.a.b[1]'))", "x"},
                                      {R"(json_value('{"a": {"b": [10, "x"]}}', '$.a.b.0'))", "10"},
                                      {R"(json_value('{"a": {"b": 1}}', '$.a'))", "NULL"},
                                      {"json_value('no JSON', '$.a')", "NULL"}};
constexpr Example kQueryExamples[] = {{R"(json_query('{"a": [1, 2]}', '$.a'))", "[1,2]"},
                                      {R"(json_query('{"a": 1}', '$.a'))", "NULL"},
                                      {"json_query('no JSON', '$.a')", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kJsonValue) = {
    .id = "json_value",
    .names = {.sql = "json_value"},
    .overloads = kKindForm<false>,
    .arguments = "x, path",
    .doc =
        "The string, number or boolean at a path in JSON text, as text; null when there is none, "
        "and of arrays, objects, null and text that is no JSON. Paths are those of json_extract.",
    .examples = kValueExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonQuery) = {
    .id = "json_query",
    .names = {.sql = "json_query"},
    .overloads = kKindForm<true>,
    .arguments = "x, path",
    .doc =
        "The array or object at a path in JSON text, as JSON without blanks; null when there is "
        "none, and of other values and text that is no JSON.",
    .examples = kQueryExamples,
};

}  // namespace headrace
