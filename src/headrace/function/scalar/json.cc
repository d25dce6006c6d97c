// JSON in text: values by path, read on demand with simdjson. What stands behind the value that is
// asked for is not read, so not checked; json_valid reads all.
#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/json_path.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

using enum ArgPattern;
namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

/// Texts of a column as documents; one at a time.
class Documents {
 public:
  explicit Documents(const Argument& arg) : texts_(arg) {
    const auto& buffer = arg.array->data()->buffers[2];
    if (buffer != nullptr) end_ = reinterpret_cast<const char*>(buffer->data()) + buffer->size();
  }

  std::string_view Text(int64_t row) const { return texts_[row]; }

  /// The padding that the parser reads past a text is there, or the text is copied.
  error_code Open(std::string_view text, ondemand::document* document) {
    const auto padding = static_cast<int64_t>(simdjson::SIMDJSON_PADDING);
    if (end_ - (text.data() + text.size()) >= padding) {
      return parser_.iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING)
          .get(*document);
    }
    padded_.assign(text);
    padded_.resize(text.size() + simdjson::SIMDJSON_PADDING);
    return parser_.iterate(padded_.data(), text.size(), padded_.size()).get(*document);
  }

  Status Broken(std::string_view text, error_code error) const {
    constexpr size_t kShownMax = 60;
    return Error(ErrorKind::kBadData, "expected JSON ({}), got '{}{}'",
                 simdjson::error_message(error), text.substr(0, kShownMax),
                 text.size() > kShownMax ? "…" : "");
  }

 private:
  BytesView texts_;
  const char* end_ = nullptr;
  ondemand::parser parser_;
  std::string padded_;
};

bool IsAbsent(error_code error) {
  return error == simdjson::NO_SUCH_FIELD || error == simdjson::INDEX_OUT_OF_BOUNDS ||
         error == simdjson::INCORRECT_TYPE;
}

// ---- walking ----

using Steps = std::span<const JsonStep>;

/// `visit` gets every value that `steps` lead to from `at`, an array, object or value.
template <typename At, typename Visit>
error_code Walk(At& at, Steps steps, const Visit& visit);

template <typename Found, typename Visit>
error_code WalkOn(Found&& found, Steps steps, const Visit& visit) {
  ondemand::value value;
  if (const error_code error = std::forward<Found>(found).get(value)) return error;
  if (steps.empty()) return visit(value);
  return Walk(value, steps, visit);
}

template <typename Visit>
error_code WalkField(ondemand::object& object, Steps steps, const Visit& visit) {
  const JsonStep& step = steps.front();
  if (step.is_plain) {
    return WalkOn(object.find_field_unordered(step.key), steps.subspan(1), visit);
  }
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    if (key == step.key) return WalkOn(field.value(), steps.subspan(1), visit);
  }
  return simdjson::NO_SUCH_FIELD;
}

template <typename Visit>
error_code WalkElement(ondemand::array& array, Steps steps, const Visit& visit) {
  int64_t place = steps.front().place;
  if (place < 0) {
    size_t count = 0;
    if (const error_code error = array.count_elements().get(count)) return error;
    place += static_cast<int64_t>(count);
    if (place < 0) return simdjson::INDEX_OUT_OF_BOUNDS;
  }
  return WalkOn(array.at(static_cast<size_t>(place)), steps.subspan(1), visit);
}

template <typename Visit>
error_code WalkEvery(ondemand::object& object, Steps steps, const Visit& visit) {
  for (auto field : object) {
    const error_code error = WalkOn(field.value(), steps.subspan(1), visit);
    if (error != SUCCESS && !IsAbsent(error)) return error;
  }
  return SUCCESS;
}

template <typename Visit>
error_code WalkEvery(ondemand::array& array, Steps steps, const Visit& visit) {
  for (auto element : array) {
    const error_code error = WalkOn(element, steps.subspan(1), visit);
    if (error != SUCCESS && !IsAbsent(error)) return error;
  }
  return SUCCESS;
}

template <typename At, typename Visit>
error_code Walk(At& at, Steps steps, const Visit& visit) {
  using Kind = JsonStep::Kind;
  ondemand::json_type type;
  if (const error_code error = at.type().get(type)) return error;
  const Kind kind = steps.front().kind;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (const error_code error = at.get_object().get(object)) return error;
    if (kind == Kind::kEveryKey) return WalkEvery(object, steps, visit);
    if (kind == Kind::kKey || kind == Kind::kKeyOrPlace) return WalkField(object, steps, visit);
    return simdjson::NO_SUCH_FIELD;
  }
  if (type != ondemand::json_type::array) return simdjson::NO_SUCH_FIELD;
  ondemand::array array;
  if (const error_code error = at.get_array().get(array)) return error;
  if (kind == Kind::kEveryPlace) return WalkEvery(array, steps, visit);
  if (kind == Kind::kPlace || kind == Kind::kKeyOrPlace) return WalkElement(array, steps, visit);
  return simdjson::INDEX_OUT_OF_BOUNDS;
}

/// Calls `visit` with the values at `path`: documents have the calls of values.
template <typename Visit>
error_code Find(Documents& documents, std::string_view text, const JsonPath& path,
                const Visit& visit) {
  ondemand::document document;
  if (const error_code error = documents.Open(text, &document)) return error;
  return path.steps.empty() ? visit(document) : Walk(document, Steps(path.steps), visit);
}

// ---- values ----

bool IsNumber(std::string_view token) {
  size_t i = token.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < token.size() && token[i] >= '0' && token[i] <= '9') ++i;
    return i - begin;
  };
  const bool leading_zero = i < token.size() && token[i] == '0';
  const size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return false;
  if (i < token.size() && token[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < token.size() && (token[i] == 'e' || token[i] == 'E')) {
    ++i;
    if (i < token.size() && (token[i] == '+' || token[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == token.size();
}

std::string_view Trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

/// Whether a token that is no text, object or array is what JSON has.
bool IsPlainToken(std::string_view token) {
  return token == "null" || token == "true" || token == "false" || IsNumber(token);
}

/// The JSON of a value without blanks; numbers as they were written.
template <typename At>
error_code AppendJson(At& at, std::string* out) {
  std::string_view json;
  if (const error_code error = simdjson::to_json_string(at).get(json)) return error;
  json = Trimmed(json);
  const char first = json.empty() ? ' ' : json.front();
  if (first != '{' && first != '[') {
    if (first != '"' && !IsPlainToken(json)) return simdjson::TAPE_ERROR;
    out->append(json);
    return SUCCESS;
  }
  const size_t begin = out->size();
  out->resize(begin + json.size() + simdjson::SIMDJSON_PADDING);
  size_t size = 0;
  const error_code error = simdjson::minify(json.data(), json.size(), out->data() + begin, size);
  out->resize(begin + (error == SUCCESS ? size : 0));
  return error;
}

/// The text of a value: of a string its own, of the others their JSON. `is_null`: it is null.
template <typename At>
error_code AppendText(At& at, std::string* out, bool* is_null) {
  ondemand::json_type type;
  if (const error_code error = at.type().get(type)) return error;
  *is_null = type == ondemand::json_type::null;
  if (type != ondemand::json_type::string) return AppendJson(at, out);
  std::string_view text;
  if (const error_code error = at.get_string().get(text)) return error;
  out->append(text);
  return SUCCESS;
}

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

// ---- kernels ----

/// The path of each row: text, or a place in an array.
class Paths {
 public:
  explicit Paths(std::span<const Argument> args) : has_path_(args.size() > 1) {
    if (!has_path_) return;
    if (args[1].array->type_id() == arrow::Type::INT64) {
      places_.emplace(args[1]);
    } else {
      texts_.emplace(args[1]);
    }
  }

  Result<const JsonPath*> At(int64_t row) {
    if (!has_path_) return &path_;
    if (places_.has_value()) {
      path_.steps.resize(1);
      path_.steps[0].kind = JsonStep::Kind::kPlace;
      path_.steps[0].place = (*places_)[row];
      return &path_;
    }
    const std::string_view text = (*texts_)[row];
    if (!text_.has_value() || *text_ != text) {
      text_ = text;
      ARROW_ASSIGN_OR_RAISE(path_, ParseJsonPath(text));
    }
    return &path_;
  }

 private:
  bool has_path_;
  std::optional<View<int64_t>> places_;
  std::optional<BytesView> texts_;
  std::optional<std::string> text_;
  JsonPath path_;
};

bool IsValid(std::span<const Argument> args, int64_t row) {
  for (const Argument& arg : args) {
    if (!arg.array->IsValid(arg.is_constant ? 0 : row)) return false;
  }
  return true;
}

/// `visit(at)` for the value of every active row without nulls; `end(found)` ends the row.
template <typename Visit, typename End>
Status ForEachFound(std::span<const Argument> args, const Rows& rows, const Visit& visit,
                    const End& end) {
  Documents documents(args[0]);
  Paths paths(args);
  return ForEachActive(rows, [&](int64_t row) -> Status {
    if (!IsValid(args, row)) return end(row, false);
    ARROW_ASSIGN_OR_RAISE(const JsonPath* path, paths.At(row));
    const std::string_view text = documents.Text(row);
    const error_code error = Find(documents, text, *path, visit);
    if (error != SUCCESS && !IsAbsent(error)) return documents.Broken(text, error);
    return end(row, error == SUCCESS);
  });
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

Result<ArrayPtr> ArrayLength(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
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

/// The keys of objects; of other values none.
Result<ArrayPtr> Keys(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
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
        "are $.key[0].\"other key\", also with places from the end ([-1]), a pointer /key/0, a "
        "bare "
        "key, or a place in an array, from 0. With .* or [*] in a constant path the result is a "
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
    .overloads = kPartForm<ArrayLength, Int64Type>,
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
    .overloads = kPartForm<Keys, ListOfStringType>,
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
