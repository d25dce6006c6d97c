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

/// Months first, on the last day of a shorter month, then days, then nanoseconds.
Result<ArrayPtr> RunInterval(KernelContext& ctx, const Argument& times, const Argument& intervals,
                             const Rows& rows, int sign) {
  const View<int64_t> ticks(times);
  const View<Interval> interval(intervals);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*times.array->type()));
  ARROW_ASSIGN_OR_RAISE(LocalClock result_clock, LocalClock::Make(*ctx.result_type));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    const Interval step = interval[row];
    CivilTime time = clock.At(ticks[row]);
    if (step.months != 0) time.days = AddMonths(time.days, int64_t{sign} * step.months);
    const int64_t whole_days = FloorDivide(step.nanoseconds, kNanosPerDay);
    const int64_t nanos = time.nanos + sign * (step.nanoseconds - whole_days * kNanosPerDay);
    const int64_t carried = FloorDivide(nanos, kNanosPerDay);
    time.days += sign * (step.days + whole_days) + carried;
    time.nanos = nanos - carried * kNanosPerDay;
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

}  // namespace

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
