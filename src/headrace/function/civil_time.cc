// Calendar arithmetic on day numbers and time zones of the date library.
#include "headrace/function/civil_time.h"

#include <exception>
#include <limits>

#include "arrow/type.h"
#include "date/date.h"
#include "date/tz.h"

namespace headrace {

int64_t TicksPerSecond(arrow::TimeUnit::type unit) {
  constexpr int64_t kTicks[] = {1, 1'000, 1'000'000, 1'000'000'000};
  return kTicks[static_cast<int>(unit)];
}

arrow::TimeUnit::type UnitOfTime(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DURATION) {
    return static_cast<const arrow::DurationType&>(type).unit();
  }
  if (type.id() == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).unit();
  }
  return static_cast<const arrow::TimeType&>(type).unit();
}

bool IsDate(int64_t year, int64_t month, int64_t day) {
  constexpr int64_t kYearMax = 5'000'000;
  return year > -kYearMax && year < kYearMax && month >= 1 && month <= 12 && day >= 1 &&
         day <= DaysInMonth(year, static_cast<int32_t>(month));
}

bool TicksOfTime(const CivilTime& time, int64_t ticks_per_second, int64_t* out) {
  const __int128 ticks = static_cast<__int128>(time.days) * ticks_per_second * kSecondsPerDay +
                         FloorDivide(time.nanos, kNanosPerSecond / ticks_per_second);
  *out = static_cast<int64_t>(ticks);
  return *out != ticks;
}

int64_t AddMonths(int64_t days, int64_t months) {
  const CivilDate date = DateOfDays(days);
  const int64_t month_number = date.year * 12 + (date.month - 1) + months;
  const int64_t year = FloorDivide(month_number, 12);
  const auto month = static_cast<int32_t>(month_number - year * 12) + 1;
  return DaysOfDate(year, month, std::min(date.day, DaysInMonth(year, month)));
}

Result<TimeZone> TimeZone::Make(const std::string& name) {
  TimeZone zone;
  if (name.empty() || name == "UTC" || name == "Z") return zone;
  const bool is_offset = name.size() == 6 && (name[0] == '+' || name[0] == '-') && name[3] == ':';
  if (is_offset) {
    const int64_t minutes = std::stoi(name.substr(1, 2)) * 60 + std::stoi(name.substr(4, 2));
    zone.fixed_ = (name[0] == '-' ? -60 : 60) * minutes;
    return zone;
  }
  try {
    zone.zone_ = date::locate_zone(name);
  } catch (const std::exception&) {
    return Error(ErrorKind::kInvalidArgument, "there is no time zone \"{}\"", name);
  }
  return zone;
}

int64_t TimeZone::OffsetAt(int64_t utc_seconds) {
  if (zone_ == nullptr) return fixed_;
  if (utc_seconds >= begin_ && utc_seconds < end_) return offset_;
  // Beyond these years the rules repeat and the library would count them out one by one.
  constexpr int64_t kSecondsMax = 4'102'444'800 * 4;
  const int64_t asked = std::clamp(utc_seconds, -kSecondsMax, kSecondsMax);
  const auto info = static_cast<const date::time_zone*>(zone_)->get_info(
      date::sys_seconds(std::chrono::seconds(asked)));
  begin_ = info.begin.time_since_epoch().count();
  end_ = info.end.time_since_epoch().count();
  return offset_ = info.offset.count();
}

int64_t TimeZone::OffsetAtLocal(int64_t local_seconds) {
  if (zone_ == nullptr) return fixed_;
  constexpr int64_t kDay = kSecondsPerDay;
  // The offset in force before any change near by is right unless the local time is past one.
  const int64_t before = OffsetAt(local_seconds - kDay);
  if (OffsetAt(local_seconds - before) == before) return before;
  const int64_t after = OffsetAt(local_seconds + kDay);
  return OffsetAt(local_seconds - after) == after ? after : before;
}

Result<LocalClock> LocalClock::Make(const arrow::DataType& type) {
  LocalClock clock;
  clock.ticks_per_second_ = TicksPerSecond(UnitOfTime(type));
  clock.utc_ = TickClock(clock.ticks_per_second_);
  if (type.id() != arrow::Type::TIMESTAMP) return clock;
  const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
  clock.is_zoned_ = !timestamp.timezone().empty();
  ARROW_ASSIGN_OR_RAISE(clock.zone_, TimeZone::Make(timestamp.timezone()));
  return clock;
}

int64_t LocalClock::OffsetAt(int64_t ticks) {
  return is_zoned_ ? zone_.OffsetAt(FloorDivide(ticks, ticks_per_second_)) : 0;
}

CivilTime LocalClock::At(int64_t ticks) {
  CivilTime time = utc_.At(ticks);
  if (!is_zoned_) return time;
  time.nanos += OffsetAt(ticks) * kNanosPerSecond;
  const int64_t carried = FloorDivide(time.nanos, kNanosPerDay);
  return {time.days + carried, time.nanos - carried * kNanosPerDay};
}

bool LocalClock::TicksAt(const CivilTime& time, int64_t* out) {
  if (!is_zoned_) return TicksOfTime(time, ticks_per_second_, out);
  const int64_t local = time.days * kSecondsPerDay + FloorDivide(time.nanos, kNanosPerSecond);
  const int64_t offset = zone_.OffsetAtLocal(local);
  return TicksOfTime({time.days, time.nanos - offset * kNanosPerSecond}, ticks_per_second_, out);
}

}  // namespace headrace
