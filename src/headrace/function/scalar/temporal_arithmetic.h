// Sums and differences of dates, timestamps and spans: kernels and result rules of the + and − of
// arithmetic.cc.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

/// A timestamp and a duration: the finer unit of the two.
Result<TypePtr> TimePlusDurationType(std::span<const TypePtr> args);
Result<TypePtr> DurationPlusTimeType(std::span<const TypePtr> args);
/// Of two timestamps or two durations: a duration of the finer unit.
Result<TypePtr> FinerDurationType(std::span<const TypePtr> args);
/// A timestamp and months, days, nanoseconds: at least microseconds.
Result<TypePtr> TimePlusIntervalType(std::span<const TypePtr> args);
Result<TypePtr> IntervalPlusTimeType(std::span<const TypePtr> args);

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
/// Days between two dates.
HEADRACE_KERNEL(DaysBetween);
#undef HEADRACE_KERNEL

}  // namespace headrace
