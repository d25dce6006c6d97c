// Calendar time: timestamps taken apart into days and nanoseconds of the day and put together
// again, in the proleptic Gregorian calendar, and time zones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/base/error.h"

namespace headrace {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;
inline constexpr int64_t kSecondsPerDay = 86'400;
inline constexpr int64_t kNanosPerDay = kSecondsPerDay * kNanosPerSecond;

/// Quotient cut towards the past.
inline int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

int64_t TicksPerSecond(arrow::TimeUnit::type unit);
arrow::TimeUnit::type UnitOfTime(const arrow::DataType& type);

struct CivilDate {
  int64_t year;
  int32_t month;  // 1 … 12
  int32_t day;    // 1 … 31
};

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

/// The divisions of a day number within ten million days of 1970 are products of 32 bits, after
/// Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms".
inline CivilDate DateOfNearDays(int64_t days) {
  constexpr uint32_t kEras = 82;
  const auto shifted = static_cast<uint32_t>(days + 719'468 + 146'097 * kEras);
  const uint32_t century = (4 * shifted + 3) / 146'097;
  const uint32_t quarter_day = (4 * shifted + 3) % 146'097 | 3;
  const uint64_t scaled = uint64_t{2'939'745} * quarter_day;
  const auto year_of_century = static_cast<uint32_t>(scaled >> 32);
  const uint32_t day_of_year = static_cast<uint32_t>(scaled) / 2'939'745 / 4;
  const uint32_t month_and_day = 2'141 * day_of_year + 197'913;
  const bool is_next_year = day_of_year >= 306;  // January and February end the shifted year
  const auto month = static_cast<int32_t>(month_and_day >> 16) - (is_next_year ? 12 : 0);
  const auto day = static_cast<int32_t>((month_and_day & 0xFFFF) / 2'141) + 1;
  const int64_t year = int64_t{100} * century + year_of_century - 400 * int64_t{kEras};
  return {year + (is_next_year ? 1 : 0), month, day};
}

inline CivilDate DateOfDays(int64_t days) {
  constexpr int64_t kNearMax = 10'000'000;
  if (days > -kNearMax && days < kNearMax) [[likely]]
    return DateOfNearDays(days);
  const int64_t shifted = days + 719'468;
  const int64_t era = FloorDivide(shifted, 146'097);
  CivilDate date = DateOfNearDays(shifted - era * 146'097 - 719'468);
  date.year += era * 400;
  return date;
}

int32_t DaysInMonth(int64_t year, int32_t month);
/// Whether there is such a day.
bool IsDate(int64_t year, int64_t month, int64_t day);
/// 0 … 6, Sunday is 0.
inline int32_t WeekdayOf(int64_t days) {
  const int64_t since_sunday = days + 4;  // 1970-01-01 was a Thursday
  return static_cast<int32_t>(since_sunday - FloorDivide(since_sunday, 7) * 7);
}
/// The Monday that begins the week.
inline int64_t MondayOf(int64_t days) { return days - (WeekdayOf(days) + 6) % 7; }

struct IsoWeek {
  int64_t year;
  int32_t week;  // 1 … 53
};
/// The week belongs to the year of its Thursday.
inline IsoWeek IsoWeekOf(int64_t days) {
  const int64_t thursday = MondayOf(days) + 3;
  const int64_t year = DateOfDays(thursday).year;
  return {year, static_cast<int32_t>((thursday - DaysOfDate(year, 1, 1)) / 7 + 1)};
}

/// A point in local time.
struct CivilTime {
  int64_t days;
  int64_t nanos;  // of the day
};

inline CivilTime TimeOfTicks(int64_t ticks, int64_t ticks_per_second) {
  const int64_t per_day = ticks_per_second * kSecondsPerDay;
  const int64_t days = FloorDivide(ticks, per_day);
  // The product may wrap around, the difference is right all the same.
  const auto rest = static_cast<int64_t>(
      static_cast<uint64_t>(ticks) - static_cast<uint64_t>(days) * static_cast<uint64_t>(per_day));
  return {days, rest * (kNanosPerSecond / ticks_per_second)};
}
/// True when it does not fit.
bool TicksOfTime(const CivilTime& time, int64_t ticks_per_second, int64_t* out);
/// `months` later, on the last day of the month where it has no such day.
int64_t AddMonths(int64_t days, int64_t months);

/// Offsets of a time zone. Not thread safe: it remembers the last period asked for.
class TimeZone {
 public:
  /// "" and "UTC" stand for no offset. kInvalidArgument for a name that is none.
  static Result<TimeZone> Make(const std::string& name);
  /// Seconds to add to UTC at `utc_seconds`.
  int64_t OffsetAt(int64_t utc_seconds);
  /// Of a local time; the earlier offset where clocks repeat an hour, the one before where they
  /// skip one.
  int64_t OffsetAtLocal(int64_t local_seconds);

 private:
  const void* zone_ = nullptr;
  int64_t fixed_ = 0;
  int64_t begin_ = 1;  // of the period with `offset_`, empty at first
  int64_t end_ = 0;
  int64_t offset_ = 0;
};

/// A timestamp of a type as local time of the type's zone, and back.
class LocalClock {
 public:
  static Result<LocalClock> Make(const arrow::DataType& type);
  CivilTime At(int64_t ticks);
  /// True when it does not fit.
  bool TicksAt(const CivilTime& time, int64_t* out);
  int64_t ticks_per_second() const { return ticks_per_second_; }
  bool is_zoned() const { return is_zoned_; }
  int64_t OffsetAt(int64_t ticks);

 private:
  int64_t ticks_per_second_ = 1;
  bool is_zoned_ = false;
  TimeZone zone_;
};

}  // namespace headrace
