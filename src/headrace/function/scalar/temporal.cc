// Functions of time.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/tick_multiples.h"

namespace headrace {
namespace {

/// Floors a timestamp to a multiple of a width, both counted from the epoch. `width_ticks` and
/// `time_ticks` are ticks per second of the two; a width finer than the timestamp's unit fails.
struct Bucket {
  int64_t width_ticks;
  int64_t time_ticks;

  /// The width in units of the timestamp; 0 when it is none.
  __int128 StepOf(int64_t width) const {
    const __int128 step = static_cast<__int128>(width) * time_ticks;
    return step <= 0 || step % width_ticks != 0 ? 0 : step / width_ticks;
  }
  bool operator()(int64_t width, int64_t time, int64_t* out) const {
    *out = 0;
    const __int128 step = StepOf(width);
    if (step == 0) return true;
    const __int128 rest = time % step;
    const __int128 floor = time - rest - (rest < 0 ? step : 0);
    *out = static_cast<int64_t>(floor);
    return floor != *out;
  }
  Status Fail(int64_t width, int64_t time) const {
    return Error(ErrorKind::kInvalidArgument,
                 "time_bucket expected a width above zero in whole units of the timestamp, got a "
                 "width of {} for the timestamp {}",
                 width, time);
  }
};

Result<ArrayPtr> TimeBucket(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const auto& width = static_cast<const arrow::DurationType&>(*args[0].array->type());
  const auto& time = static_cast<const arrow::TimestampType&>(*args[1].array->type());
  const Bucket bucket{TicksPerSecond(width.unit()), TicksPerSecond(time.unit())};
  const __int128 step = args[0].is_constant ? bucket.StepOf(View<int64_t>(args[0])[0]) : 0;
  if (step > 0 && step == static_cast<int64_t>(step)) {
    ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
    const bool fits =
        CutToMultiples(static_cast<int64_t>(step), View<int64_t>(args[1]), rows.length, out.data());
    if (fits) return out.Finish(ctx.result_type);
  }
  return RunBinary<int64_t, int64_t>(ctx, args, rows, bucket);
}

using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;

/// From `earlier` to `later` in months, days and the rest; days that a month is short of are those
/// of the month of `earlier`.
Interval StepsBetween(CivilTime earlier, CivilTime later) {
  const CivilDate from = DateOfDays(earlier.days);
  const CivilDate to = DateOfDays(later.days);
  int64_t months = (to.year - from.year) * 12 + to.month - from.month;
  int32_t days = to.day - from.day;
  int64_t nanos = later.nanos - earlier.nanos;
  if (nanos < 0) {
    nanos += kNanosPerDay;
    --days;
  }
  while (days < 0) {
    days += DaysInMonth(from.year, from.month);
    --months;
  }
  return {static_cast<int32_t>(months), days, nanos};
}

Result<ArrayPtr> Age(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> later(args[0]);
  const View<int64_t> earlier(args[1]);
  ARROW_ASSIGN_OR_RAISE(LocalClock later_clock, LocalClock::Make(*args[0].array->type()));
  ARROW_ASSIGN_OR_RAISE(LocalClock earlier_clock, LocalClock::Make(*args[1].array->type()));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Interval>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, Interval{});
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    const CivilTime to = later_clock.At(later[row]);
    const CivilTime from = earlier_clock.At(earlier[row]);
    const bool is_before = to.days < from.days || (to.days == from.days && to.nanos < from.nanos);
    Interval& steps = out.data()[row] = is_before ? StepsBetween(to, from) : StepsBetween(from, to);
    if (is_before) steps = {-steps.months, -steps.days, -steps.nanoseconds};
    return Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

Result<TypePtr> IntervalType(std::span<const TypePtr>) { return arrow::month_day_nano_interval(); }

constexpr Overload kAgeOverloads[] = {
    {.args = kArgs<ArgPattern::kTimestamp, ArgPattern::kTimestamp>,
     .result = IntervalType,
     .scalar = Age},
};
constexpr Example kAgeExamples[] = {
    {"age(TIMESTAMP '2001-04-10', TIMESTAMP '1957-06-13') = INTERVAL '43 years 9 months 27 days'",
     "true"},
    {"age(TIMESTAMP '2001-04-10', NULL)", "NULL"}};

constexpr ArgPattern kDurationTimestamp[] = {ArgPattern::kDuration, ArgPattern::kTimestamp};
constexpr Overload kTimeBucketOverloads[] = {
    {.args = kDurationTimestamp, .result = SecondType, .scalar = TimeBucket},
};
constexpr Example kTimeBucketExamples[] = {
    {"time_bucket(CAST(3600000000 AS DURATION), TIMESTAMP '2013-01-02 03:45:10')",
     "2013-01-02 03:00:00"},
    {"time_bucket(CAST(3600000000 AS DURATION), NULL)", "NULL"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kTimeBucket) = {
    .id = "time_bucket",
    .names = {.sql = "time_bucket"},
    .overloads = kTimeBucketOverloads,
    .arguments = "width, x",
    .doc =
        "The start of the interval of `width`, counted from 1970-01-01, that holds x. A width of "
        "zero or less is an error.",
    .examples = kTimeBucketExamples,
};

HEADRACE_DEFINE_FUNCTION(kAge) = {
    .id = "age",
    .names = {.sql = "age"},
    .overloads = kAgeOverloads,
    .arguments = "x, y",
    .doc =
        "The months, days and the rest of a day from the time y to the time x, below zero where x "
        "is the earlier one.",
    .examples = kAgeExamples,
};

}  // namespace headrace
