// Parsing of paths.
#include "headrace/function/json_path.h"

#include <algorithm>
#include <charconv>

namespace headrace {
namespace {

bool IsPlainLetter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-' || c == ' ' || c == '.' || c == ':';
}

JsonStep KeyStep(std::string key, JsonStep::Kind kind = JsonStep::Kind::kKey) {
  JsonStep step;
  step.kind = kind;
  step.is_plain = std::all_of(key.begin(), key.end(), IsPlainLetter);
  step.key = std::move(key);
  return step;
}

bool ReadPlace(std::string_view text, int64_t* place) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), *place);
  return failure == std::errc() && end == text.data() + text.size();
}

JsonStep PointerStep(std::string_view token) {
  std::string key;
  for (size_t i = 0; i < token.size(); ++i) {
    const bool escaped = token[i] == '~' && i + 1 < token.size();
    if (escaped && (token[i + 1] == '0' || token[i + 1] == '1')) {
      key += token[++i] == '0' ? '~' : '/';
    } else {
      key += token[i];
    }
  }
  JsonStep step = KeyStep(std::move(key), JsonStep::Kind::kKeyOrPlace);
  if (!ReadPlace(token, &step.place) || step.place < 0) step.kind = JsonStep::Kind::kKey;
  return step;
}

JsonPath ParsePointer(std::string_view text) {
  JsonPath path;
  while (!text.empty()) {
    text.remove_prefix(1);
    const size_t end = std::min(text.find('/'), text.size());
    path.steps.push_back(PointerStep(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return path;
}

/// Reads what follows the $ of a path.
class PathReader {
 public:
  explicit PathReader(std::string_view text) : text_(text), rest_(text.substr(1)) {}

  Result<JsonPath> Read() {
    while (!rest_.empty()) {
      const char sign = rest_.front();
      rest_.remove_prefix(1);
      if (sign != '.' && sign != '[') return Misfit();
      ARROW_RETURN_NOT_OK(sign == '.' ? ReadField() : ReadBrackets());
    }
    return std::move(path_);
  }

 private:
  Status Misfit() const {
    return Error(ErrorKind::kInvalidArgument,
                 "expected a path into JSON such as $.a.b[0], \"key\" or $[*], got '{}'", text_);
  }

  void AddEvery(JsonStep::Kind kind) {
    path_.has_wildcard = true;
    path_.steps.push_back(KeyStep("", kind));
  }

  /// After the opening quote.
  Result<std::string> ReadQuoted(char quote) {
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) return Misfit();
    std::string key(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return key;
  }

  Status ReadField() {
    if (rest_.starts_with('*')) {
      rest_.remove_prefix(1);
      AddEvery(JsonStep::Kind::kEveryKey);
      return Status::OK();
    }
    if (rest_.starts_with('"')) {
      rest_.remove_prefix(1);
      ARROW_ASSIGN_OR_RAISE(std::string key, ReadQuoted('"'));
      path_.steps.push_back(KeyStep(std::move(key)));
      return Status::OK();
    }
    const size_t end = std::min(rest_.find_first_of(".["), rest_.size());
    if (end == 0) return Misfit();
    const std::string_view token = rest_.substr(0, end);
    JsonStep step = KeyStep(std::string(token));
    const bool is_place =
        std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        ReadPlace(token, &step.place);
    if (is_place) step.kind = JsonStep::Kind::kKeyOrPlace;
    path_.steps.push_back(std::move(step));
    rest_.remove_prefix(end);
    return Status::OK();
  }

  Status ReadBrackets() {
    if (rest_.starts_with('"') || rest_.starts_with('\'')) {
      const char quote = rest_.front();
      rest_.remove_prefix(1);
      ARROW_ASSIGN_OR_RAISE(std::string key, ReadQuoted(quote));
      if (!rest_.starts_with(']')) return Misfit();
      rest_.remove_prefix(1);
      path_.steps.push_back(KeyStep(std::move(key)));
      return Status::OK();
    }
    const size_t end = rest_.find(']');
    if (end == std::string_view::npos) return Misfit();
    const std::string_view inside = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (inside == "*") {
      AddEvery(JsonStep::Kind::kEveryPlace);
      return Status::OK();
    }
    JsonStep step = KeyStep("", JsonStep::Kind::kPlace);
    if (!ReadPlace(inside.starts_with('#') ? inside.substr(1) : inside, &step.place)) {
      return Misfit();
    }
    if (inside.starts_with('#') && step.place >= 0) return Misfit();
    path_.steps.push_back(std::move(step));
    return Status::OK();
  }

  std::string_view text_;
  std::string_view rest_;
  JsonPath path_;
};

}  // namespace

Result<JsonPath> ParseJsonPath(std::string_view text) {
  if (text.starts_with('$')) return PathReader(text).Read();
  if (text.starts_with('/')) return ParsePointer(text);
  JsonPath path;
  path.steps.push_back(KeyStep(std::string(text)));
  return path;
}

}  // namespace headrace
