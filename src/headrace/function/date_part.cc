// Parts of dates: the table of names, and one switch per question.
#include "headrace/function/date_part.h"

#include <array>
#include <string>

#include "headrace/base/ascii_case.h"

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

__int128 NanosSinceEpoch(const CivilTime& time) {
  return static_cast<__int128>(time.days) * kNanosPerDay + time.nanos;
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
  for (const Name& row : kNames) {
    if (EqualsIgnoringCase(row.name, name)) return row.part;
  }
  return Error(ErrorKind::kInvalidArgument,
               "parts of dates are year, quarter, month, week, day, hour, minute, second and the "
               "like, not '{}'",
               name);
}

std::optional<int64_t> CountWhole(DatePart part, const CivilTime& from, const CivilTime& to) {
  const __int128 nanos = NanosSinceEpoch(to) - NanosSinceEpoch(from);
  if (const int64_t months = date_part::MonthsOf(part); months > 0) {
    return nanos < 0 ? -(WholeMonths(to, from) / months) : WholeMonths(from, to) / months;
  }
  if (date_part::NanosOf(part) == 0) return std::nullopt;
  return date_part::NarrowCount(nanos / date_part::NanosOf(part));
}

}  // namespace headrace
