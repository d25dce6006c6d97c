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
int64_t DaysOfDate(int64_t year, int64_t month, int64_t day);
CivilDate DateOfDays(int64_t days);
int32_t DaysInMonth(int64_t year, int32_t month);
/// Whether there is such a day.
bool IsDate(int64_t year, int64_t month, int64_t day);
/// 0 … 6, Sunday is 0.
int32_t WeekdayOf(int64_t days);
/// The Monday that begins the week.
int64_t MondayOf(int64_t days);

struct IsoWeek {
  int64_t year;
  int32_t week;  // 1 … 53
};
IsoWeek IsoWeekOf(int64_t days);

/// A point in local time.
struct CivilTime {
  int64_t days;
  int64_t nanos;  // of the day
};

CivilTime TimeOfTicks(int64_t ticks, int64_t ticks_per_second);
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
  int64_t OffsetAt(int64_t ticks);

 private:
  int64_t ticks_per_second_ = 1;
  bool is_zoned_ = false;
  TimeZone zone_;
};

}  // namespace headrace
