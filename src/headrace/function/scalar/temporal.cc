// Functions of time.
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

}  // namespace headrace
