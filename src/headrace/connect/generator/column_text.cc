// The text form of generator columns: name kind(arguments), …
#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <span>

#include "headrace/connect/generator/generator.h"

namespace headrace {
namespace {

using Kind = GeneratorColumn::Kind;

struct KindName {
  const char* name;
  Kind kind;
  size_t arguments_max;
  const char* usage;
};

constexpr KindName kKinds[] = {
    {"sequence", Kind::kSequence, 0, "sequence"},
    {"integer", Kind::kInteger, 2, "integer(low, high)"},
    {"double", Kind::kDouble, 2, "double(low, high)"},
    {"key", Kind::kKey, 1, "key(count)"},
    {"one_of", Kind::kOneOf, 1000, "one_of(text, text, …)"},
    {"event_time", Kind::kEventTime, 3, "event_time(start_micros, step_micros, jitter_micros)"},
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

// The front of `*text` up to a comma outside parentheses, which is taken away with it.
std::string_view TakePart(std::string_view* text) {
  int depth = 0;
  size_t end = 0;
  for (; end < text->size() && (depth > 0 || (*text)[end] != ','); ++end) {
    depth += (*text)[end] == '(' ? 1 : (*text)[end] == ')' ? -1 : 0;
  }
  const std::string_view part = Trimmed(text->substr(0, end));
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

// Fills `fields` from the front; missing arguments keep their defaults.
template <typename Number>
bool ParseArguments(std::span<const std::string_view> arguments,
                    std::initializer_list<Number*> fields) {
  auto field = fields.begin();
  for (const std::string_view argument : arguments) {
    if (!ParseNumber(argument, *field++)) return false;
  }
  return true;
}

// Without the quotes around it.
std::string Unquoted(std::string_view text) {
  const bool is_quoted = text.size() > 1 && text.front() == text.back() &&
                         (text.front() == '\'' || text.front() == '"');
  return std::string(is_quoted ? text.substr(1, text.size() - 2) : text);
}

bool SetArguments(std::span<const std::string_view> arguments, GeneratorColumn* column) {
  switch (column->kind) {
    case Kind::kSequence:
      return true;
    case Kind::kInteger:
      return ParseArguments(arguments, {&column->low, &column->high});
    case Kind::kDouble:
      return ParseArguments(arguments, {&column->low_value, &column->high_value});
    case Kind::kKey:
      return ParseArguments(arguments, {&column->keys});
    case Kind::kOneOf:
      for (const std::string_view argument : arguments)
        column->choices.push_back(Unquoted(argument));
      return !column->choices.empty();
    case Kind::kEventTime:
      return ParseArguments(arguments,
                            {&column->start_micros, &column->step_micros, &column->jitter_micros});
  }
  return false;
}

// Nothing when the parentheses do not fit.
std::optional<std::vector<std::string_view>> Arguments(std::string_view text) {
  std::vector<std::string_view> arguments;
  if (text.empty()) return arguments;
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  while (!Trimmed(text).empty()) arguments.push_back(TakePart(&text));
  return arguments;
}

Result<GeneratorColumn> ParseColumn(std::string_view text) {
  const size_t name_end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string_view rest = Trimmed(text.substr(name_end));
  const size_t kind_end = std::min(rest.find_first_of(" (\t"), rest.size());
  const std::string_view kind_name = rest.substr(0, kind_end);
  std::string known;
  for (const KindName& kind : kKinds) {
    known += (known.empty() ? "" : ", ") + std::string(kind.usage);
    if (kind.name != kind_name) continue;
    GeneratorColumn column{.name = std::string(text.substr(0, name_end)), .kind = kind.kind};
    const auto arguments = Arguments(Trimmed(rest.substr(kind_end)));
    if (arguments.has_value() && arguments->size() <= kind.arguments_max &&
        SetArguments(*arguments, &column)) {
      return column;
    }
    return Error(ErrorKind::kInvalidArgument, "generator: expected {}, got '{}'", kind.usage, text);
  }
  return Error(ErrorKind::kInvalidArgument,
               "generator: expected a column 'name kind' where kind is one of {}; got '{}'", known,
               text);
}

}  // namespace

Result<std::vector<GeneratorColumn>> ParseGeneratorColumns(std::string_view text) {
  std::vector<GeneratorColumn> columns;
  while (!Trimmed(text).empty()) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ParseColumn(TakePart(&text)));
  }
  return columns;
}

}  // namespace headrace
