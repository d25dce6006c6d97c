// The time of the query: one value for all of it, fixed when it starts (plan/fix_time.h).
#include <algorithm>

#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/define.h"
#include "headrace/function/once_per_query.h"
#include "headrace/function/view.h"

namespace headrace {
namespace {

constexpr int64_t kMicrosPerDay = kSecondsPerDay * 1'000'000;

template <typename T, auto kOfMicros>
Result<ArrayPtr> Now(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  if (args.empty()) {
    return Error(ErrorKind::kInternal, "the time of the query is asked for before it was fixed");
  }
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, static_cast<T>(kOfMicros(View<int64_t>(args[0])[0])));
  return out.Finish(ctx.result_type);
}

constexpr auto kItself = [](int64_t micros) { return micros; };
constexpr auto kDays = [](int64_t micros) { return FloorDivide(micros, kMicrosPerDay); };
constexpr auto kOfDay = [](int64_t micros) {
  return micros - FloorDivide(micros, kMicrosPerDay) * kMicrosPerDay;
};

Result<TypePtr> ZonedType(std::span<const TypePtr>) {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}
Result<TypePtr> TimeType(std::span<const TypePtr>) { return arrow::time64(arrow::TimeUnit::MICRO); }

template <typename T, auto kOfMicros, ResultRule kResult>
constexpr Overload kForm[] = {{.args = {}, .result = kResult, .scalar = Now<T, kOfMicros>}};

constexpr Example kNowExamples[] = {{"now() = current_timestamp", "true"},
                                    {"nullif(now(), current_timestamp)", "NULL"},
                                    {"now() > TIMESTAMPTZ '2020-01-01 00:00:00Z'", "true"}};
constexpr Example kTodayExamples[] = {{"today() = current_date", "true"},
                                      {"today() > DATE '2020-01-01'", "true"},
                                      {"nullif(current_date, today())", "NULL"}};
constexpr Example kLocalNowExamples[] = {{"localtimestamp > TIMESTAMP '2020-01-01'", "true"},
                                         {"nullif(localtimestamp, localtimestamp)", "NULL"}};
constexpr Example kTimeOfDayExamples[] = {{"current_time = current_time", "true"},
                                          {"nullif(current_time, current_time)", "NULL"}};

constexpr uint32_t kFlags = function_flag::kVolatile | function_flag::kOncePerQuery;

}  // namespace

HEADRACE_DEFINE_FUNCTION(kNow) = {
    .id = "now",
    .names = {.sql = "now|current_timestamp|transaction_timestamp|get_current_timestamp"},
    .overloads = kForm<int64_t, kItself, ZonedType>,
    .flags = kFlags,
    .doc =
        "The time at which the query started, in UTC, the same everywhere in it; of a stream, the "
        "time at which its job started.",
    .examples = kNowExamples,
};

HEADRACE_DEFINE_FUNCTION(kToday) = {
    .id = "today",
    .names = {.sql = "today|current_date"},
    .overloads = kForm<int32_t, kDays, DateType>,
    .flags = kFlags,
    .doc = "The date in UTC at which the query started.",
    .examples = kTodayExamples,
};

HEADRACE_DEFINE_FUNCTION(kLocalNow) = {
    .id = "localtimestamp",
    .names = {.sql = "localtimestamp|current_localtimestamp"},
    .overloads = kForm<int64_t, kItself, TimestampType>,
    .flags = kFlags,
    .doc = "The time at which the query started as a timestamp without a zone, of UTC.",
    .examples = kLocalNowExamples,
};

HEADRACE_DEFINE_FUNCTION(kTimeOfDay) = {
    .id = "current_time",
    .names = {.sql = "current_time|get_current_time"},
    .overloads = kForm<int64_t, kOfDay, TimeType>,
    .flags = kFlags,
    .doc = "The time of day in UTC at which the query started.",
    .examples = kTimeOfDayExamples,
};

}  // namespace headrace
