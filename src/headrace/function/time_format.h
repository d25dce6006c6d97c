// strftime formats: times as text and text as times. Names are English.
#pragma once

#include <string>
#include <string_view>

#include "headrace/function/civil_time.h"

namespace headrace {

inline constexpr std::string_view kWeekdayNames[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                     "Thursday", "Friday", "Saturday"};
inline constexpr std::string_view kMonthNames[] = {"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};

/// Appends `time`, `offset_seconds` east of UTC. kInvalidArgument for an unknown specifier.
Status FormatTime(const CivilTime& time, int64_t offset_seconds, std::string_view format,
                  std::string* out);

/// What text that does not fit is answered with.
enum class ParsedTime : uint8_t { kOk, kMismatch };

/// Reads all of `text`; parts that the format lacks are those of 1900-01-01 00:00:00. With %z the
/// time is in UTC. kInvalidArgument for an unknown specifier.
Result<ParsedTime> ParseTime(std::string_view text, std::string_view format, CivilTime* out);

}  // namespace headrace
