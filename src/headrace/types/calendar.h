// Dates of the proleptic Gregorian calendar from numbers of days, and back.
#pragma once

#include <cstdint>

#include "headrace/base/floor_divide.h"

namespace headrace {

inline constexpr int64_t kSecondsPerDay = 86'400;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

struct CivilDate {
  int64_t year;
  int32_t month;  // 1 … 12
  int32_t day;    // 1 … 31
};

/// Of a month 1 … 12.
inline int32_t DaysInMonth(int64_t year, int32_t month) {
  if (month != 2) return 30 | (month ^ (month >> 3));  // odd until July, even from August on: 31
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
}

/// Days since 1970-01-01. Any month number: 13 is January of the next year.
/// Days are counted from 0000-03-01 in eras of 400 years, so that leap days end years.
inline int64_t DaysOfDate(int64_t year, int64_t month, int64_t day) {
  const int64_t carried = FloorDivide(month - 1, 12);
  year += carried;
  month -= carried * 12;
  year -= month <= 2 ? 1 : 0;
  const int64_t era = FloorDivide(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

/// DateOfNearDays takes days above -kNearDaysMax and below kNearDaysMax: 27,000 years each way.
inline constexpr int64_t kNearDaysMax = 10'000'000;

/// The divisions of a day number near 1970 are products of 32 bits, after Neri and Schneider,
/// "Euclidean affine functions and their application to calendar algorithms".
inline CivilDate DateOfNearDays(int32_t days) {
  constexpr uint32_t kEras = 82;
  const uint32_t shifted = static_cast<uint32_t>(days) + 719'468 + 146'097 * kEras;
  const uint32_t century = (4 * shifted + 3) / 146'097;
  const uint32_t quarter_day = (4 * shifted + 3) % 146'097 | 3;
  const uint64_t scaled = uint64_t{2'939'745} * quarter_day;
  const auto year_of_century = static_cast<uint32_t>(scaled >> 32);
  const uint32_t day_of_year = static_cast<uint32_t>(scaled) / 2'939'745 / 4;
  const uint32_t month_and_day = 2'141 * day_of_year + 197'913;
  const bool is_next_year = day_of_year >= 306;  // January and February end the shifted year
  const auto month = static_cast<int32_t>(month_and_day >> 16) - (is_next_year ? 12 : 0);
  const auto day = static_cast<int32_t>((month_and_day & 0xFFFF) / 2'141) + 1;
  const auto year = static_cast<int32_t>(100 * century + year_of_century - 400 * kEras);
  return {year + (is_next_year ? 1 : 0), month, day};
}

/// Of such days too: 0 … 6, Sunday is 0.
inline int32_t WeekdayOfNearDays(int32_t days) {
  constexpr uint32_t kSundayBefore = 7 * 2'000'000 + 4;  // 1970-01-01 was a Thursday
  return static_cast<int32_t>((static_cast<uint32_t>(days) + kSundayBefore) % 7);
}

inline CivilDate DateOfDays(int64_t days) {
  if (days > -kNearDaysMax && days < kNearDaysMax) [[likely]]
    return DateOfNearDays(static_cast<int32_t>(days));
  const int64_t shifted = days + 719'468;
  const int64_t era = FloorDivide(shifted, 146'097);
  CivilDate date = DateOfNearDays(static_cast<int32_t>(shifted - era * 146'097 - 719'468));
  date.year += era * 400;
  return date;
}

}  // namespace headrace
