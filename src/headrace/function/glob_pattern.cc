// Matching from the left; where it fails, the last * takes one code point more.
#include "headrace/function/glob_pattern.h"

#include <optional>

#include "headrace/function/code_points.h"

namespace headrace {
namespace {

/// Whether `point` is one of a set, whose [ is taken off; takes off the set. None: it has no end.
std::optional<bool> TakeSet(std::string_view* pattern, std::string_view point) {
  const bool negated = pattern->starts_with('!');
  if (negated) pattern->remove_prefix(1);
  const int32_t value = FirstPoint(point);
  bool found = false;
  for (bool is_first = true; !pattern->empty(); is_first = false) {
    const std::string_view begin = TakePoint(pattern);
    if (begin == "]" && !is_first) return found != negated;
    std::string_view end = begin;
    if (pattern->size() > 1 && pattern->front() == '-' && (*pattern)[1] != ']') {
      pattern->remove_prefix(1);
      end = TakePoint(pattern);
    }
    found = found || (FirstPoint(begin) <= value && value <= FirstPoint(end));
  }
  return std::nullopt;
}

/// Whether the first code point of `text` fits what `pattern` begins with; takes both off.
/// REQUIRES: the pattern begins with no *.
bool TakeMatch(std::string_view* text, std::string_view* pattern) {
  const std::string_view point = TakePoint(text);
  const std::string_view wanted = TakePoint(pattern);
  if (wanted == "?") return true;
  if (wanted == "[") return TakeSet(pattern, point).value_or(false);
  if (wanted == "\\" && !pattern->empty()) return TakePoint(pattern) == point;
  return wanted == point;
}

}  // namespace

bool MatchesGlob(std::string_view text, std::string_view pattern) {
  std::optional<std::string_view> behind_star;
  std::string_view retried;  // where the last * ends so far
  while (!text.empty() || !pattern.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      behind_star = pattern;
      retried = text;
      continue;
    }
    if (!text.empty() && !pattern.empty() && TakeMatch(&text, &pattern)) continue;
    if (!behind_star.has_value() || retried.empty()) return false;
    TakePoint(&retried);
    text = retried;
    pattern = *behind_star;
  }
  return true;
}

}  // namespace headrace
