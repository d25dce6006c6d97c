// Errors with a caret.
#include "headrace/sql/caret.h"

#include <algorithm>
#include <string>

namespace headrace::sql {
namespace {

constexpr int64_t kShownWhole = 100;  // characters of a line that is shown as it is
constexpr int64_t kShownBefore = 60;  // of a longer one, before the caret and after
constexpr int64_t kShownAfter = 30;

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), StartsCharacter);
}

/// Moves `place` by `characters`, staying inside `text`.
size_t Step(std::string_view text, size_t place, int64_t characters) {
  const bool back = characters < 0;
  for (int64_t left = std::abs(characters); left > 0 && place != (back ? 0 : text.size()); --left) {
    place = back ? place - 1 : place + 1;
    while (place > 0 && place < text.size() && !StartsCharacter(text[place])) {
      place = back ? place - 1 : place + 1;
    }
  }
  return place;
}

std::string WithoutTabs(std::string_view text) {
  std::string plain(text);
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return plain;
}

/// Other systems take "x" for a text where no column is called x.
std::string AdviceOnQuotes(const Status& status, std::string_view from) {
  const size_t end = from.starts_with('"') ? from.find('"', 1) : std::string_view::npos;
  if (KindOf(status) != ErrorKind::kUnknownName || end == std::string_view::npos) return "";
  return fmt::format("; a text goes in single quotes: '{}'", from.substr(1, end - 1));
}

}  // namespace

Status WithCaret(const Status& status, std::string_view text, int64_t first_line) {
  const std::optional<TextSpan> span = SpanOf(status);
  if (status.ok() || !span.has_value()) return status;
  const size_t place = std::min(static_cast<size_t>(span->begin), text.size());
  const size_t line_break = text.substr(0, place).rfind('\n');
  const size_t line_begin = line_break == std::string_view::npos ? 0 : line_break + 1;
  const size_t line_end = std::min(text.find('\n', place), text.size());
  const std::string_view line = text.substr(line_begin, line_end - line_begin);

  const size_t caret = place - line_begin;
  const bool is_short = CountCharacters(line) <= kShownWhole;
  const size_t from = is_short ? 0 : Step(line, caret, -kShownBefore);
  const size_t to = is_short ? line.size() : Step(line, caret, kShownAfter);
  const int64_t number =
      first_line + std::count(text.begin(), text.begin() + static_cast<int64_t>(place), '\n');
  const std::string head = fmt::format("  line {}: {}", number, from > 0 ? "..." : "");
  const auto indent =
      static_cast<int64_t>(head.size()) + CountCharacters(line.substr(from, caret - from));
  return MakeError(KindOf(status), fmt::format("{}{}\n{}{}{}\n{:{}}^", status.message(),
                                               AdviceOnQuotes(status, text.substr(place)), head,
                                               WithoutTabs(line.substr(from, to - from)),
                                               to < line.size() ? "..." : "", "", indent));
}

}  // namespace headrace::sql
