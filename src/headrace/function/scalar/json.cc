// JSON in text: values by path, their types, lengths and keys; json_valid, which reads all.
#include <memory>
#include <optional>
#include <string>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/scalar/json_parts.h"
#include "headrace/function/scalar/json_walk.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

using enum ArgPattern;
using namespace json_walk;

template <typename At>
error_code TypeNameOf(At& at, const char** name) {
  ondemand::json_type type;
  if (const error_code error = at.type().get(type)) return error;
  switch (type) {
    case ondemand::json_type::object:
      *name = "OBJECT";
      return SUCCESS;
    case ondemand::json_type::array:
      *name = "ARRAY";
      return SUCCESS;
    case ondemand::json_type::string:
      *name = "VARCHAR";
      return SUCCESS;
    default:
      break;
  }
  std::string_view token;
  if (const error_code error = simdjson::to_json_string(at).get(token)) return error;
  token = Trimmed(token);
  if (!IsPlainToken(token)) return simdjson::TAPE_ERROR;
  const bool is_real = token.find_first_of(".eE") != std::string_view::npos;
  *name = token == "null"                       ? "NULL"
          : token == "true" || token == "false" ? "BOOLEAN"
          : is_real || token.size() > 20        ? "DOUBLE"
          : token.front() == '-'                ? "BIGINT"
                                                : "UBIGINT";
  return SUCCESS;
}

/// Reads everything.
template <typename At>
error_code CheckAll(At& at) {
  ondemand::json_type type;
  if (const error_code error = at.type().get(type)) return error;
  const auto check = [](auto&& found) -> error_code {
    ondemand::value value;
    if (const error_code error = found.get(value)) return error;
    return CheckAll(value);
  };
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (const error_code error = at.get_object().get(object)) return error;
    for (auto field : object) {
      if (const error_code error = field.unescaped_key().error()) return error;
      if (const error_code error = check(field.value())) return error;
    }
    return SUCCESS;
  }
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if (const error_code error = at.get_array().get(array)) return error;
    for (auto element : array) {
      if (const error_code error = check(element)) return error;
    }
    return SUCCESS;
  }
  std::string ignored;
  bool is_null = false;
  return AppendText(at, &ignored, &is_null);
}

/// Whether the document is one value and no more. Tokens of the root reach to its end.
bool IsWhole(ondemand::document& document) {
  ondemand::json_type type;
  if (document.type().get(type) != SUCCESS || CheckAll(document) != SUCCESS) return false;
  const bool is_token = type == ondemand::json_type::number ||
                        type == ondemand::json_type::boolean || type == ondemand::json_type::null;
  return is_token || document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

template <bool kText>
Result<ArrayPtr> ExtractEvery(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  auto values = std::make_shared<arrow::StringBuilder>(ctx.pool);
  arrow::ListBuilder lists(ctx.pool, values, ctx.result_type);
  std::string text;
  std::vector<std::optional<std::string>> items;
  const auto visit = [&](auto& at) {
    text.clear();
    bool is_null = false;
    error_code error = SUCCESS;
    if constexpr (kText) {
      error = AppendText(at, &text, &is_null);
    } else {
      error = AppendJson(at, &text);
    }
    if (error == SUCCESS) items.push_back(is_null ? std::nullopt : std::optional(text));
    return error;
  };
  const auto end = [&](int64_t row, bool) -> Status {
    while (lists.length() <= row) ARROW_RETURN_NOT_OK(lists.Append());
    for (const auto& item : items) {
      ARROW_RETURN_NOT_OK(item.has_value() ? values->Append(*item) : values->AppendNull());
    }
    items.clear();
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  while (lists.length() < rows.length) ARROW_RETURN_NOT_OK(lists.Append());
  return lists.Finish();
}

/// `kText`: strings as themselves and null as null, otherwise JSON.
template <bool kText>
Result<ArrayPtr> Extract(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  if (ctx.result_type->id() == arrow::Type::LIST) return ExtractEvery<kText>(ctx, args, rows);
  ARROW_ASSIGN_OR_RAISE(auto column, TextColumn::Make(rows.length, ctx.pool));
  std::string text;
  bool is_null = false;
  const auto visit = [&](auto& at) {
    if constexpr (kText) return AppendText(at, &text, &is_null);
    return AppendJson(at, &text);
  };
  const auto end = [&](int64_t row, bool found) -> Status {
    ARROW_RETURN_NOT_OK(column.SkipTo(row));
    if (!found || is_null) {
      is_null = false;
      text.clear();
      return column.EndRowAsNull();
    }
    ARROW_RETURN_NOT_OK(column.Append(text));
    text.clear();
    return column.EndRow();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  ARROW_RETURN_NOT_OK(column.SkipTo(rows.length));
  return column.Finish(ctx.result_type);
}

Result<TypePtr> ExtractType(std::span<const TypePtr>, std::span<const ScalarPtr> literals) {
  const ScalarPtr& path = literals[1];
  if (path == nullptr || !path->is_valid || path->type->id() != arrow::Type::STRING) {
    return arrow::utf8();
  }
  ARROW_ASSIGN_OR_RAISE(const JsonPath parsed, ParseJsonPath(path->ToString()));
  return parsed.has_wildcard ? arrow::list(arrow::utf8()) : arrow::utf8();
}

}  // namespace

Result<ArrayPtr> JsonArrayLength(KernelContext& ctx, std::span<const Argument> args,
                                 const Rows& rows) {
  arrow::Int64Builder out(ctx.pool);
  ARROW_RETURN_NOT_OK(out.Reserve(rows.length));
  size_t count = 0;
  const auto visit = [&](auto& at) -> error_code {
    count = 0;
    ondemand::json_type type;
    if (const error_code error = at.type().get(type)) return error;
    if (type != ondemand::json_type::array) return SUCCESS;
    return at.count_elements().get(count);
  };
  const auto end = [&](int64_t row, bool found) -> Status {
    ARROW_RETURN_NOT_OK(out.AppendNulls(row - out.length()));
    return found ? out.Append(static_cast<int64_t>(count)) : out.AppendNull();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  ARROW_RETURN_NOT_OK(out.AppendNulls(rows.length - out.length()));
  return out.Finish();
}

namespace {

Result<ArrayPtr> Type(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  arrow::StringBuilder out(ctx.pool);
  const char* name = "";
  const auto visit = [&](auto& at) { return TypeNameOf(at, &name); };
  const auto end = [&](int64_t row, bool found) -> Status {
    ARROW_RETURN_NOT_OK(out.AppendNulls(row - out.length()));
    return found ? out.Append(name) : out.AppendNull();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  ARROW_RETURN_NOT_OK(out.AppendNulls(rows.length - out.length()));
  return out.Finish();
}

Result<ArrayPtr> Exists(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  arrow::BooleanBuilder out(ctx.pool);
  bool any = false;
  const auto visit = [&](auto&) {
    any = true;
    return SUCCESS;
  };
  const auto end = [&](int64_t row, bool) -> Status {
    ARROW_RETURN_NOT_OK(out.AppendNulls(row - out.length()));
    return out.Append(std::exchange(any, false));
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  ARROW_RETURN_NOT_OK(out.AppendNulls(rows.length - out.length()));
  return out.Finish();
}

}  // namespace

Result<ArrayPtr> JsonKeys(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  auto keys = std::make_shared<arrow::StringBuilder>(ctx.pool);
  arrow::ListBuilder lists(ctx.pool, keys, ctx.result_type);
  std::vector<std::string> found_keys;
  const auto visit = [&](auto& at) -> error_code {
    ondemand::json_type type;
    if (const error_code error = at.type().get(type)) return error;
    if (type != ondemand::json_type::object) return SUCCESS;
    ondemand::object object;
    if (const error_code error = at.get_object().get(object)) return error;
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      found_keys.emplace_back(key);
    }
    return SUCCESS;
  };
  const auto end = [&](int64_t row, bool found) -> Status {
    while (lists.length() < row) ARROW_RETURN_NOT_OK(lists.AppendNull());
    ARROW_RETURN_NOT_OK(found ? lists.Append() : lists.AppendNull());
    for (const std::string& key : found_keys) ARROW_RETURN_NOT_OK(keys->Append(key));
    found_keys.clear();
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(ForEachFound(args, rows, visit, end));
  while (lists.length() < rows.length) ARROW_RETURN_NOT_OK(lists.AppendNull());
  return lists.Finish();
}

namespace {

Result<ArrayPtr> Valid(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  Documents documents(args[0]);
  return RunRowTest(ctx, rows, [&](int64_t row) {
    ondemand::document document;
    return documents.Open(documents.Text(row), &document) == SUCCESS && IsWhole(document);
  });
}

template <bool kText>
constexpr Overload kExtractForm[] = {
    {.args = kArgs<kString, kString>, .scalar = Extract<kText>, .result_of_literals = ExtractType},
    {.args = kArgs<kString, kInt64>, .scalar = Extract<kText>, .result_of_literals = ExtractType},
};
template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kPartForm[] = {
    {.args = kArgs<kString>, .result = kResult, .scalar = kKernel},
    {.args = kArgs<kString, kString>, .result = kResult, .scalar = kKernel},
};
constexpr Overload kExistsForm[] = {
    {.args = kArgs<kString, kString>, .result = BooleanType, .scalar = Exists},
};
constexpr Overload kValidForm[] = {
    {.args = kArgs<kString>, .result = BooleanType, .scalar = Valid},
};

constexpr Example kExtractExamples[] = {
    {R"(json_extract('{"a": [1, {"b": "x"}]}', '$.a[1]'))", R"({"b":"x"})"},
    {R"('{"a": 1.50}' -> 'a')", "1.50"},
    {R"(json_extract('[1, 2, 3]', -1))", "3"},
    {R"(json_extract('[{"a": 1}, {"a": 2}]', '$[*].a'))", "['1', '2']"},
    {R"(json_extract('{"a": null}', '$.a'))", "null"},
    {R"(json_extract('{"a": 1}', '$.b'))", "NULL"}};
constexpr Example kExtractTextExamples[] = {
    {R"(json_extract_string('{"a": "x\ny"}', '$.a') = chr(120) || chr(10) || chr(121))", "true"},
    {R"('{"a": {"b": "x"}}' ->> '/a/b')", "x"},
    {R"(json_extract_string('{"a": null}', 'a'))", "NULL"}};
constexpr Example kLengthExamples[] = {{"json_array_length('[1, [2, 3]]')", "2"},
                                       {R"(json_array_length('{"a": [1]}', '$.a'))", "1"},
                                       {"json_array_length('{}')", "0"},
                                       {"json_array_length(NULL)", "NULL"}};
constexpr Example kTypeExamples[] = {{"json_type('[1]')", "ARRAY"},
                                     {R"(json_type('{"a": 1.5}', 'a'))", "DOUBLE"},
                                     {"json_type('null')", "NULL"},
                                     {"json_type('{}', 'a')", "NULL"}};
constexpr Example kKeysExamples[] = {{R"(json_keys('{"b": 1, "a": 2}'))", "['b', 'a']"},
                                     {"json_keys('[]')", "[]"},
                                     {"json_keys(NULL)", "NULL"}};
constexpr Example kExistsExamples[] = {{R"(json_exists('{"a": null}', '$.a'))", "true"},
                                       {R"(json_exists('{"a": null}', '$.b'))", "false"},
                                       {"json_exists(NULL, '$.a')", "NULL"}};
constexpr Example kValidExamples[] = {{R"(json_valid('{"a": [1, 2]}'))", "true"},
                                      {"json_valid('[1, 2')", "false"},
                                      {"json_valid(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kJsonExtract) = {
    .id = "json_extract",
    .names = {.sql = "json_extract|json_extract_path|->"},
    .overloads = kExtractForm<false>,
    .arguments = "x, path",
    .doc =
        "The value at a path in JSON text, as JSON without blanks; null when there is none. Paths "
        "are $.key[0].\"other key\", also with places from the end ([-1]) or as keys (.0), a "
        "pointer /key/0, a bare key, or a place in an array, from 0. With .* or [*] in a constant "
        "path the result is a "
        "list. Text that is no JSON is an error, as far as it is read: up to the value.",
    .examples = kExtractExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonExtractString) = {
    .id = "json_extract_string",
    .names = {.sql = "json_extract_string|json_extract_path_text|->>"},
    .overloads = kExtractForm<true>,
    .arguments = "x, path",
    .doc =
        "The value at a path in JSON text, as json_extract, but strings without quotes and escapes "
        "and null as null.",
    .examples = kExtractTextExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonArrayLength) = {
    .id = "json_array_length",
    .names = {.sql = "json_array_length"},
    .overloads = kPartForm<JsonArrayLength, Int64Type>,
    .arguments = "x, path",
    .doc =
        "How many items a JSON array has, 0 of what is no array; null when there is nothing at the "
        "path.",
    .examples = kLengthExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonType) = {
    .id = "json_type",
    .names = {.sql = "json_type"},
    .overloads = kPartForm<Type, StringType>,
    .arguments = "x, path",
    .doc =
        "The type of a JSON value: OBJECT, ARRAY, VARCHAR, UBIGINT, BIGINT (below zero), DOUBLE, "
        "BOOLEAN or NULL; null when there is nothing at the path.",
    .examples = kTypeExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonKeys) = {
    .id = "json_keys",
    .names = {.sql = "json_keys"},
    .overloads = kPartForm<JsonKeys, ListOfStringType>,
    .arguments = "x, path",
    .doc = "The keys of a JSON object in their order; none of what is no object.",
    .examples = kKeysExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonExists) = {
    .id = "json_exists",
    .names = {.sql = "json_exists"},
    .overloads = kExistsForm,
    .arguments = "x, path",
    .doc = "Whether JSON text has a value at a path, null included.",
    .examples = kExistsExamples,
};

HEADRACE_DEFINE_FUNCTION(kJsonValid) = {
    .id = "json_valid",
    .names = {.sql = "json_valid"},
    .overloads = kValidForm,
    .arguments = "x",
    .doc = "Whether text is JSON, all of it.",
    .examples = kValidExamples,
};

}  // namespace headrace
