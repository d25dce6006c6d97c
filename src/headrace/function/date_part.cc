// Parts of dates: the table of names, and one switch per question.
#include "headrace/function/date_part.h"

#include <algorithm>
#include <array>
#include <string>

namespace headrace {
namespace {

struct Name {
  std::string_view name;
  DatePart part;
};

constexpr std::array kNames = {
    Name{"era", DatePart::kEra},
    Name{"millennium", DatePart::kMillennium},
    Name{"millenniums", DatePart::kMillennium},
    Name{"millennia", DatePart::kMillennium},
    Name{"mil", DatePart::kMillennium},
    Name{"century", DatePart::kCentury},
    Name{"centuries", DatePart::kCentury},
    Name{"cent", DatePart::kCentury},
    Name{"c", DatePart::kCentury},
    Name{"decade", DatePart::kDecade},
    Name{"decades", DatePart::kDecade},
    Name{"dec", DatePart::kDecade},
    Name{"year", DatePart::kYear},
    Name{"years", DatePart::kYear},
    Name{"yr", DatePart::kYear},
    Name{"y", DatePart::kYear},
    Name{"isoyear", DatePart::kIsoYear},
    Name{"quarter", DatePart::kQuarter},
    Name{"quarters", DatePart::kQuarter},
    Name{"month", DatePart::kMonth},
    Name{"months", DatePart::kMonth},
    Name{"mon", DatePart::kMonth},
    Name{"week", DatePart::kWeek},
    Name{"weeks", DatePart::kWeek},
    Name{"w", DatePart::kWeek},
    Name{"weekofyear", DatePart::kWeek},
    Name{"yearweek", DatePart::kYearWeek},
    Name{"day", DatePart::kDay},
    Name{"days", DatePart::kDay},
    Name{"d", DatePart::kDay},
    Name{"dayofmonth", DatePart::kDay},
    Name{"dow", DatePart::kDayOfWeek},
    Name{"dayofweek", DatePart::kDayOfWeek},
    Name{"weekday", DatePart::kDayOfWeek},
    Name{"isodow", DatePart::kIsoDayOfWeek},
    Name{"doy", DatePart::kDayOfYear},
    Name{"dayofyear", DatePart::kDayOfYear},
    Name{"hour", DatePart::kHour},
    Name{"hours", DatePart::kHour},
    Name{"hr", DatePart::kHour},
    Name{"h", DatePart::kHour},
    Name{"minute", DatePart::kMinute},
    Name{"minutes", DatePart::kMinute},
    Name{"min", DatePart::kMinute},
    Name{"m", DatePart::kMinute},
    Name{"second", DatePart::kSecond},
    Name{"seconds", DatePart::kSecond},
    Name{"sec", DatePart::kSecond},
    Name{"s", DatePart::kSecond},
    Name{"millisecond", DatePart::kMillisecond},
    Name{"milliseconds", DatePart::kMillisecond},
    Name{"msec", DatePart::kMillisecond},
    Name{"ms", DatePart::kMillisecond},
    Name{"microsecond", DatePart::kMicrosecond},
    Name{"microseconds", DatePart::kMicrosecond},
    Name{"usec", DatePart::kMicrosecond},
    Name{"us", DatePart::kMicrosecond},
    Name{"nanosecond", DatePart::kNanosecond},
    Name{"nanoseconds", DatePart::kNanosecond},
    Name{"ns", DatePart::kNanosecond},
    Name{"epoch", DatePart::kEpoch},
    Name{"julian", DatePart::kJulian},
};

/// 1 for the years 1 to `span`, and on; before the year 1 downwards from −1.
int64_t NumberedYears(int64_t year, int64_t span) {
  return year > 0 ? (year - 1) / span + 1 : year / span - 1;
}

int64_t NanosOfMinute(const CivilTime& time) { return time.nanos % (60 * kNanosPerSecond); }

/// Nanoseconds of the parts that are spans of fixed length; 0 of the others.
int64_t NanosOf(DatePart part) {
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
int64_t MonthsOf(DatePart part) {
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

__int128 NanosSinceEpoch(const CivilTime& time) {
  return static_cast<__int128>(time.days) * kNanosPerDay + time.nanos;
}

std::optional<int64_t> Narrow(__int128 count) {
  const auto narrow = static_cast<int64_t>(count);
  if (narrow != count) return std::nullopt;
  return narrow;
}

/// Whole months from the earlier to the later time. The last day of a month is as late as any day
/// that the month lacks.
int64_t WholeMonths(const CivilTime& from, const CivilTime& to) {
  const CivilDate a = DateOfDays(from.days);
  const CivilDate b = DateOfDays(to.days);
  const int64_t months = (b.year - a.year) * 12 + b.month - a.month;
  const bool is_last = b.day == DaysInMonth(b.year, b.month) && a.day > b.day;
  const bool is_short =
      is_last ? to.nanos < from.nanos : b.day < a.day || (b.day == a.day && to.nanos < from.nanos);
  return months - (is_short ? 1 : 0);
}

}  // namespace

Result<DatePart> DatePartOf(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Name& row : kNames) {
    if (row.name == lower) return row.part;
  }
  return Error(ErrorKind::kInvalidArgument,
               "parts of dates are year, quarter, month, week, day, hour, minute, second and the "
               "like, not '{}'",
               name);
}

bool IsFractional(DatePart part) { return part == DatePart::kEpoch || part == DatePart::kJulian; }

int64_t ReadPart(DatePart part, const CivilTime& time) {
  const CivilDate date = DateOfDays(time.days);
  switch (part) {
    case DatePart::kEra:
      return date.year > 0 ? 1 : 0;
    case DatePart::kMillennium:
      return NumberedYears(date.year, 1'000);
    case DatePart::kCentury:
      return NumberedYears(date.year, 100);
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
      return NanosOfMinute(time) / kNanosPerSecond;
    case DatePart::kMillisecond:
      return NanosOfMinute(time) / 1'000'000;
    case DatePart::kMicrosecond:
      return NanosOfMinute(time) / 1'000;
    case DatePart::kNanosecond:
      return NanosOfMinute(time);
    case DatePart::kEpoch:
    case DatePart::kJulian:
      return static_cast<int64_t>(ReadFractionalPart(part, time));
  }
  return 0;
}

double ReadFractionalPart(DatePart part, const CivilTime& time) {
  if (part == DatePart::kEpoch) {
    return static_cast<double>(time.days * kSecondsPerDay + time.nanos / kNanosPerSecond) +
           static_cast<double>(time.nanos % kNanosPerSecond) / 1e9;
  }
  constexpr int64_t kJulianDayOfEpoch = 2'440'588;
  return static_cast<double>(time.days + kJulianDayOfEpoch) +
         static_cast<double>(time.nanos) / static_cast<double>(kNanosPerDay);
}

std::optional<CivilTime> CutToPart(DatePart part, const CivilTime& time) {
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
      const int64_t nanos = std::min(NanosOf(part), kNanosPerDay);
      return CivilTime{time.days, time.nanos / nanos * nanos};
    }
  }
}

std::optional<int64_t> CountBegins(DatePart part, const CivilTime& from, const CivilTime& to) {
  const CivilDate a = DateOfDays(from.days);
  const CivilDate b = DateOfDays(to.days);
  const int64_t months = MonthsOf(part);
  if (part == DatePart::kIsoYear) return IsoWeekOf(to.days).year - IsoWeekOf(from.days).year;
  if (part == DatePart::kQuarter) {
    return (b.year * 4 + (b.month - 1) / 3) - (a.year * 4 + (a.month - 1) / 3);
  }
  if (months == 1) return (b.year - a.year) * 12 + b.month - a.month;
  if (months > 0) return b.year / (months / 12) - a.year / (months / 12);
  const int64_t nanos = NanosOf(part);
  if (nanos == 0) return std::nullopt;
  if (nanos == 7 * kNanosPerDay) return (MondayOf(to.days) - MondayOf(from.days)) / 7;
  const auto begins = [&](const CivilTime& time) {
    return static_cast<__int128>(time.days) * (kNanosPerDay / nanos) + time.nanos / nanos;
  };
  return Narrow(begins(to) - begins(from));
}

std::optional<int64_t> CountWhole(DatePart part, const CivilTime& from, const CivilTime& to) {
  const __int128 nanos = NanosSinceEpoch(to) - NanosSinceEpoch(from);
  if (const int64_t months = MonthsOf(part); months > 0) {
    return nanos < 0 ? -(WholeMonths(to, from) / months) : WholeMonths(from, to) / months;
  }
  if (NanosOf(part) == 0) return std::nullopt;
  return Narrow(nanos / NanosOf(part));
}

}  // namespace headrace
