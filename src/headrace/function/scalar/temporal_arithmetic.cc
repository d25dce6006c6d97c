// Sums and differences of dates, timestamps and spans.
#include "headrace/function/scalar/temporal_arithmetic.h"

#include <algorithm>

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/loop.h"

namespace headrace {
namespace {

using arrow::TimeUnit;

TimeUnit::type Finer(const TypePtr& a, const TypePtr& b) {
  return std::max(UnitOfTime(*a), UnitOfTime(*b));
}

const std::string& ZoneOf(const TypePtr& type) {
  return static_cast<const arrow::TimestampType&>(*type).timezone();
}

Status TimeOverflow(const char* what) {
  return Error(ErrorKind::kOverflow, "timestamp overflow in {}", what);
}

/// Both sides are brought to the unit of the result first.
template <bool kSubtract>
struct Ticks {
  int64_t left_factor;
  int64_t right_factor;

  bool operator()(int64_t a, int64_t b, int64_t* out) const {
    int64_t left;
    int64_t right;
    const bool failed = __builtin_mul_overflow(a, left_factor, &left) |
                        __builtin_mul_overflow(b, right_factor, &right);
    return failed | (kSubtract ? __builtin_sub_overflow(left, right, out)
                               : __builtin_add_overflow(left, right, out));
  }
  Status Fail(int64_t a, int64_t b) const {
    return Error(ErrorKind::kOverflow, "timestamp overflow in {} {} {} ticks", a,
                 kSubtract ? '-' : '+', b);
  }
};

template <bool kSubtract>
Result<ArrayPtr> RunTicks(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const int64_t ticks = TicksPerSecond(UnitOfTime(*ctx.result_type));
  const Ticks<kSubtract> op{ticks / TicksPerSecond(UnitOfTime(*args[0].array->type())),
                            ticks / TicksPerSecond(UnitOfTime(*args[1].array->type()))};
  return RunBinary<int64_t, int64_t>(ctx, args, rows, op);
}

using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;

Result<ArrayPtr> RunInterval(KernelContext& ctx, const Argument& times, const Argument& intervals,
                             const Rows& rows, int sign) {
  const View<int64_t> ticks(times);
  const View<Interval> interval(intervals);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*times.array->type()));
  ARROW_ASSIGN_OR_RAISE(LocalClock result_clock, LocalClock::Make(*ctx.result_type));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    const CivilTime time = MovedBy(clock.At(ticks[row]), interval[row], sign);
    const bool failed = result_clock.TicksAt(time, out.data() + row);
    return failed ? TimeOverflow("adding an interval") : Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

template <bool kSubtract>
Result<ArrayPtr> RunDays(KernelContext& ctx, const Argument& dates, const Argument& numbers,
                         const Rows& rows) {
  const View<int32_t> date(dates);
  const View<int64_t> number(numbers);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int32_t>::Make(rows.length, ctx.pool));
  bool failed = false;
  for (int64_t row = 0; row < rows.length; ++row) {
    int64_t sum = 0;
    failed |= kSubtract ? __builtin_sub_overflow(int64_t{date[row]}, number[row], &sum)
                        : __builtin_add_overflow(int64_t{date[row]}, number[row], &sum);
    out.data()[row] = static_cast<int32_t>(sum);
    failed |= out.data()[row] != sum;
  }
  if (failed) [[unlikely]] {
    ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
      const __int128 sum = static_cast<__int128>(date[row]) +
                           static_cast<__int128>(number[row]) * (kSubtract ? -1 : 1);
      return sum == static_cast<int32_t>(sum) ? Status::OK() : TimeOverflow("adding days");
    }));
  }
  return out.Finish(ctx.result_type);
}

/// By the interval's part of a day: its months and days leave a time of the day as it is.
Result<ArrayPtr> MoveTime(KernelContext& ctx, const Argument& times, const Argument& intervals,
                          const Rows& rows, int sign) {
  const View<int64_t> time(times);
  const View<Interval> interval(intervals);
  const int64_t nanos_per_tick = kNanosPerSecond / TicksPerSecond(UnitOfTime(*times.array->type()));
  const int64_t per_day = kNanosPerDay / nanos_per_tick;
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    const int64_t nanos = interval[row].nanoseconds % kNanosPerDay;
    const int64_t moved = (time[row] + sign * (nanos / nanos_per_tick)) % per_day;
    out.data()[row] = moved < 0 ? moved + per_day : moved;
  }
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> JoinDateAndTime(KernelContext& ctx, const Argument& dates, const Argument& times,
                                 const Rows& rows) {
  const View<int32_t> date(dates);
  const View<int64_t> time(times);
  const int64_t per_day = kSecondsPerDay * TicksPerSecond(UnitOfTime(*ctx.result_type));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    int64_t midnight = 0;
    const bool failed = __builtin_mul_overflow(int64_t{date[row]}, per_day, &midnight) |
                        __builtin_add_overflow(midnight, time[row], out.data() + row);
    return failed ? TimeOverflow("adding a time to a date") : Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

/// left + factor(row) * right, part by part.
template <typename Left, typename Factor>
Result<ArrayPtr> CombineIntervals(KernelContext& ctx, const Left& left, const Argument& rights,
                                  const Factor& factor, const Rows& rows) {
  const View<Interval> right(rights);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Interval>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, Interval{});
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    const auto combine = [&](int64_t a, int64_t b, auto* sum) {
      int64_t product = 0;
      return __builtin_mul_overflow(b, factor(row), &product) ||
             __builtin_add_overflow(a, product, sum);
    };
    const Interval a = left(row);
    const Interval b = right[row];
    Interval& sum = out.data()[row];
    const bool failed = combine(a.months, b.months, &sum.months) ||
                        combine(a.days, b.days, &sum.days) ||
                        combine(a.nanoseconds, b.nanoseconds, &sum.nanoseconds);
    if (!failed) return Status::OK();
    return Error(ErrorKind::kOverflow, "interval overflow in arithmetic of intervals");
  }));
  return out.Finish(ctx.result_type);
}

constexpr auto kNoInterval = [](int64_t) { return Interval{}; };

}  // namespace

Result<ArrayPtr> AddIntervals(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  const View<Interval> left(args[0]);
  return CombineIntervals(
      ctx, [&](int64_t row) { return left[row]; }, args[1], [](int64_t) { return int64_t{1}; },
      rows);
}
Result<ArrayPtr> SubtractIntervals(KernelContext& ctx, std::span<const Argument> args,
                                   const Rows& rows) {
  const View<Interval> left(args[0]);
  return CombineIntervals(
      ctx, [&](int64_t row) { return left[row]; }, args[1], [](int64_t) { return int64_t{-1}; },
      rows);
}
Result<ArrayPtr> NegateInterval(KernelContext& ctx, std::span<const Argument> args,
                                const Rows& rows) {
  return CombineIntervals(ctx, kNoInterval, args[0], [](int64_t) { return int64_t{-1}; }, rows);
}
Result<ArrayPtr> MultiplyInterval(KernelContext& ctx, std::span<const Argument> args,
                                  const Rows& rows) {
  const View<int64_t> factor(args[1]);
  return CombineIntervals(
      ctx, kNoInterval, args[0], [&](int64_t row) { return factor[row]; }, rows);
}
Result<ArrayPtr> MultiplyByInterval(KernelContext& ctx, std::span<const Argument> args,
                                    const Rows& rows) {
  const Argument swapped[] = {args[1], args[0]};
  return MultiplyInterval(ctx, swapped, rows);
}

CivilTime MovedBy(CivilTime time, const arrow::MonthDayNanoIntervalType::MonthDayNanos& step,
                  int sign) {
  if (step.months != 0) time.days = AddMonths(time.days, int64_t{sign} * step.months);
  const int64_t whole_days = step.nanoseconds / kNanosPerDay;
  const int64_t nanos = time.nanos + sign * (step.nanoseconds % kNanosPerDay);
  const int64_t carried = FloorDivide(nanos, kNanosPerDay);
  time.days += sign * (step.days + whole_days) + carried;
  time.nanos = nanos - carried * kNanosPerDay;
  return time;
}

Result<TypePtr> DatePlusTimeType(std::span<const TypePtr> args) {
  return arrow::timestamp(UnitOfTime(*args[1]));
}
Result<TypePtr> TimePlusDateType(std::span<const TypePtr> args) {
  return arrow::timestamp(UnitOfTime(*args[0]));
}
Result<TypePtr> TimePlusDurationType(std::span<const TypePtr> args) {
  return arrow::timestamp(Finer(args[0], args[1]), ZoneOf(args[0]));
}
Result<TypePtr> DurationPlusTimeType(std::span<const TypePtr> args) {
  return arrow::timestamp(Finer(args[0], args[1]), ZoneOf(args[1]));
}
Result<TypePtr> FinerDurationType(std::span<const TypePtr> args) {
  return arrow::duration(Finer(args[0], args[1]));
}
Result<TypePtr> TimePlusIntervalType(std::span<const TypePtr> args) {
  return arrow::timestamp(std::max(UnitOfTime(*args[0]), TimeUnit::MICRO), ZoneOf(args[0]));
}
Result<TypePtr> IntervalPlusTimeType(std::span<const TypePtr> args) {
  return TimePlusIntervalType(args.subspan(1));
}

Result<ArrayPtr> AddTicks(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunTicks<false>(ctx, args, rows);
}
Result<ArrayPtr> SubtractTicks(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  return RunTicks<true>(ctx, args, rows);
}
Result<ArrayPtr> AddInterval(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunInterval(ctx, args[0], args[1], rows, 1);
}
Result<ArrayPtr> AddToInterval(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  return RunInterval(ctx, args[1], args[0], rows, 1);
}
Result<ArrayPtr> SubtractInterval(KernelContext& ctx, std::span<const Argument> args,
                                  const Rows& rows) {
  return RunInterval(ctx, args[0], args[1], rows, -1);
}
Result<ArrayPtr> AddDays(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunDays<false>(ctx, args[0], args[1], rows);
}
Result<ArrayPtr> AddToDays(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunDays<false>(ctx, args[1], args[0], rows);
}
Result<ArrayPtr> SubtractDays(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  return RunDays<true>(ctx, args[0], args[1], rows);
}

Result<ArrayPtr> AddToTime(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return MoveTime(ctx, args[0], args[1], rows, 1);
}
Result<ArrayPtr> AddTime(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return MoveTime(ctx, args[1], args[0], rows, 1);
}
Result<ArrayPtr> SubtractFromTime(KernelContext& ctx, std::span<const Argument> args,
                                  const Rows& rows) {
  return MoveTime(ctx, args[0], args[1], rows, -1);
}
Result<ArrayPtr> AddTimeToDate(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  return JoinDateAndTime(ctx, args[0], args[1], rows);
}
Result<ArrayPtr> AddDateToTime(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  return JoinDateAndTime(ctx, args[1], args[0], rows);
}

Result<ArrayPtr> DaysBetween(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(int32_t a, int32_t b, int64_t* out) const {
      return *out = int64_t{a} - b, false;
    }
    Status Fail(int32_t, int32_t) const { return Status::OK(); }
  };
  return RunBinary<int32_t, int64_t>(ctx, args, rows, Op{});
}

}  // namespace headrace
