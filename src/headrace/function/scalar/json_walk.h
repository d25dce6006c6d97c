// Walking JSON text by path, on demand: what stands behind the value that is asked for is not read,
// so not checked.
#pragma once

#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/type.h"
#include "headrace/function/json_path.h"
#include "headrace/function/loop.h"

namespace headrace::json_walk {

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

inline bool IsAbsent(error_code error) {
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

inline bool IsNumber(std::string_view token) {
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

inline std::string_view Trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

/// Whether a token that is no text, object or array is what JSON has.
inline bool IsPlainToken(std::string_view token) {
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

// ---- rows ----

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

inline bool HasAll(std::span<const Argument> args, int64_t row) {
  for (const Argument& arg : args) {
    if (!arg.array->IsValid(arg.is_constant ? 0 : row)) return false;
  }
  return true;
}

/// What becomes of text that is no JSON.
enum class OnBroken : uint8_t { kFail, kAbsent };

/// `visit(at)` for the value of every active row without nulls; `end(row, found)` ends the row.
template <OnBroken kOnBroken = OnBroken::kFail, typename Visit, typename End>
Status ForEachFound(std::span<const Argument> args, const Rows& rows, const Visit& visit,
                    const End& end) {
  Documents documents(args[0]);
  Paths paths(args);
  return ForEachActive(rows, [&](int64_t row) -> Status {
    if (!HasAll(args, row)) return end(row, false);
    ARROW_ASSIGN_OR_RAISE(const JsonPath* path, paths.At(row));
    const std::string_view text = documents.Text(row);
    const error_code error = Find(documents, text, *path, visit);
    if (kOnBroken == OnBroken::kFail && error != SUCCESS && !IsAbsent(error)) {
      return documents.Broken(text, error);
    }
    return end(row, error == SUCCESS);
  });
}

}  // namespace headrace::json_walk
