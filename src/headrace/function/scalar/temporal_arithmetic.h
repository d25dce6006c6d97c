// Sums and differences of dates, timestamps and spans: kernels and result rules of the + and − of
// arithmetic.cc.
#pragma once

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/function.h"

namespace headrace {

/// `sign` times the months first, on the last day of a shorter month, then the days, then the
/// nanoseconds.
CivilTime MovedBy(CivilTime time, const arrow::MonthDayNanoIntervalType::MonthDayNanos& step,
                  int sign);

/// A timestamp and a duration: the finer unit of the two.
Result<TypePtr> TimePlusDurationType(std::span<const TypePtr> args);
Result<TypePtr> DurationPlusTimeType(std::span<const TypePtr> args);
/// Of two timestamps or two durations: a duration of the finer unit.
Result<TypePtr> FinerDurationType(std::span<const TypePtr> args);
/// A timestamp and months, days, nanoseconds: at least microseconds.
Result<TypePtr> TimePlusIntervalType(std::span<const TypePtr> args);
Result<TypePtr> IntervalPlusTimeType(std::span<const TypePtr> args);
/// A date and a time of the day: a timestamp in the unit of the time.
Result<TypePtr> DatePlusTimeType(std::span<const TypePtr> args);
Result<TypePtr> TimePlusDateType(std::span<const TypePtr> args);

#define HEADRACE_KERNEL(name) \
  Result<ArrayPtr> name(KernelContext& ctx, std::span<const Argument> args, const Rows& rows)
/// Two columns of ticks at any unit, timestamps or durations.
HEADRACE_KERNEL(AddTicks);
HEADRACE_KERNEL(SubtractTicks);
HEADRACE_KERNEL(AddInterval);
HEADRACE_KERNEL(AddToInterval);
HEADRACE_KERNEL(SubtractInterval);
HEADRACE_KERNEL(AddDays);
HEADRACE_KERNEL(AddToDays);
HEADRACE_KERNEL(SubtractDays);
/// A time of the day and a span, or months, days and nanoseconds, of which only the nanoseconds
/// count: it goes on after midnight.
HEADRACE_KERNEL(AddToTime);
HEADRACE_KERNEL(AddTime);
HEADRACE_KERNEL(SubtractFromTime);
HEADRACE_KERNEL(AddTimeToDate);
HEADRACE_KERNEL(AddDateToTime);
/// Months, days and nanoseconds each for themselves.
HEADRACE_KERNEL(AddIntervals);
HEADRACE_KERNEL(SubtractIntervals);
HEADRACE_KERNEL(NegateInterval);
HEADRACE_KERNEL(MultiplyInterval);
HEADRACE_KERNEL(MultiplyByInterval);
/// Days between two dates.
HEADRACE_KERNEL(DaysBetween);
#undef HEADRACE_KERNEL

}  // namespace headrace
