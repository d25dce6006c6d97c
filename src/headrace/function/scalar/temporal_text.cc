// Dates and times as text and from text.
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/function/civil_time.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/epoch_millis.h"
#include "headrace/function/text_column.h"
#include "headrace/function/time_format.h"

namespace headrace {
namespace {

using enum ArgPattern;

Result<ArrayPtr> Strftime(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> ticks(args[0]);
  const BytesView format(args[1]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*args[0].array->type()));
  std::string text;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    text.clear();
    ARROW_RETURN_NOT_OK(
        FormatTime(clock.At(ticks[row]), clock.OffsetAt(ticks[row]), format[row], &text));
    return out.Append(text);
  });
}

/// Microseconds; `kTry` makes text that does not fit null.
template <bool kTry>
Result<ArrayPtr> Strptime(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView format(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  std::shared_ptr<arrow::Buffer> valid;
  if (kTry) {
    ARROW_ASSIGN_OR_RAISE(valid, arrow::AllocateBitmap(rows.length, ctx.pool));
    arrow::bit_util::SetBitsTo(valid->mutable_data(), 0, rows.length, true);
  }
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    CivilTime time{};
    ARROW_ASSIGN_OR_RAISE(ParsedTime parsed, ParseTime(text[row], format[row], &time));
    if (parsed == ParsedTime::kOk && !TicksOfTime(time, 1'000'000, out.data() + row)) {
      return Status::OK();
    }
    if (kTry) {
      arrow::bit_util::ClearBit(valid->mutable_data(), row);
      return Status::OK();
    }
    return Error(ErrorKind::kBadData, "expected a time in the form '{}', got '{}'", format[row],
                 text[row]);
  }));
  auto data = out.Finish(ctx.result_type)->data()->Copy();
  data->buffers[0] = std::move(valid);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

template <bool kMonth>
Result<ArrayPtr> NameOfTime(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> ticks(args[0]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*args[0].array->type()));
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const int64_t tick = ticks[row];
    const int64_t days = clock.is_zoned() ? clock.At(tick).days : clock.utc().DaysAt(tick);
    return out.Append(kMonth ? kMonthNames[DateOfDays(days).month - 1]
                             : kWeekdayNames[WeekdayOf(days)]);
  });
}

constexpr Overload kStrftimeOverloads[] = {
    {.args = kArgs<kTimestamp, kString>, .result = StringType, .scalar = Strftime},
    {.args = kArgs<kInt64, kString>, .result = StringType, .scalar = OfMillis<Strftime, 0, 1>},
};
template <bool kTry>
constexpr Overload kStrptimeForm[] = {
    {.args = kArgs<kString, kString>, .result = TimestampType, .scalar = Strptime<kTry>},
};
template <bool kMonth>
constexpr Overload kNameForm[] = {
    {.args = kArgs<kTimestamp>, .result = StringType, .scalar = NameOfTime<kMonth>},
};

constexpr Example kStrftimeExamples[] = {
    {"strftime(TIMESTAMP '2013-07-04 10:20:30', '%d.%m.%Y %H:%M')", "04.07.2013 10:20"},
    {"strftime(DATE '2013-07-04', '%A, %-d %B')", "Thursday, 4 July"},
    {"strftime(NULL, '%Y')", "NULL"}};
constexpr Example kStrptimeExamples[] = {
    {"strptime('04.07.2013 10:20', '%d.%m.%Y %H:%M')", "2013-07-04 10:20:00"},
    {"strptime(NULL, '%Y')", "NULL"}};
constexpr Example kTryStrptimeExamples[] = {
    {"try_strptime('2013-07-04', '%Y-%m-%d')", "2013-07-04 00:00:00"},
    {"try_strptime('soon', '%Y')", "NULL"}};
constexpr Example kDayNameExamples[] = {{"dayname(DATE '2013-07-04')", "Thursday"},
                                        {"dayname(NULL)", "NULL"}};
constexpr Example kMonthNameExamples[] = {{"monthname(DATE '2013-07-04')", "July"},
                                          {"monthname(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kStrftime) = {
    .id = "strftime",
    .names = {.sql = "strftime|date_format"},
    .overloads = kStrftimeOverloads,
    .arguments = "x, format",
    .doc =
        "A time as text: %Y %m %d %H %M %S, %y %I %p %j %f (microseconds) %g (milliseconds) %n "
        "(nanoseconds) %a %A %b %B %u %w %U %W %V %G %z %x %X %c %%; %-d and the like without "
        "zeros. An integer is milliseconds since 1970-01-01.",
    .examples = kStrftimeExamples,
};

HEADRACE_DEFINE_FUNCTION(kStrptime) = {
    .id = "strptime",
    .names = {.sql = "strptime"},
    .overloads = kStrptimeForm<false>,
    .flags = function_flag::kElementwise,
    .arguments = "x, format",
    .doc =
        "The timestamp that a text stands for, by the specifiers of strftime; with %z in UTC. Text "
        "that does not fit is an error.",
    .examples = kStrptimeExamples,
};

HEADRACE_DEFINE_FUNCTION(kTryStrptime) = {
    .id = "try_strptime",
    .names = {.sql = "try_strptime"},
    .overloads = kStrptimeForm<true>,
    .flags = function_flag::kElementwise,
    .arguments = "x, format",
    .doc = "As strptime, but null for text that does not fit.",
    .examples = kTryStrptimeExamples,
};

HEADRACE_DEFINE_FUNCTION(kDayName) = {
    .id = "dayname",
    .names = {.sql = "dayname"},
    .overloads = kNameForm<false>,
    .arguments = "x",
    .doc = "The English name of the day of the week.",
    .examples = kDayNameExamples,
};

HEADRACE_DEFINE_FUNCTION(kMonthName) = {
    .id = "monthname",
    .names = {.sql = "monthname"},
    .overloads = kNameForm<true>,
    .arguments = "x",
    .doc = "The English name of the month.",
    .examples = kMonthNameExamples,
};

}  // namespace headrace
