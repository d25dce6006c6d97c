// Parts of dates and times: years, ISO weeks, milliseconds …; how to read, cut and count them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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
/// The number of the part: seconds are whole, milli-, micro- and nanoseconds count from the minute.
int64_t ReadPart(DatePart part, const CivilTime& time);
/// kEpoch and kJulian, with fractions.
double ReadFractionalPart(DatePart part, const CivilTime& time);
bool IsFractional(DatePart part);
/// The begin of the period that holds `time`; nothing when the part has no begin.
std::optional<CivilTime> CutToPart(DatePart part, const CivilTime& time);
/// How many begins of the part lie between two times, less than zero backwards.
std::optional<int64_t> CountBegins(DatePart part, const CivilTime& from, const CivilTime& to);
/// How many whole periods lie between two times.
std::optional<int64_t> CountWhole(DatePart part, const CivilTime& from, const CivilTime& to);

}  // namespace headrace
