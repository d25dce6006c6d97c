// Making dates, timestamps and spans of numbers; last_day; time zones.
#include <cmath>

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"

namespace headrace {
namespace {

using enum ArgPattern;

Status NoDate(int64_t year, int64_t month, int64_t day) {
  return Error(ErrorKind::kInvalidArgument, "there is no date {}-{:02}-{:02}", year, month, day);
}

Result<ArrayPtr> MakeDate(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> year(args[0]);
  const View<int64_t> month(args[1]);
  const View<int64_t> day(args[2]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int32_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    if (!IsDate(year[row], month[row], day[row])) return NoDate(year[row], month[row], day[row]);
    out.data()[row] = static_cast<int32_t>(DaysOfDate(year[row], month[row], day[row]));
    return Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> MakeTimestamp(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  std::vector<View<int64_t>> parts(args.begin(), args.begin() + 5);
  const View<double> second(args[5]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    const int64_t year = parts[0][row];
    const int64_t month = parts[1][row];
    const int64_t day = parts[2][row];
    const int64_t hour = parts[3][row];
    const int64_t minute = parts[4][row];
    if (!IsDate(year, month, day)) return NoDate(year, month, day);
    const bool is_time = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second[row] >= 0 &&
                         second[row] < 60;
    if (!is_time) {
      return Error(ErrorKind::kInvalidArgument, "there is no time {}:{:02}:{}", hour, minute,
                   second[row]);
    }
    const auto micros = static_cast<int64_t>(std::round(second[row] * 1e6));
    const int64_t nanos = (hour * 3'600 + minute * 60) * kNanosPerSecond + micros * 1'000;
    if (!TicksOfTime({DaysOfDate(year, month, day), nanos}, 1'000'000, out.data() + row)) {
      return Status::OK();
    }
    return Error(ErrorKind::kOverflow, "timestamp overflow in the year {}", year);
  }));
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> SameTicks(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(int64_t x, int64_t* out) const { return *out = x, false; }
    Status Fail(int64_t) const { return Status::OK(); }
  };
  return RunUnary<int64_t, int64_t>(ctx, args, rows, Op{});
}

/// Microseconds of a number of seconds.
Result<ArrayPtr> TicksOfSeconds(KernelContext& ctx, std::span<const Argument> args,
                                const Rows& rows) {
  struct Op {
    bool operator()(double x, int64_t* out) const {
      const double micros = std::round(x * 1e6);
      const bool fits = micros > -9.2e18 && micros < 9.2e18;
      *out = fits ? static_cast<int64_t>(micros) : 0;
      return !fits;
    }
    Status Fail(double x) const {
      return Error(ErrorKind::kOverflow, "microseconds overflow in {} seconds", x);
    }
  };
  return RunUnary<double, int64_t>(ctx, args, rows, Op{});
}

Result<TypePtr> UtcType(std::span<const TypePtr>) {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}
Result<TypePtr> DurationType(std::span<const TypePtr>) {
  return arrow::duration(arrow::TimeUnit::MICRO);
}
Result<TypePtr> IntervalType(std::span<const TypePtr>) { return arrow::month_day_nano_interval(); }

template <int64_t kMicros>
Result<ArrayPtr> SpanOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    bool operator()(int64_t x, int64_t* out) const {
      return __builtin_mul_overflow(x, kMicros, out);
    }
    Status Fail(int64_t x) const {
      return Error(ErrorKind::kOverflow, "interval overflow in {} times {} microseconds", x,
                   kMicros);
    }
  };
  return RunUnary<int64_t, int64_t>(ctx, args, rows, Op{});
}

template <int32_t kMonths>
Result<ArrayPtr> MonthsOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;
  struct Op {
    bool operator()(int64_t x, Interval* out) const {
      *out = {0, 0, 0};
      return __builtin_mul_overflow(x, kMonths, &out->months);
    }
    Status Fail(int64_t x) const {
      return Error(ErrorKind::kOverflow, "interval overflow in {} times {} months", x, kMonths);
    }
  };
  return RunUnary<int64_t, Interval>(ctx, args, rows, Op{});
}

Result<ArrayPtr> LastDay(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> ticks(args[0]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*args[0].array->type()));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int32_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    const CivilDate date = DateOfDays(clock.At(ticks[row]).days);
    out.data()[row] = static_cast<int32_t>(DaysOfDate(date.year, date.month + 1, 1) - 1);
  }
  return out.Finish(ctx.result_type);
}

/// A timestamp with a zone becomes local time of `zone`; one without is such local time and becomes
/// UTC.
Result<TypePtr> AtZoneType(std::span<const TypePtr> args) {
  const auto& time = static_cast<const arrow::TimestampType&>(*args[1]);
  return arrow::timestamp(time.unit(), time.timezone().empty() ? "UTC" : "");
}

Result<ArrayPtr> AtZone(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView names(args[0]);
  const View<int64_t> ticks(args[1]);
  const auto& time = static_cast<const arrow::TimestampType&>(*args[1].array->type());
  const int64_t per_second = TicksPerSecond(time.unit());
  const bool is_local = time.timezone().empty();
  TimeZone zone;
  std::string name;
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    if (names[row] != name) {
      ARROW_ASSIGN_OR_RAISE(zone, TimeZone::Make(std::string(names[row])));
      name = names[row];
    }
    const int64_t seconds = FloorDivide(ticks[row], per_second);
    const int64_t offset = is_local ? -zone.OffsetAtLocal(seconds) : zone.OffsetAt(seconds);
    if (!__builtin_add_overflow(ticks[row], offset * per_second, out.data() + row)) {
      return Status::OK();
    }
    return Error(ErrorKind::kOverflow, "timestamp overflow in the time zone \"{}\"", name);
  }));
  return out.Finish(ctx.result_type);
}

constexpr Overload kMakeDateOverloads[] = {
    {.args = kArgs<kInt64, kInt64, kInt64>, .result = DateType, .scalar = MakeDate},
};
constexpr Overload kMakeTimestampOverloads[] = {
    {.args = kArgs<kInt64>, .result = TimestampType, .scalar = SameTicks},
    {.args = kArgs<kInt64, kInt64, kInt64, kInt64, kInt64, kFloat64>,
     .result = TimestampType,
     .scalar = MakeTimestamp},
};
constexpr Overload kToTimestampOverloads[] = {
    {.args = kArgs<kFloat64>, .result = UtcType, .scalar = TicksOfSeconds},
};
template <int64_t kMicros>
constexpr Overload kSpanForm[] = {
    {.args = kArgs<kInt64>, .result = DurationType, .scalar = SpanOf<kMicros>},
};
constexpr Overload kToSecondsOverloads[] = {
    {.args = kArgs<kInt64>, .result = DurationType, .scalar = SpanOf<1'000'000>},
    {.args = kArgs<kFloat64>, .result = DurationType, .scalar = TicksOfSeconds},
};
template <int32_t kMonths>
constexpr Overload kMonthsForm[] = {
    {.args = kArgs<kInt64>, .result = IntervalType, .scalar = MonthsOf<kMonths>},
};
constexpr Overload kLastDayOverloads[] = {
    {.args = kArgs<kTimestamp>, .result = DateType, .scalar = LastDay},
};
constexpr Overload kAtZoneOverloads[] = {
    {.args = kArgs<kString, kTimestamp>, .result = AtZoneType, .scalar = AtZone},
};

constexpr Example kMakeDateExamples[] = {{"make_date(2013, 7, 4)", "2013-07-04"},
                                         {"make_date(2013, NULL, 4)", "NULL"}};
constexpr Example kMakeTimestampExamples[] = {
    {"make_timestamp(2013, 7, 4, 10, 20, 30.5)", "2013-07-04 10:20:30.5"},
    {"make_timestamp(1500000)", "1970-01-01 00:00:01.5"},
    {"make_timestamp(NULL)", "NULL"}};
constexpr Example kToTimestampExamples[] = {{"to_timestamp(1.5)", "1970-01-01 00:00:01.5Z"},
                                            {"to_timestamp(NULL)", "NULL"}};
constexpr Example kToDaysExamples[] = {{"DATE '2013-07-04' + to_days(2)", "2013-07-06 00:00:00"},
                                       {"to_days(NULL)", "NULL"}};
constexpr Example kToHoursExamples[] = {{"DATE '2013-07-04' + to_hours(30)", "2013-07-05 06:00:00"},
                                        {"to_hours(NULL)", "NULL"}};
constexpr Example kToMinutesExamples[] = {
    {"DATE '2013-07-04' + to_minutes(90)", "2013-07-04 01:30:00"}, {"to_minutes(NULL)", "NULL"}};
constexpr Example kToSecondsExamples[] = {
    {"DATE '2013-07-04' + to_seconds(1)", "2013-07-04 00:00:01"}, {"to_seconds(NULL)", "NULL"}};
constexpr Example kToMonthsExamples[] = {
    {"DATE '2013-01-31' + to_months(1)", "2013-02-28 00:00:00"},
    {"to_months(NULL) IS NULL", "true"}};
constexpr Example kToYearsExamples[] = {{"DATE '2012-02-29' + to_years(1)", "2013-02-28 00:00:00"},
                                        {"to_years(NULL) IS NULL", "true"}};
constexpr Example kLastDayExamples[] = {{"last_day(DATE '2012-02-05')", "2012-02-29"},
                                        {"last_day(NULL)", "NULL"}};
constexpr Example kAtZoneExamples[] = {
    {"timezone('Europe/Berlin', TIMESTAMP '2013-07-04 10:20:30')", "2013-07-04 08:20:30Z"},
    {"timezone('Europe/Berlin', NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kMakeDate) = {
    .id = "make_date",
    .names = {.sql = "make_date"},
    .overloads = kMakeDateOverloads,
    .arguments = "year, month, day",
    .doc = "The date of a year, month and day. One that is not in the calendar is an error.",
    .examples = kMakeDateExamples,
};

HEADRACE_DEFINE_FUNCTION(kMakeTimestamp) = {
    .id = "make_timestamp",
    .names = {.sql = "make_timestamp"},
    .overloads = kMakeTimestampOverloads,
    .arguments = "year, month, day, hour, minute, second",
    .doc = "The timestamp of its parts, or of one number of microseconds since 1970-01-01.",
    .examples = kMakeTimestampExamples,
};

HEADRACE_DEFINE_FUNCTION(kToTimestamp) = {
    .id = "to_timestamp",
    .names = {.sql = "to_timestamp"},
    .overloads = kToTimestampOverloads,
    .arguments = "seconds",
    .doc = "The timestamp in UTC that lies so many seconds after 1970-01-01 00:00:00 UTC.",
    .examples = kToTimestampExamples,
};

HEADRACE_DEFINE_FUNCTION(kToDays) = {
    .id = "to_days",
    .names = {.sql = "to_days"},
    .overloads = kSpanForm<86'400'000'000>,
    .arguments = "n",
    .doc = "A span of n days of 24 hours.",
    .examples = kToDaysExamples,
};

HEADRACE_DEFINE_FUNCTION(kToHours) = {
    .id = "to_hours",
    .names = {.sql = "to_hours"},
    .overloads = kSpanForm<3'600'000'000>,
    .arguments = "n",
    .doc = "A span of n hours.",
    .examples = kToHoursExamples,
};

HEADRACE_DEFINE_FUNCTION(kToMinutes) = {
    .id = "to_minutes",
    .names = {.sql = "to_minutes"},
    .overloads = kSpanForm<60'000'000>,
    .arguments = "n",
    .doc = "A span of n minutes.",
    .examples = kToMinutesExamples,
};

HEADRACE_DEFINE_FUNCTION(kToSeconds) = {
    .id = "to_seconds",
    .names = {.sql = "to_seconds"},
    .overloads = kToSecondsOverloads,
    .arguments = "n",
    .doc = "A span of n seconds.",
    .examples = kToSecondsExamples,
};

HEADRACE_DEFINE_FUNCTION(kToMonths) = {
    .id = "to_months",
    .names = {.sql = "to_months"},
    .overloads = kMonthsForm<1>,
    .arguments = "n",
    .doc = "A span of n months.",
    .examples = kToMonthsExamples,
};

HEADRACE_DEFINE_FUNCTION(kToYears) = {
    .id = "to_years",
    .names = {.sql = "to_years"},
    .overloads = kMonthsForm<12>,
    .arguments = "n",
    .doc = "A span of n years of twelve months.",
    .examples = kToYearsExamples,
};

HEADRACE_DEFINE_FUNCTION(kLastDay) = {
    .id = "last_day",
    .names = {.sql = "last_day"},
    .overloads = kLastDayOverloads,
    .arguments = "x",
    .doc = "The last day of the month.",
    .examples = kLastDayExamples,
};

HEADRACE_DEFINE_FUNCTION(kAtZone) = {
    .id = "at_time_zone",
    .names = {.sql = "timezone"},
    .overloads = kAtZoneOverloads,
    .arguments = "zone, x",
    .doc =
        "AT TIME ZONE: a timestamp with a zone as local time of another; one without is local time "
        "of the zone and is given in UTC. Of an hour that clocks repeat the first is meant.",
    .examples = kAtZoneExamples,
};

}  // namespace headrace
