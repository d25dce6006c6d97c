// Lists of numbers and of times in steps: range and generate_series.
#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/scalar/temporal_arithmetic.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using enum ArgPattern;

// ---- numbers ----

constexpr int64_t kItemsMax = 100'000'000;  // of one batch

/// How many numbers lie between begin and end, which is one of them when `closed`.
Result<int64_t> StepsBetween(int64_t begin, int64_t end, int64_t step, bool closed) {
  if (step == 0) return Error(ErrorKind::kInvalidArgument, "the step of a range is 0");
  const Int128 distance = (static_cast<Int128>(end) - begin) * (step > 0 ? 1 : -1);
  const Int128 width = step > 0 ? step : -static_cast<Int128>(step);
  if (distance < 0 || (distance == 0 && !closed)) return 0;
  const Int128 count = closed ? distance / width + 1 : (distance + width - 1) / width;
  if (count <= kItemsMax) return static_cast<int64_t>(count);
  return Error(ErrorKind::kInvalidArgument,
               "a range of one row has at most {} numbers; use it in FROM", kItemsMax);
}

template <bool kClosed>
Result<ArrayPtr> Range(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<View<int64_t>> views;
  std::vector<Validity> valid;
  for (const Argument& arg : args) {
    views.emplace_back(arg);
    valid.emplace_back(arg);
  }
  arrow::Int64Builder items(ctx.pool);
  std::vector<int32_t> ends;
  const auto end_rows = [&](int64_t count) {
    while (static_cast<int64_t>(ends.size()) < count) {
      ends.push_back(static_cast<int32_t>(items.length()));
    }
  };
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    end_rows(row);
    for (const Validity& one : valid) {
      if (!one[row]) return Status::OK();
    }
    const int64_t begin = views.size() > 1 ? views[0][row] : 0;
    const int64_t end = views.size() > 1 ? views[1][row] : views[0][row];
    const int64_t step = views.size() > 2 ? views[2][row] : 1;
    ARROW_ASSIGN_OR_RAISE(const int64_t count, StepsBetween(begin, end, step, kClosed));
    if (items.length() + count > kItemsMax) {
      return Error(ErrorKind::kMemoryLimit, "the ranges of one batch have more than {} numbers",
                   kItemsMax);
    }
    ARROW_RETURN_NOT_OK(items.Reserve(count));
    for (int64_t i = 0; i < count; ++i) items.UnsafeAppend(begin + i * step);
    return Status::OK();
  }));
  end_rows(rows.length);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr numbers, items.Finish());
  return MakeLists(ctx, ends, numbers);
}

// ---- times ----

using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;

/// One step of a range of times: of a fixed length, or with months.
class TimeStep {
 public:
  static Result<TimeStep> Make(const Argument& steps, const arrow::DataType& time) {
    ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(time));
    return TimeStep(steps, std::move(clock));
  }
  Interval operator[](int64_t row) const { return steps_[row]; }
  /// `step` after `time`; kOverflow past the range of its type.
  Result<int64_t> After(int64_t time, const Interval& step) {
    int64_t moved = 0;
    if (!clock_.TicksAt(MovedBy(clock_.At(time), step, 1), &moved)) return moved;
    return Error(ErrorKind::kOverflow, "timestamp overflow in a range");
  }

 private:
  TimeStep(const Argument& steps, LocalClock clock) : steps_(steps), clock_(std::move(clock)) {}

  View<Interval> steps_;
  LocalClock clock_;
};

/// Appends the times from `begin` to `end`, `end` too when it is `closed`.
Status AppendTimes(TimeStep* steps, const Interval& step, int64_t begin, int64_t end, bool closed,
                   arrow::Int64Builder* items) {
  ARROW_ASSIGN_OR_RAISE(const int64_t second, steps->After(begin, step));
  if (second == begin) return Error(ErrorKind::kInvalidArgument, "the step of a range is 0");
  const bool up = second > begin;
  const auto is_inside = [&](int64_t time) {
    return up ? time < end || (closed && time == end) : time > end || (closed && time == end);
  };
  for (int64_t time = begin; is_inside(time);) {
    if (items->length() >= kItemsMax) {
      return Error(ErrorKind::kMemoryLimit, "the ranges of one batch have more than {} times",
                   kItemsMax);
    }
    ARROW_RETURN_NOT_OK(items->Append(time));
    ARROW_ASSIGN_OR_RAISE(const int64_t next, steps->After(time, step));
    if (up ? next <= time : next >= time) {
      return Error(ErrorKind::kInvalidArgument, "the step of a range goes back and forth");
    }
    time = next;
  }
  return Status::OK();
}

/// A column of times in ticks of the result.
class TimesOf {
 public:
  static Result<TimesOf> Make(const Argument& times, const arrow::DataType& result) {
    ARROW_ASSIGN_OR_RAISE(LocalClock from, LocalClock::Make(*times.array->type()));
    ARROW_ASSIGN_OR_RAISE(LocalClock to, LocalClock::Make(result));
    return TimesOf(times, std::move(from), std::move(to));
  }
  Result<int64_t> At(int64_t row) {
    int64_t ticks = 0;
    if (!to_.TicksAt(from_.At(times_[row]), &ticks)) return ticks;
    return Error(ErrorKind::kOverflow, "timestamp overflow in a range");
  }

 private:
  TimesOf(const Argument& times, LocalClock from, LocalClock to)
      : times_(times), from_(std::move(from)), to_(std::move(to)) {}

  View<int64_t> times_;
  LocalClock from_;
  LocalClock to_;
};

template <bool kClosed>
Result<ArrayPtr> TimeRange(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const TypePtr time = ctx.result_type->field(0)->type();
  ARROW_ASSIGN_OR_RAISE(TimesOf begins, TimesOf::Make(args[0], *time));
  ARROW_ASSIGN_OR_RAISE(TimesOf last, TimesOf::Make(args[1], *time));
  ARROW_ASSIGN_OR_RAISE(TimeStep steps, TimeStep::Make(args[2], *time));
  arrow::Int64Builder items(ctx.pool);
  std::vector<int32_t> ends;
  const auto end_rows = [&](int64_t count) {
    ends.resize(static_cast<size_t>(count), static_cast<int32_t>(items.length()));
  };
  const Validity valid[] = {Validity(args[0]), Validity(args[1]), Validity(args[2])};
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    end_rows(row);
    if (!valid[0][row] || !valid[1][row] || !valid[2][row]) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const int64_t begin, begins.At(row));
    ARROW_ASSIGN_OR_RAISE(const int64_t end, last.At(row));
    return AppendTimes(&steps, steps[row], begin, end, kClosed, &items);
  }));
  end_rows(rows.length);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr ticks, items.Finish());
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr times, ticks->View(time));
  return MakeLists(ctx, ends, times);
}

/// Times in microseconds or finer, of one zone.
Result<TypePtr> TimesType(std::span<const TypePtr> args) {
  const auto zone = [&](size_t i) {
    return static_cast<const arrow::TimestampType&>(*args[i]).timezone();
  };
  if (zone(0) != zone(1)) {
    return Error(ErrorKind::kTypeMismatch, "a range is of times of one zone, got {} and {}",
                 SqlNameOf(*args[0]), SqlNameOf(*args[1]));
  }
  const auto unit = std::max({UnitOfTime(*args[0]), UnitOfTime(*args[1]), arrow::TimeUnit::MICRO});
  return arrow::list(arrow::timestamp(unit, zone(0)));
}

Result<TypePtr> NumbersType(std::span<const TypePtr>) { return arrow::list(arrow::int64()); }

template <bool kClosed>
constexpr Overload kRangeForm[] = {
    {.args = kArgs<kInt64>, .result = NumbersType, .scalar = Range<kClosed>},
    {.args = kArgs<kInt64, kInt64>, .result = NumbersType, .scalar = Range<kClosed>},
    {.args = kArgs<kInt64, kInt64, kInt64>, .result = NumbersType, .scalar = Range<kClosed>},
    {.args = kArgs<kTimestamp, kTimestamp, kInterval>,
     .result = TimesType,
     .scalar = TimeRange<kClosed>},
};

constexpr Example kRangeExamples[] = {
    {"range(3)", "[0, 1, 2]"}, {"range(5, 0, -2)", "[5, 3, 1]"}, {"range(NULL)", "NULL"}};
constexpr Example kSeriesExamples[] = {{"generate_series(1, 3)", "[1, 2, 3]"},
                                       {"generate_series(1, NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRange) = {
    .id = "range",
    .names = {.sql = "range"},
    .overloads = kRangeForm<false>,
    .arguments = "start, end, step",
    .doc =
        "A list of the integers from start (0) in steps (of 1) up to the end, which is not in it; "
        "or of times in steps of an interval.",
    .examples = kRangeExamples,
};

HEADRACE_DEFINE_FUNCTION(kGenerateSeries) = {
    .id = "generate_series",
    .names = {.sql = "generate_series"},
    .overloads = kRangeForm<true>,
    .arguments = "start, end, step",
    .doc =
        "A list of the integers from start (0) in steps (of 1) up to the end, which may be in it; "
        "or of times in steps of an interval.",
    .examples = kSeriesExamples,
};

}  // namespace headrace
