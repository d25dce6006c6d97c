// Parts of dates and times: years, ISO weeks, milliseconds …; how to read, cut and count them. In
// the header, so that loops over one part hold only what it needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "headrace/function/civil_time.h"

namespace headrace {

enum class DatePart : uint8_t {
  kEra,
  kMillennium,
  kCentury,
  kDecade,
  kYear,
  kIsoYear,
  kQuarter,
  kMonth,
  kWeek,
  kYearWeek,
  kDay,
  kDayOfWeek,
  kIsoDayOfWeek,
  kDayOfYear,
  kHour,
  kMinute,
  kSecond,
  kMillisecond,
  kMicrosecond,
  kNanosecond,
  kEpoch,
  kJulian,
};

/// By any of its names, in any case; kInvalidArgument for what is none.
Result<DatePart> DatePartOf(std::string_view name);
namespace date_part {

/// 1 for the years 1 to `span`, and on; before the year 1 downwards from −1.
inline int64_t NumberedYears(int64_t year, int64_t span) {
  return year > 0 ? (year - 1) / span + 1 : year / span - 1;
}

inline int64_t NanosOfMinute(const CivilTime& time) { return time.nanos % (60 * kNanosPerSecond); }

/// Nanoseconds of the parts that are spans of fixed length; 0 of the others.
inline int64_t NanosOf(DatePart part) {
  switch (part) {
    case DatePart::kWeek:
    case DatePart::kYearWeek:
      return 7 * kNanosPerDay;
    case DatePart::kDay:
    case DatePart::kDayOfWeek:
    case DatePart::kIsoDayOfWeek:
    case DatePart::kDayOfYear:
      return kNanosPerDay;
    case DatePart::kHour:
      return 3'600 * kNanosPerSecond;
    case DatePart::kMinute:
      return 60 * kNanosPerSecond;
    case DatePart::kSecond:
    case DatePart::kEpoch:
      return kNanosPerSecond;
    case DatePart::kMillisecond:
      return 1'000'000;
    case DatePart::kMicrosecond:
      return 1'000;
    case DatePart::kNanosecond:
      return 1;
    default:
      return 0;
  }
}

/// Months of the parts that are.
inline int64_t MonthsOf(DatePart part) {
  switch (part) {
    case DatePart::kMillennium:
      return 12'000;
    case DatePart::kCentury:
      return 1'200;
    case DatePart::kDecade:
      return 120;
    case DatePart::kYear:
    case DatePart::kIsoYear:
      return 12;
    case DatePart::kQuarter:
      return 3;
    case DatePart::kMonth:
      return 1;
    default:
      return 0;
  }
}

inline std::optional<int64_t> NarrowCount(__int128 count) {
  const auto narrow = static_cast<int64_t>(count);
  if (narrow != count) return std::nullopt;
  return narrow;
}

}  // namespace date_part

inline bool IsFractional(DatePart part) {
  return part == DatePart::kEpoch || part == DatePart::kJulian;
}

/// kEpoch and kJulian, with fractions.
inline double ReadFractionalPart(DatePart part, const CivilTime& time) {
  if (part == DatePart::kEpoch) {
    const __int128 nanos = static_cast<__int128>(time.days) * kNanosPerDay + time.nanos;
    return static_cast<double>(static_cast<long double>(nanos) / 1e9L);
  }
  constexpr int64_t kJulianDayOfEpoch = 2'440'588;
  return static_cast<double>(time.days + kJulianDayOfEpoch) +
         static_cast<double>(time.nanos) / static_cast<double>(kNanosPerDay);
}

/// Whether the date alone says the part.
constexpr bool IsOfDate(DatePart part) { return part < DatePart::kHour; }

/// The number of the part: seconds are whole, milli-, micro- and nanoseconds count from the minute.
/// `date` is that of the time.
inline int64_t ReadPart(DatePart part, const CivilTime& time, const CivilDate& date) {
  switch (part) {
    case DatePart::kEra:
      return date.year > 0 ? 1 : 0;
    case DatePart::kMillennium:
      return date_part::NumberedYears(date.year, 1'000);
    case DatePart::kCentury:
      return date_part::NumberedYears(date.year, 100);
    case DatePart::kDecade:
      return date.year / 10;
    case DatePart::kYear:
      return date.year;
    case DatePart::kIsoYear:
      return IsoWeekOf(time.days).year;
    case DatePart::kQuarter:
      return (date.month + 2) / 3;
    case DatePart::kMonth:
      return date.month;
    case DatePart::kWeek:
      return IsoWeekOf(time.days).week;
    case DatePart::kYearWeek: {
      const IsoWeek week = IsoWeekOf(time.days);
      return week.year * 100 + (week.year > 0 ? week.week : -week.week);
    }
    case DatePart::kDay:
      return date.day;
    case DatePart::kDayOfWeek:
      return WeekdayOf(time.days);
    case DatePart::kIsoDayOfWeek:
      return (WeekdayOf(time.days) + 6) % 7 + 1;
    case DatePart::kDayOfYear:
      return time.days - DaysOfDate(date.year, 1, 1) + 1;
    case DatePart::kHour:
      return time.nanos / (3'600 * kNanosPerSecond);
    case DatePart::kMinute:
      return time.nanos / (60 * kNanosPerSecond) % 60;
    case DatePart::kSecond:
      return date_part::NanosOfMinute(time) / kNanosPerSecond;
    case DatePart::kMillisecond:
      return date_part::NanosOfMinute(time) / 1'000'000;
    case DatePart::kMicrosecond:
      return date_part::NanosOfMinute(time) / 1'000;
    case DatePart::kNanosecond:
      return date_part::NanosOfMinute(time);
    case DatePart::kEpoch:
    case DatePart::kJulian:
      return static_cast<int64_t>(ReadFractionalPart(part, time));
  }
  return 0;
}

inline int64_t ReadPart(DatePart part, const CivilTime& time) {
  return ReadPart(part, time, DateOfDays(time.days));
}

/// Ticks of a part of fixed length that is at least one tick; 0 of the others.
inline int64_t TicksOf(DatePart part, int64_t ticks_per_second) {
  return date_part::NanosOf(part) / (kNanosPerSecond / ticks_per_second);
}
/// Whether the begins of a part of fixed length are multiples of it since 1970: not of weeks.
inline bool BeginsAtMultiples(DatePart part) { return date_part::NanosOf(part) <= kNanosPerDay; }

/// The begin of the period that holds `time`; nothing when the part has no begin.
inline std::optional<CivilTime> CutToPart(DatePart part, const CivilTime& time) {
  const CivilDate date = DateOfDays(time.days);
  const auto year = [&](int64_t span) {
    return CivilTime{DaysOfDate(date.year / span * span, 1, 1), 0};
  };
  switch (part) {
    case DatePart::kMillennium:
      return year(1'000);
    case DatePart::kCentury:
      return year(100);
    case DatePart::kDecade:
      return year(10);
    case DatePart::kYear:
      return year(1);
    case DatePart::kIsoYear:
      return CivilTime{MondayOf(DaysOfDate(IsoWeekOf(time.days).year, 1, 4)), 0};
    case DatePart::kQuarter:
      return CivilTime{DaysOfDate(date.year, (date.month - 1) / 3 * 3 + 1, 1), 0};
    case DatePart::kMonth:
      return CivilTime{time.days - date.day + 1, 0};
    case DatePart::kWeek:
    case DatePart::kYearWeek:
      return CivilTime{MondayOf(time.days), 0};
    case DatePart::kEra:
    case DatePart::kJulian:
      return std::nullopt;
    default: {
      const int64_t nanos = std::min(date_part::NanosOf(part), kNanosPerDay);
      return CivilTime{time.days, time.nanos / nanos * nanos};
    }
  }
}

/// How many begins of the part lie between two times, less than zero backwards.
inline std::optional<int64_t> CountBegins(DatePart part, const CivilTime& from,
                                          const CivilTime& to) {
  const CivilDate a = DateOfDays(from.days);
  const CivilDate b = DateOfDays(to.days);
  const int64_t months = date_part::MonthsOf(part);
  if (part == DatePart::kIsoYear) return IsoWeekOf(to.days).year - IsoWeekOf(from.days).year;
  if (part == DatePart::kQuarter) {
    return (b.year * 4 + (b.month - 1) / 3) - (a.year * 4 + (a.month - 1) / 3);
  }
  if (months == 1) return (b.year - a.year) * 12 + b.month - a.month;
  if (months > 0) return b.year / (months / 12) - a.year / (months / 12);
  const int64_t nanos = date_part::NanosOf(part);
  if (nanos == 0) return std::nullopt;
  if (nanos == 7 * kNanosPerDay) return WeekNumberOf(to.days) - WeekNumberOf(from.days);
  const auto begins = [&](const CivilTime& time) {
    return static_cast<__int128>(time.days) * (kNanosPerDay / nanos) + time.nanos / nanos;
  };
  return date_part::NarrowCount(begins(to) - begins(from));
}

/// How many whole periods lie between two times.
std::optional<int64_t> CountWhole(DatePart part, const CivilTime& from, const CivilTime& to);

/// Calls `visit` with the part as a constant of the compiler.
template <typename Visit>
auto VisitPart(DatePart part, Visit&& visit) {
  switch (part) {
#define HEADRACE_PART(name) \
  case DatePart::name:      \
    return visit(std::integral_constant<DatePart, DatePart::name>())
    HEADRACE_PART(kEra);
    HEADRACE_PART(kMillennium);
    HEADRACE_PART(kCentury);
    HEADRACE_PART(kDecade);
    HEADRACE_PART(kYear);
    HEADRACE_PART(kIsoYear);
    HEADRACE_PART(kQuarter);
    HEADRACE_PART(kMonth);
    HEADRACE_PART(kWeek);
    HEADRACE_PART(kYearWeek);
    HEADRACE_PART(kDay);
    HEADRACE_PART(kDayOfWeek);
    HEADRACE_PART(kIsoDayOfWeek);
    HEADRACE_PART(kDayOfYear);
    HEADRACE_PART(kHour);
    HEADRACE_PART(kMinute);
    HEADRACE_PART(kSecond);
    HEADRACE_PART(kMillisecond);
    HEADRACE_PART(kMicrosecond);
    HEADRACE_PART(kNanosecond);
    HEADRACE_PART(kEpoch);
    HEADRACE_PART(kJulian);
#undef HEADRACE_PART
  }
  return visit(std::integral_constant<DatePart, DatePart::kEra>());
}

}  // namespace headrace
