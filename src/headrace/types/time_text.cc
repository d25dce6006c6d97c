// Two digits at a time, from a table; what has more digits than usual is left to fmt.
#include "headrace/types/time_text.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "arrow/type.h"
#include "headrace/types/calendar.h"

namespace headrace {
namespace {

constexpr std::array<char, 200> kPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

/// A number below 100.
char* WritePair(uint32_t number, char* out) {
  std::memcpy(out, kPairs.data() + size_t{2} * number, 2);
  return out + 2;
}

/// Without the zeros at the end; `nanos` above zero.
char* WriteFraction(uint32_t nanos, char* out) {
  *out++ = '.';
  *out = static_cast<char>('0' + nanos / 100'000'000);
  const uint32_t low = nanos % 100'000'000;
  WritePair(low / 1'000'000, out + 1);
  WritePair(low / 10'000 % 100, out + 3);
  WritePair(low / 100 % 100, out + 5);
  WritePair(low % 100, out + 7);
  out += 9;
  while (out[-1] == '0') --out;
  return out;
}

char* WriteClock(int64_t seconds, uint32_t nanos, char* out) {
  constexpr int64_t kHundredHours = 360'000;
  if (seconds >= 0 && seconds < kHundredHours) [[likely]] {
    const auto rest = static_cast<uint32_t>(seconds);
    out = WritePair(rest / 3'600, out);
    *out++ = ':';
    out = WritePair(rest / 60 % 60, out);
    *out++ = ':';
    out = WritePair(rest % 60, out);
  } else {
    out =
        fmt::format_to(out, "{:02}:{:02}:{:02}", seconds / 3'600, seconds / 60 % 60, seconds % 60);
  }
  return nanos == 0 ? out : WriteFraction(nanos, out);
}

/// Calls `write` with the ticks per second of `unit` as a constant of the compiler.
template <typename Write>
char* WithUnit(arrow::TimeUnit::type unit, Write&& write) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return write(std::integral_constant<int64_t, 1>());
    case arrow::TimeUnit::MILLI:
      return write(std::integral_constant<int64_t, 1'000>());
    case arrow::TimeUnit::MICRO:
      return write(std::integral_constant<int64_t, 1'000'000>());
    default:
      return write(std::integral_constant<int64_t, kNanosPerSecond>());
  }
}

}  // namespace

char* WriteDate(int64_t days_since_1970, char* out) {
  const CivilDate date = DateOfDays(days_since_1970);
  if (date.year >= 0 && date.year <= 9'999) [[likely]] {
    const auto year = static_cast<uint32_t>(date.year);
    out = WritePair(year % 100, WritePair(year / 100, out));
  } else {
    out = fmt::format_to(out, "{:04}", date.year);
  }
  *out++ = '-';
  out = WritePair(static_cast<uint32_t>(date.month), out);
  *out++ = '-';
  return WritePair(static_cast<uint32_t>(date.day), out);
}

char* WriteTimeOfDay(int64_t ticks, arrow::TimeUnit::type unit, char* out) {
  return WithUnit(unit, [&](auto per_second) {
    const int64_t seconds = FloorDivide(ticks, per_second());
    const int64_t nanos =
        FloorRest(ticks, seconds, per_second()) * (kNanosPerSecond / per_second());
    return WriteClock(seconds, static_cast<uint32_t>(nanos), out);
  });
}

char* WriteTimestamp(int64_t ticks, arrow::TimeUnit::type unit, char* out) {
  return WithUnit(unit, [&](auto per_second) {
    const int64_t seconds = FloorDivide(ticks, per_second());
    const int64_t nanos =
        FloorRest(ticks, seconds, per_second()) * (kNanosPerSecond / per_second());
    const int64_t days = FloorDivide(seconds, kSecondsPerDay);
    out = WriteDate(days, out);
    *out++ = ' ';
    return WriteClock(FloorRest(seconds, days, kSecondsPerDay), static_cast<uint32_t>(nanos), out);
  });
}

}  // namespace headrace
