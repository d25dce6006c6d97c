// Times and numbers of seconds since 1970-01-01, and steps of time by the name of a unit.
#include <cmath>
#include <optional>

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/date_part.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/epoch_millis.h"
#include "headrace/function/scalar/temporal_arithmetic.h"

namespace headrace {
namespace {

using enum ArgPattern;
using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;

constexpr int64_t kMicrosPerSecond = 1'000'000;

struct MicrosOfSeconds {
  bool operator()(int64_t x, int64_t* out) const {
    return __builtin_mul_overflow(x, kMicrosPerSecond, out);
  }
  bool operator()(double x, int64_t* out) const {
    const double micros = std::round(x * kMicrosPerSecond);
    const bool fits = micros > -9.2e18 && micros < 9.2e18;
    *out = fits ? static_cast<int64_t>(micros) : 0;
    return !fits;
  }
  template <typename T>
  Status Fail(T x) const {
    return Error(ErrorKind::kOverflow, "timestamp overflow in {} seconds since 1970-01-01", x);
  }
};

template <typename T>
Result<ArrayPtr> FromSeconds(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunUnary<T, int64_t>(ctx, args, rows, MicrosOfSeconds{});
}

Result<ArrayPtr> WholeSeconds(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  const auto& type = static_cast<const arrow::TimestampType&>(*args[0].array->type());
  const int64_t per_second = TicksPerSecond(type.unit());
  const View<int64_t> ticks(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    out.data()[row] = FloorDivide(ticks[row], per_second);
  }
  return out.Finish(ctx.result_type);
}

// ---- steps ----

/// `count` times the unit as an interval; nothing when it is no span, or does not fit.
std::optional<Interval> StepOf(DatePart unit, int64_t count) {
  Interval step{0, 0, 0};
  const int64_t nanos = date_part::NanosOf(unit);
  if (const int64_t months = date_part::MonthsOf(unit); months > 0) {
    int64_t total = 0;
    if (__builtin_mul_overflow(count, months, &total)) return std::nullopt;
    step.months = static_cast<int32_t>(total);
    if (step.months != total) return std::nullopt;
  } else if (nanos >= kNanosPerDay) {
    int64_t total = 0;
    if (__builtin_mul_overflow(count, nanos / kNanosPerDay, &total)) return std::nullopt;
    step.days = static_cast<int32_t>(total);
    if (step.days != total) return std::nullopt;
  } else {
    int64_t total = 0;
    if (nanos == 0 || __builtin_mul_overflow(count, nanos, &total)) return std::nullopt;
    step.nanoseconds = total;
  }
  return step;
}

Status NoStep(std::string_view unit, int64_t count) {
  return Error(ErrorKind::kInvalidArgument,
               "expected a step of time such as 3 days, got {} times '{}'", count, unit);
}

/// The unit of all rows in ticks of the result, where adding it is adding a number; else 0.
Result<int64_t> TicksOfUnit(const Argument& units, const TypePtr& from, const TypePtr& to,
                            const Rows& rows) {
  const auto& time = static_cast<const arrow::TimestampType&>(*to);
  const bool is_constant = units.is_constant && rows.length > 0 && units.array->IsValid(0);
  if (!is_constant || !time.timezone().empty() || !from->Equals(*to)) return 0;
  ARROW_ASSIGN_OR_RAISE(const DatePart unit, DatePartOf(BytesView(units)[0]));
  const int64_t nanos = date_part::NanosOf(unit);
  const int64_t per_tick = kNanosPerSecond / TicksPerSecond(time.unit());
  return date_part::MonthsOf(unit) > 0 || nanos % per_tick != 0 ? 0 : nanos / per_tick;
}

struct AddTicksOfUnit {
  int64_t ticks;
  bool operator()(int64_t count, int64_t time, int64_t* out) const {
    int64_t step = 0;
    return __builtin_mul_overflow(count, ticks, &step) | __builtin_add_overflow(time, step, out);
  }
  Status Fail(int64_t count, int64_t) const {
    return Error(ErrorKind::kOverflow, "timestamp overflow in adding {} times {} ticks", count,
                 ticks);
  }
};

Result<ArrayPtr> DateAdd(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const TypePtr& from = args[2].array->type();
  ARROW_ASSIGN_OR_RAISE(const int64_t fixed, TicksOfUnit(args[0], from, ctx.result_type, rows));
  if (fixed > 0) {
    return RunBinary<int64_t, int64_t>(ctx, args.subspan(1), rows, AddTicksOfUnit{fixed});
  }
  const BytesView units(args[0]);
  const View<int64_t> counts(args[1]);
  const View<int64_t> ticks(args[2]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*from));
  ARROW_ASSIGN_OR_RAISE(LocalClock result_clock, LocalClock::Make(*ctx.result_type));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    ARROW_ASSIGN_OR_RAISE(const DatePart unit, DatePartOf(units[row]));
    const std::optional<Interval> step = StepOf(unit, counts[row]);
    if (!step.has_value()) return NoStep(units[row], counts[row]);
    const CivilTime moved = MovedBy(clock.At(ticks[row]), *step, 1);
    if (!result_clock.TicksAt(moved, out.data() + row)) return Status::OK();
    return Error(ErrorKind::kOverflow, "timestamp overflow in adding {} times '{}'", counts[row],
                 units[row]);
  }));
  return out.Finish(ctx.result_type);
}

Result<TypePtr> ThirdPlusIntervalType(std::span<const TypePtr> args) {
  return TimePlusIntervalType(args.subspan(2));
}

constexpr Overload kFromOverloads[] = {
    {.args = kArgs<kInt64>, .result = TimestampType, .scalar = FromSeconds<int64_t>},
    {.args = kArgs<kFloat64>, .result = TimestampType, .scalar = FromSeconds<double>},
};
constexpr Overload kToOverloads[] = {
    {.args = kArgs<kTimestamp>, .result = Int64Type, .scalar = WholeSeconds},
};
constexpr Overload kDateAddOverloads[] = {
    {.args = kArgs<kString, kInt64, kTimestamp>,
     .result = ThirdPlusIntervalType,
     .scalar = DateAdd},
};

constexpr Example kFromExamples[] = {{"from_unixtime(1700000000)", "2023-11-14 22:13:20"},
                                     {"from_unixtime(-0.5)", "1969-12-31 23:59:59.5"},
                                     {"from_unixtime(NULL)", "NULL"}};
constexpr Example kToExamples[] = {
    {"unix_timestamp(TIMESTAMP '2023-11-14 22:13:20.9')", "1700000000"},
    {"unix_timestamp(TIMESTAMP '1969-12-31 23:59:59.5')", "-1"},
    {"unix_timestamp(NULL)", "NULL"}};
constexpr Example kDateAddExamples[] = {
    {"dateadd('month', 1, TIMESTAMP '2024-01-31 10:00:00')", "2024-02-29 10:00:00"},
    {"dateadd('day', -1, DATE '2024-03-01')", "2024-02-29 00:00:00"},
    {"dateadd('hour', NULL, DATE '2024-03-01')", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kFromUnixTime) = {
    .id = "from_unixtime",
    .names = {.sql = "from_unixtime"},
    .overloads = kFromOverloads,
    .arguments = "seconds",
    .doc =
        "The timestamp without a zone, of UTC, so many seconds after 1970-01-01 00:00:00; see "
        "epoch_ms for milliseconds.",
    .examples = kFromExamples,
};

HEADRACE_DEFINE_FUNCTION(kUnixTimestamp) = {
    .id = "unix_timestamp",
    .names = {.sql = "unix_timestamp"},
    .overloads = kToOverloads,
    .arguments = "x",
    .doc =
        "Whole seconds since 1970-01-01 00:00:00 UTC; in SQL without an argument those of now(). "
        "See epoch for fractions.",
    .examples = kToExamples,
};

HEADRACE_DEFINE_FUNCTION(kDateAdd) = {
    .id = "dateadd",
    .names = {.sql = "dateadd|date_add"},
    .overloads = kDateAddOverloads,
    .arguments = "part, n, x",
    .doc =
        "The time n times a unit after x: a year, month, week, day, hour … by the names of "
        "date_part. A day that a month lacks becomes its last. Of two arguments, date_add(x, "
        "interval) is x + interval.",
    .examples = kDateAddExamples,
};

}  // namespace headrace
