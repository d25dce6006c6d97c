// A small reader of its own: options are texts that no lexer of SQL has seen.
#include "headrace/sql/duration.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "headrace/base/ascii_case.h"

namespace headrace::sql {
namespace {

constexpr int64_t kMillis = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;

constexpr std::array<std::pair<std::string_view, int64_t>, 20> kUnits = {
    {{"us", 1},          {"microsecond", 1}, {"ms", kMillis},     {"millisecond", kMillis},
     {"milli", kMillis}, {"s", kSecond},     {"sec", kSecond},    {"second", kSecond},
     {"m", kMinute},     {"min", kMinute},   {"minute", kMinute}, {"h", kHour},
     {"hr", kHour},      {"hour", kHour},    {"d", kDay},         {"day", kDay},
     {"w", 7 * kDay},    {"week", 7 * kDay}, {"\xc2\xb5s", 1},    {"\xce\xbcs", 1}}};

std::optional<int64_t> MicrosOfUnit(std::string_view word) {
  for (const auto& [name, micros] : kUnits) {
    const bool plural =
        name.size() > 2 && word.size() == name.size() + 1 && (word.back() | 0x20) == 's';
    if (EqualsIgnoringCase(plural ? word.substr(0, name.size()) : word, name)) return micros;
  }
  return std::nullopt;
}

bool IsBetween(char c) { return c == ' ' || c == ',' || c == '\'' || c == '\t'; }
bool IsOfNumber(char c) { return (c >= '0' && c <= '9') || c == '.'; }

/// Characters of `text` from `place` for which `is` holds; moves `place` behind them.
template <typename Is>
std::string_view TakeWhile(std::string_view text, size_t* place, Is is) {
  const size_t begin = *place;
  while (*place < text.size() && is(text[*place])) ++*place;
  return text.substr(begin, *place - begin);
}

/// Adds `count` units; false where that is not whole or does not fit.
bool AddUnits(std::string_view count, int64_t unit, int64_t* micros) {
  double number = 0;
  const auto [stop, failure] = std::from_chars(count.data(), count.data() + count.size(), number);
  if (failure != std::errc() || stop != count.data() + count.size()) return false;
  const double product = number * static_cast<double>(unit);
  if (!(product < 9e15) || product != static_cast<double>(static_cast<int64_t>(product))) {
    return false;
  }
  *micros += static_cast<int64_t>(product);
  return *micros < int64_t{9'000'000'000'000'000};
}

}  // namespace

std::optional<int64_t> ReadDuration(std::string_view text) {
  size_t place = 0;
  int64_t micros = 0;
  bool any = false;
  TakeWhile(text, &place, IsBetween);
  constexpr std::string_view kInterval = "interval";
  if (EqualsIgnoringCase(text.substr(place, kInterval.size()), kInterval)) {
    place += kInterval.size();
  }
  for (TakeWhile(text, &place, IsBetween); place < text.size();
       TakeWhile(text, &place, IsBetween)) {
    const std::string_view count = TakeWhile(text, &place, IsOfNumber);
    TakeWhile(text, &place, IsBetween);
    const std::string_view word =
        TakeWhile(text, &place, [](char c) { return !IsBetween(c) && !IsOfNumber(c); });
    const std::optional<int64_t> unit = word.empty() ? kSecond : MicrosOfUnit(word);
    if (!unit.has_value() || !AddUnits(count, *unit, &micros)) return std::nullopt;
    any = true;
  }
  return any ? std::optional<int64_t>(micros) : std::nullopt;
}

}  // namespace headrace::sql
