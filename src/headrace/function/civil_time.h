// Calendar time: timestamps taken apart into days and nanoseconds of the day and put together
// again, in the proleptic Gregorian calendar, and time zones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/base/error.h"
#include "headrace/base/floor_divide.h"
#include "headrace/types/calendar.h"

namespace headrace {

inline constexpr int64_t kNanosPerDay = kSecondsPerDay * kNanosPerSecond;

int64_t TicksPerSecond(arrow::TimeUnit::type unit);
/// Of a timestamp, a span or a time of the day.
arrow::TimeUnit::type UnitOfTime(const arrow::DataType& type);

/// Whether there is such a day.
bool IsDate(int64_t year, int64_t month, int64_t day);
/// 0 … 6, Sunday is 0.
inline int32_t WeekdayOf(int64_t days) {
  const int64_t since_sunday = days + 4;  // 1970-01-01 was a Thursday
  return static_cast<int32_t>(since_sunday - FloorDivide(since_sunday, 7) * 7);
}
/// Weeks since that of 1969-12-29, a Monday.
inline int64_t WeekNumberOf(int64_t days) { return FloorDivide(days + 3, 7); }
/// The Monday that begins the week.
inline int64_t MondayOf(int64_t days) { return WeekNumberOf(days) * 7 - 3; }

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

/// Timestamps of one unit as points in time, without a zone.
class TickClock {
 public:
  explicit TickClock(int64_t ticks_per_second)
      : ticks_per_day_(ticks_per_second * kSecondsPerDay),
        nanos_per_tick_(kNanosPerSecond / ticks_per_second),
        whole_days_(ticks_per_day_) {}

  int64_t DaysAt(int64_t ticks) const { return whole_days_(ticks); }
  CivilTime At(int64_t ticks) const {
    const int64_t days = DaysAt(ticks);
    return {days, FloorRest(ticks, days, ticks_per_day_) * nanos_per_tick_};
  }

 private:
  int64_t ticks_per_day_;
  int64_t nanos_per_tick_;
  FloorDivider whole_days_;
};

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

/// A timestamp of a type as local time of the type's zone, and back; a time of the day is one of
/// 1970-01-01.
class LocalClock {
 public:
  static Result<LocalClock> Make(const arrow::DataType& type);
  CivilTime At(int64_t ticks);
  /// True when it does not fit.
  bool TicksAt(const CivilTime& time, int64_t* out);
  int64_t ticks_per_second() const { return ticks_per_second_; }
  /// Without the zone.
  const TickClock& utc() const { return utc_; }
  bool is_zoned() const { return is_zoned_; }
  int64_t OffsetAt(int64_t ticks);

 private:
  int64_t ticks_per_second_ = 1;
  TickClock utc_{1};
  bool is_zoned_ = false;
  TimeZone zone_;
};

}  // namespace headrace
