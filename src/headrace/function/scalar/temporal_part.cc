// Parts of dates and times: date_part and its short forms, date_trunc, date_diff, date_sub.
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/date_part.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/epoch_millis.h"
#include "headrace/function/tick_multiples.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// The part that each row names; constants are looked up once.
class PartOfRow {
 public:
  explicit PartOfRow(const Argument& names) : names_(names), is_constant_(names.is_constant) {}

  Result<DatePart> At(int64_t row) {
    if (is_constant_ && part_.has_value()) return *part_;
    ARROW_ASSIGN_OR_RAISE(part_, DatePartOf(names_[row]));
    return *part_;
  }

 private:
  BytesView names_;
  bool is_constant_;
  std::optional<DatePart> part_;
};

/// Calls `loop` with what gives the local time of ticks.
template <typename Loop>
auto VisitClock(LocalClock& clock, Loop&& loop) {
  if (!clock.is_zoned()) {
    return loop([utc = clock.utc()](int64_t ticks) { return utc.At(ticks); });
  }
  return loop([&clock](int64_t ticks) { return clock.At(ticks); });
}

/// The part of a day near 1970, in 32 bits where it is no week.
template <DatePart kPart>
int64_t ReadNearPart(int32_t days) {
  if constexpr (kPart == DatePart::kDayOfWeek) {
    return WeekdayOfNearDays(days);
  } else if constexpr (kPart == DatePart::kIsoDayOfWeek) {
    return WeekdayOfNearDays(days - 1) + 1;
  } else {
    const CivilDate date = DateOfNearDays(days);
    if constexpr (kPart != DatePart::kDayOfYear) return ReadPart(kPart, {days, 0}, date);
    const auto year = static_cast<int32_t>(date.year);
    const int32_t is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0));
    // 30.56 days a month, and what February lacks.
    return 275 * date.month / 9 - (date.month > 2 ? 2 - is_leap : 0) + date.day - 30;
  }
}

/// Parts of the dates that `day_of(row)` gives, a block at a time in SIMD registers; false when one
/// is too far from 1970.
template <DatePart kPart, typename DayOf>
bool ReadNearDates(int64_t length, int64_t* out, const DayOf& day_of) {
  constexpr int64_t kBlock = 1024;
  int32_t days[kBlock];
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const int64_t count = std::min(kBlock, length - begin);
    uint64_t far = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t day = day_of(begin + i);
      far |= static_cast<uint64_t>(day + kNearDaysMax - 1) >= 2 * kNearDaysMax - 1;
      days[i] = static_cast<int32_t>(day);
    }
    if (far != 0) return false;
    int64_t* const block = out + begin;
    for (int64_t i = 0; i < count; ++i) block[i] = ReadNearPart<kPart>(days[i]);
  }
  return true;
}

/// The whole number of the part of every row.
template <DatePart kPart>
void ReadWholeParts(LocalClock& clock, const View<int64_t>& ticks, int64_t length, int64_t* out) {
  if constexpr (IsOfDate(kPart)) {
    const TickClock utc = clock.utc();
    const auto day_of = [&](int64_t row) { return utc.DaysAt(ticks[row]); };
    if (!clock.is_zoned() && ReadNearDates<kPart>(length, out, day_of)) return;
  }
  VisitClock(clock, [&](const auto& time_of) {
    for (int64_t row = 0; row < length; ++row) out[row] = ReadPart(kPart, time_of(ticks[row]));
  });
}

/// `read(part, time)` of every active row; `read_all(part, clock, ticks, out)` where all have one.
template <typename T, typename ReadAll, typename ReadValue>
Result<ArrayPtr> ReadParts(KernelContext& ctx, const Argument& names, const Argument& times,
                           const Rows& rows, ReadAll&& read_all, ReadValue&& read) {
  PartOfRow parts(names);
  const View<int64_t> ticks(times);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*times.array->type()));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(rows.length, ctx.pool));
  if (names.is_constant && rows.length > 0 && names.array->IsValid(0)) {
    ARROW_ASSIGN_OR_RAISE(const DatePart constant, parts.At(0));
    VisitPart(constant, [&](auto part) { read_all(part, clock, ticks, out.data()); });
    return out.Finish(ctx.result_type);
  }
  std::fill_n(out.data(), rows.length, T{});
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    ARROW_ASSIGN_OR_RAISE(const DatePart part, parts.At(row));
    out.data()[row] = static_cast<T>(read(part, clock.At(ticks[row])));
    return Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> DatePartKernel(KernelContext& ctx, std::span<const Argument> args,
                                const Rows& rows) {
  if (ctx.result_type->id() == arrow::Type::DOUBLE) {
    const auto read = [](DatePart part, const CivilTime& time) {
      return IsFractional(part) ? ReadFractionalPart(part, time)
                                : static_cast<double>(ReadPart(part, time));
    };
    const auto read_all = [&](auto part, LocalClock& clock, const View<int64_t>& ticks,
                              double* out) {
      VisitClock(clock, [&](const auto& time_of) {
        for (int64_t row = 0; row < rows.length; ++row)
          out[row] = read(part(), time_of(ticks[row]));
      });
    };
    return ReadParts<double>(ctx, args[0], args[1], rows, read_all, read);
  }
  const auto read = [](DatePart part, const CivilTime& time) { return ReadPart(part, time); };
  const auto read_all = [&](auto part, LocalClock& clock, const View<int64_t>& ticks,
                            int64_t* out) {
    ReadWholeParts<part()>(clock, ticks, rows.length, out);
  };
  return ReadParts<int64_t>(ctx, args[0], args[1], rows, read_all, read);
}

/// BIGINT, or DOUBLE when the part is a literal that has fractions.
Result<TypePtr> DatePartType(std::span<const TypePtr>, std::span<const ScalarPtr> literals) {
  if (literals[0] == nullptr || !literals[0]->is_valid) return arrow::int64();
  ARROW_ASSIGN_OR_RAISE(const DatePart part, DatePartOf(literals[0]->ToString()));
  return IsFractional(part) ? arrow::float64() : arrow::int64();
}

/// The same of a time of the day, which has only parts that are shorter than a day.
Result<TypePtr> TimePartType(std::span<const TypePtr> args, std::span<const ScalarPtr> literals) {
  ARROW_ASSIGN_OR_RAISE(TypePtr type, DatePartType(args, literals));
  if (literals[0] != nullptr && !literals[0]->is_valid) return type;
  if (literals[0] != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const DatePart part, DatePartOf(literals[0]->ToString()));
    if (!IsOfDate(part) && part != DatePart::kJulian) return type;
  }
  return Error(ErrorKind::kTypeMismatch,
               "a time of the day has an hour, minute, second, millisecond, microsecond and epoch; "
               "got {}",
               literals[0] == nullptr ? "a part that is no constant" : literals[0]->ToString());
}

template <DatePart kPart>
Result<ArrayPtr> OnePart(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> ticks(args[0]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*args[0].array->type()));
  using T =
      std::conditional_t<kPart == DatePart::kEpoch || kPart == DatePart::kJulian, double, int64_t>;
  ARROW_ASSIGN_OR_RAISE(auto out, Output<T>::Make(rows.length, ctx.pool));
  if constexpr (kPart == DatePart::kEpoch) {
    const TickClock utc = clock.utc();
    for (int64_t row = 0; row < rows.length; ++row) {
      out.data()[row] = ReadFractionalPart(kPart, utc.At(ticks[row]));
    }
  } else if constexpr (kPart == DatePart::kJulian) {
    VisitClock(clock, [&](const auto& time_of) {
      for (int64_t row = 0; row < rows.length; ++row) {
        out.data()[row] = ReadFractionalPart(kPart, time_of(ticks[row]));
      }
    });
  } else {
    ReadWholeParts<kPart>(clock, ticks, rows.length, out.data());
  }
  return out.Finish(ctx.result_type);
}

template <DatePart kPart>
Result<ArrayPtr> OnePartOfDate(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  const View<int32_t> days(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  const auto day_of = [&](int64_t row) { return int64_t{days[row]}; };
  if (!ReadNearDates<kPart>(rows.length, out.data(), day_of)) {
    for (int64_t row = 0; row < rows.length; ++row) {
      out.data()[row] = ReadPart(kPart, {day_of(row), 0});
    }
  }
  return out.Finish(ctx.result_type);
}

/// Ticks since 1970 at another precision.
template <int64_t kTicksPerSecond>
Result<ArrayPtr> EpochTicks(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  struct Op {
    TickClock clock;
    bool operator()(int64_t ticks, int64_t* out) const {
      return TicksOfTime(clock.At(ticks), kTicksPerSecond, out);
    }
    Status Fail(int64_t ticks) const {
      return Error(ErrorKind::kOverflow, "int64 overflow in the ticks since 1970 of {}", ticks);
    }
  };
  const int64_t ticks_per_second = TicksPerSecond(UnitOfTime(*args[0].array->type()));
  return RunUnary<int64_t, int64_t>(ctx, args, rows, Op{TickClock(ticks_per_second)});
}

/// A timestamp from milliseconds since 1970.
Result<ArrayPtr> FromMilliseconds(KernelContext& ctx, std::span<const Argument> args,
                                  const Rows& rows) {
  struct Op {
    bool operator()(int64_t x, int64_t* out) const {
      return __builtin_mul_overflow(x, int64_t{1'000}, out);
    }
    Status Fail(int64_t x) const {
      return Error(ErrorKind::kOverflow, "timestamp overflow in epoch_ms({})", x);
    }
  };
  return RunUnary<int64_t, int64_t>(ctx, args, rows, Op{});
}

Status NoBegin(const char* function, DatePart part) {
  return Error(ErrorKind::kInvalidArgument, "{} does not know the {}", function,
               part == DatePart::kEra ? "era" : "Julian day");
}

/// False when a row has no begin or one that does not fit.
template <DatePart kPart>
bool CutToBegins(const TickClock& clock, int64_t ticks_per_second, const View<int64_t>& ticks,
                 int64_t length, int64_t* out) {
  bool fits = true;
  for (int64_t row = 0; row < length; ++row) {
    const auto cut = CutToPart(kPart, clock.At(ticks[row]));
    if (!cut.has_value()) return false;
    int64_t day_ticks = 0;
    const bool overflow =
        __builtin_mul_overflow(cut->days, ticks_per_second * kSecondsPerDay, &day_ticks);
    const int64_t rest = cut->nanos / (kNanosPerSecond / ticks_per_second);
    fits &= !overflow && !__builtin_add_overflow(day_ticks, rest, out + row);
  }
  return fits;
}

/// The same for the part that all rows have.
bool CutAll(DatePart constant, LocalClock& clock, const View<int64_t>& ticks, int64_t length,
            int64_t* out) {
  if (clock.is_zoned()) return false;
  const int64_t step = TicksOf(constant, clock.ticks_per_second());
  if (step > 0 && BeginsAtMultiples(constant)) return CutToMultiples(step, ticks, length, out);
  bool fits = true;
  VisitPart(constant, [&](auto part) {
    fits = CutToBegins<part()>(clock.utc(), clock.ticks_per_second(), ticks, length, out);
  });
  return fits;
}

Result<ArrayPtr> DateTrunc(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  PartOfRow parts(args[0]);
  const View<int64_t> ticks(args[1]);
  ARROW_ASSIGN_OR_RAISE(LocalClock clock, LocalClock::Make(*args[1].array->type()));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  if (args[0].is_constant && rows.length > 0 && args[0].array->IsValid(0)) {
    ARROW_ASSIGN_OR_RAISE(const DatePart constant, parts.At(0));
    if (CutAll(constant, clock, ticks, rows.length, out.data())) {
      return out.Finish(ctx.result_type);
    }
  }
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    ARROW_ASSIGN_OR_RAISE(const DatePart part, parts.At(row));
    const auto cut = CutToPart(part, clock.At(ticks[row]));
    if (!cut.has_value()) return NoBegin("date_trunc", part);
    if (!clock.TicksAt(*cut, out.data() + row)) return Status::OK();
    return Error(ErrorKind::kOverflow, "timestamp overflow in date_trunc of {}", ticks[row]);
  }));
  return out.Finish(ctx.result_type);
}

/// Whole periods between two times, or begins of periods.
template <bool kWhole>
std::optional<int64_t> Count(DatePart part, const CivilTime& from, const CivilTime& to) {
  return kWhole ? CountWhole(part, from, to) : CountBegins(part, from, to);
}

/// `count(from, to, &out)` of every row; false when one does not fit.
template <typename CountOne>
bool CountEach(const View<int64_t>& from, const View<int64_t>& to, int64_t length, int64_t* out,
               const CountOne& count) {
  bool failed = false;
  for (int64_t row = 0; row < length; ++row) failed |= count(from[row], to[row], out + row);
  return !failed;
}

/// Parts of fixed length between times of one unit without zones; false when the part is none or a
/// count does not fit.
template <bool kWhole>
bool CountFixed(DatePart part, const LocalClock& from_clock, const LocalClock& to_clock,
                const View<int64_t>& from, const View<int64_t>& to, int64_t length, int64_t* out) {
  const int64_t ticks_per_second = from_clock.ticks_per_second();
  const bool is_plain = !from_clock.is_zoned() && !to_clock.is_zoned() &&
                        ticks_per_second == to_clock.ticks_per_second();
  const int64_t step = is_plain ? TicksOf(part, ticks_per_second) : 0;
  if (step == 0) return false;
  const FloorDivider steps(step);
  if constexpr (kWhole) {
    return CountEach(from, to, length, out, [&](int64_t a, int64_t b, int64_t* count) {
      int64_t span = 0;
      const bool failed = __builtin_sub_overflow(b, a, &span);
      *count = steps(span < 0 ? span + (step - 1) : span);  // cut towards zero
      return failed;
    });
  }
  if (BeginsAtMultiples(part)) {
    return CountEach(from, to, length, out, [&](int64_t a, int64_t b, int64_t* count) {
      return __builtin_sub_overflow(steps(b), steps(a), count);
    });
  }
  const TickClock clock = from_clock.utc();
  const auto week_of = [&](int64_t ticks) { return WeekNumberOf(clock.DaysAt(ticks)); };
  return CountEach(from, to, length, out, [&](int64_t a, int64_t b, int64_t* count) {
    *count = week_of(b) - week_of(a);
    return false;
  });
}

template <bool kWhole>
Result<ArrayPtr> Difference(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  PartOfRow parts(args[0]);
  const View<int64_t> from(args[1]);
  const View<int64_t> to(args[2]);
  ARROW_ASSIGN_OR_RAISE(LocalClock from_clock, LocalClock::Make(*args[1].array->type()));
  ARROW_ASSIGN_OR_RAISE(LocalClock to_clock, LocalClock::Make(*args[2].array->type()));
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  if (args[0].is_constant && rows.length > 0 && args[0].array->IsValid(0)) {
    ARROW_ASSIGN_OR_RAISE(const DatePart constant, parts.At(0));
    if (CountFixed<kWhole>(constant, from_clock, to_clock, from, to, rows.length, out.data())) {
      return out.Finish(ctx.result_type);
    }
    bool failed = false;
    VisitPart(constant, [&](auto part) {
      VisitClock(from_clock, [&](const auto& from_time) {
        VisitClock(to_clock, [&](const auto& to_time) {
          for (int64_t row = 0; row < rows.length; ++row) {
            const auto count = Count<kWhole>(part(), from_time(from[row]), to_time(to[row]));
            failed |= !count.has_value();
            out.data()[row] = count.value_or(0);
          }
        });
      });
    });
    if (!failed) return out.Finish(ctx.result_type);
  }
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) -> Status {
    ARROW_ASSIGN_OR_RAISE(const DatePart part, parts.At(row));
    const auto count = Count<kWhole>(part, from_clock.At(from[row]), to_clock.At(to[row]));
    if (!count.has_value()) {
      return Error(ErrorKind::kInvalidArgument,
                   "a difference in this part of a date cannot be counted: '{}'",
                   BytesView(args[0])[row]);
    }
    out.data()[row] = *count;
    return Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

constexpr Overload kDatePartOverloads[] = {
    {.args = kArgs<kString, kTimestamp>,
     .scalar = DatePartKernel,
     .result_of_literals = DatePartType},
    {.args = kArgs<kString, kTime>, .scalar = DatePartKernel, .result_of_literals = TimePartType},
    {.args = kArgs<kString, kInt64>,
     .scalar = OfMillis<DatePartKernel, 1, 1>,
     .result_of_literals = DatePartType},
};
constexpr Overload kDateTruncOverloads[] = {
    {.args = kArgs<kString, kTimestamp>, .result = SecondType, .scalar = DateTrunc},
};
template <bool kWhole>
constexpr Overload kDifferenceForm[] = {
    {.args = kArgs<kString, kTimestamp, kTimestamp>,
     .result = Int64Type,
     .scalar = Difference<kWhole>},
    {.args = kArgs<kString, kInt64, kInt64>,
     .result = Int64Type,
     .scalar = OfMillis<Difference<kWhole>, 1, 2>},
};
template <DatePart kPart>
constexpr Overload kPartForm[] = {
    {.args = kArgs<kTimestamp>, .result = Int64Type, .scalar = OnePart<kPart>},
};
template <DatePart kPart>
constexpr Overload kPartOfTimeForm[] = {
    kPartForm<kPart>[0],
    {.args = kArgs<kTime>, .result = Int64Type, .scalar = OnePart<kPart>},
};
template <DatePart kPart>
constexpr Overload kPartOfDateForm[] = {
    kPartForm<kPart>[0],
    {.args = kArgs<kDate32>, .result = Int64Type, .scalar = OnePartOfDate<kPart>},
};
template <DatePart kPart>
constexpr Overload kFractionalForm[] = {
    {.args = kArgs<kTimestamp>, .result = Float64Type, .scalar = OnePart<kPart>},
};
template <int64_t kTicks>
constexpr Overload kTicksForm[] = {
    {.args = kArgs<kTimestamp>, .result = Int64Type, .scalar = EpochTicks<kTicks>},
};
constexpr Overload kEpochMsOverloads[] = {
    {.args = kArgs<kTimestamp>, .result = Int64Type, .scalar = EpochTicks<1'000>},
    {.args = kArgs<kInt64>, .result = TimestampType, .scalar = FromMilliseconds},
};

constexpr Example kDatePartExamples[] = {
    {"date_part('year', DATE '2013-07-04')", "2013"},
    {"date_part('epoch', TIMESTAMP '1970-01-02 00:00:00.5')", "86400.5"},
    {"date_part('year', NULL)", "NULL"}};
constexpr Example kDateTruncExamples[] = {
    {"date_trunc('month', TIMESTAMP '2013-07-04 10:20:30')", "2013-07-01 00:00:00"},
    {"date_trunc('week', DATE '2013-07-04')", "2013-07-01 00:00:00"},
    {"date_trunc('month', NULL)", "NULL"}};
constexpr Example kDateDiffExamples[] = {
    {"date_diff('month', DATE '2013-01-31', DATE '2013-02-01')", "1"},
    {"date_diff('day', DATE '2013-01-31', NULL)", "NULL"}};
constexpr Example kDateSubExamples[] = {
    {"date_sub('month', DATE '2013-01-31', DATE '2013-02-01')", "0"},
    {"date_sub('day', DATE '2013-01-31', NULL)", "NULL"}};
constexpr Example kYearExamples[] = {{"year(TIMESTAMP '2013-07-04 10:20:30.25')", "2013"},
                                     {"year(NULL)", "NULL"}};
constexpr Example kQuarterExamples[] = {{"quarter(TIMESTAMP '2013-07-04 10:20:30.25')", "3"},
                                        {"quarter(NULL)", "NULL"}};
constexpr Example kMonthExamples[] = {{"month(TIMESTAMP '2013-07-04 10:20:30.25')", "7"},
                                      {"month(NULL)", "NULL"}};
constexpr Example kWeekExamples[] = {{"week(TIMESTAMP '2013-07-04 10:20:30.25')", "27"},
                                     {"week(NULL)", "NULL"}};
constexpr Example kIsoYearExamples[] = {{"isoyear(TIMESTAMP '2013-07-04 10:20:30.25')", "2013"},
                                        {"isoyear(NULL)", "NULL"}};
constexpr Example kYearWeekExamples[] = {{"yearweek(TIMESTAMP '2013-07-04 10:20:30.25')", "201327"},
                                         {"yearweek(NULL)", "NULL"}};
constexpr Example kDayExamples[] = {{"day(TIMESTAMP '2013-07-04 10:20:30.25')", "4"},
                                    {"day(NULL)", "NULL"}};
constexpr Example kDayOfWeekExamples[] = {{"dayofweek(TIMESTAMP '2013-07-04 10:20:30.25')", "4"},
                                          {"dayofweek(NULL)", "NULL"}};
constexpr Example kIsoDayOfWeekExamples[] = {{"isodow(TIMESTAMP '2013-07-04 10:20:30.25')", "4"},
                                             {"isodow(NULL)", "NULL"}};
constexpr Example kDayOfYearExamples[] = {{"dayofyear(TIMESTAMP '2013-07-04 10:20:30.25')", "185"},
                                          {"dayofyear(NULL)", "NULL"}};
constexpr Example kHourExamples[] = {{"hour(TIMESTAMP '2013-07-04 10:20:30.25')", "10"},
                                     {"hour(NULL)", "NULL"}};
constexpr Example kMinuteExamples[] = {{"minute(TIMESTAMP '2013-07-04 10:20:30.25')", "20"},
                                       {"minute(NULL)", "NULL"}};
constexpr Example kSecondExamples[] = {{"second(TIMESTAMP '2013-07-04 10:20:30.25')", "30"},
                                       {"second(NULL)", "NULL"}};
constexpr Example kMillisecondExamples[] = {
    {"millisecond(TIMESTAMP '2013-07-04 10:20:30.25')", "30250"}, {"millisecond(NULL)", "NULL"}};
constexpr Example kMicrosecondExamples[] = {
    {"microsecond(TIMESTAMP '2013-07-04 10:20:30.25')", "30250000"}, {"microsecond(NULL)", "NULL"}};
constexpr Example kDecadeExamples[] = {{"decade(TIMESTAMP '2013-07-04 10:20:30.25')", "201"},
                                       {"decade(NULL)", "NULL"}};
constexpr Example kCenturyExamples[] = {{"century(TIMESTAMP '2013-07-04 10:20:30.25')", "21"},
                                        {"century(NULL)", "NULL"}};
constexpr Example kEpochExamples[] = {
    {"epoch(TIMESTAMP '2013-07-04 10:20:30.25')", "1372933230.25"}, {"epoch(NULL)", "NULL"}};
constexpr Example kJulianExamples[] = {{"julian(DATE '2000-01-01')", "2451545.0"},
                                       {"julian(NULL)", "NULL"}};
constexpr Example kEpochMsExamples[] = {
    {"epoch_ms(TIMESTAMP '2013-07-04 10:20:30.25')", "1372933230250"},
    {"epoch_ms(1500)", "1970-01-01 00:00:01.5"},
    {"epoch_ms(NULL)", "NULL"}};
constexpr Example kEpochUsExamples[] = {
    {"epoch_us(TIMESTAMP '2013-07-04 10:20:30.25')", "1372933230250000"},
    {"epoch_us(NULL)", "NULL"}};
constexpr Example kEpochNsExamples[] = {
    {"epoch_ns(TIMESTAMP '2013-07-04 10:20:30.25')", "1372933230250000000"},
    {"epoch_ns(NULL)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kDatePart) = {
    .id = "date_part",
    .names = {.sql = "date_part|datepart"},
    .overloads = kDatePartOverloads,
    .arguments = "part, x",
    .doc =
        "A part of a date, timestamp or time of the day, zoned ones in their zone: year, quarter, "
        "month, week (ISO), day, dow (Sunday is 0), isodow, doy, hour, minute, second, millisecond "
        "and microsecond (with the seconds), isoyear, yearweek, decade, century, millennium, era; "
        "epoch and julian as DOUBLE. Integers are milliseconds since 1970-01-01.",
    .examples = kDatePartExamples,
};

HEADRACE_DEFINE_FUNCTION(kDateTrunc) = {
    .id = "date_trunc",
    .names = {.sql = "date_trunc|datetrunc"},
    .overloads = kDateTruncOverloads,
    .arguments = "part, x",
    .doc = "The begin of the period that holds x; weeks begin on Monday.",
    .examples = kDateTruncExamples,
};

HEADRACE_DEFINE_FUNCTION(kDateDiff) = {
    .id = "date_diff",
    .names = {.sql = "date_diff|datediff"},
    .overloads = kDifferenceForm<false>,
    .arguments = "part, start, end",
    .doc =
        "How many periods begin between two times: months between 31 January and 1 February are "
        "1. See date_sub for whole ones. Integers are milliseconds since 1970-01-01.",
    .examples = kDateDiffExamples,
};

HEADRACE_DEFINE_FUNCTION(kDateSub) = {
    .id = "date_sub",
    .names = {.sql = "date_sub|datesub"},
    .overloads = kDifferenceForm<true>,
    .arguments = "part, start, end",
    .doc = "How many whole periods lie between two times.",
    .examples = kDateSubExamples,
};

HEADRACE_DEFINE_FUNCTION(kYear) = {
    .id = "year",
    .names = {.sql = "year", .ltseq = "dt_year"},
    .overloads = kPartOfDateForm<DatePart::kYear>,
    .arguments = "x",
    .doc = "The year.",
    .examples = kYearExamples,
};

HEADRACE_DEFINE_FUNCTION(kQuarter) = {
    .id = "quarter",
    .names = {.sql = "quarter"},
    .overloads = kPartOfDateForm<DatePart::kQuarter>,
    .arguments = "x",
    .doc = "The quarter of the year, 1 to 4.",
    .examples = kQuarterExamples,
};

HEADRACE_DEFINE_FUNCTION(kMonth) = {
    .id = "month",
    .names = {.sql = "month", .ltseq = "dt_month"},
    .overloads = kPartOfDateForm<DatePart::kMonth>,
    .arguments = "x",
    .doc = "The month of the year, 1 to 12.",
    .examples = kMonthExamples,
};

HEADRACE_DEFINE_FUNCTION(kWeek) = {
    .id = "week",
    .names = {.sql = "week|weekofyear"},
    .overloads = kPartOfDateForm<DatePart::kWeek>,
    .arguments = "x",
    .doc = "The week of the year by ISO 8601: weeks begin on Monday, the first has a Thursday.",
    .examples = kWeekExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsoYear) = {
    .id = "isoyear",
    .names = {.sql = "isoyear"},
    .overloads = kPartOfDateForm<DatePart::kIsoYear>,
    .arguments = "x",
    .doc = "The year that the ISO week belongs to.",
    .examples = kIsoYearExamples,
};

HEADRACE_DEFINE_FUNCTION(kYearWeek) = {
    .id = "yearweek",
    .names = {.sql = "yearweek"},
    .overloads = kPartOfDateForm<DatePart::kYearWeek>,
    .arguments = "x",
    .doc = "The ISO year and week as one number: 201327.",
    .examples = kYearWeekExamples,
};

HEADRACE_DEFINE_FUNCTION(kDay) = {
    .id = "day",
    .names = {.sql = "day|dayofmonth", .ltseq = "dt_day"},
    .overloads = kPartOfDateForm<DatePart::kDay>,
    .arguments = "x",
    .doc = "The day of the month.",
    .examples = kDayExamples,
};

HEADRACE_DEFINE_FUNCTION(kDayOfWeek) = {
    .id = "dayofweek",
    .names = {.sql = "dayofweek|weekday"},
    .overloads = kPartOfDateForm<DatePart::kDayOfWeek>,
    .arguments = "x",
    .doc = "The day of the week; Sunday is 0, Saturday 6.",
    .examples = kDayOfWeekExamples,
};

HEADRACE_DEFINE_FUNCTION(kIsoDayOfWeek) = {
    .id = "isodow",
    .names = {.sql = "isodow"},
    .overloads = kPartOfDateForm<DatePart::kIsoDayOfWeek>,
    .arguments = "x",
    .doc = "The day of the week by ISO 8601; Monday is 1, Sunday 7.",
    .examples = kIsoDayOfWeekExamples,
};

HEADRACE_DEFINE_FUNCTION(kDayOfYear) = {
    .id = "dayofyear",
    .names = {.sql = "dayofyear"},
    .overloads = kPartOfDateForm<DatePart::kDayOfYear>,
    .arguments = "x",
    .doc = "The day of the year, from 1.",
    .examples = kDayOfYearExamples,
};

HEADRACE_DEFINE_FUNCTION(kHour) = {
    .id = "hour",
    .names = {.sql = "hour", .ltseq = "dt_hour"},
    .overloads = kPartOfTimeForm<DatePart::kHour>,
    .arguments = "x",
    .doc = "The hour of the day.",
    .examples = kHourExamples,
};

HEADRACE_DEFINE_FUNCTION(kMinute) = {
    .id = "minute",
    .names = {.sql = "minute", .ltseq = "dt_minute"},
    .overloads = kPartOfTimeForm<DatePart::kMinute>,
    .arguments = "x",
    .doc = "The minute of the hour.",
    .examples = kMinuteExamples,
};

HEADRACE_DEFINE_FUNCTION(kSecond) = {
    .id = "second",
    .names = {.sql = "second", .ltseq = "dt_second"},
    .overloads = kPartOfTimeForm<DatePart::kSecond>,
    .arguments = "x",
    .doc = "The whole second of the minute.",
    .examples = kSecondExamples,
};

HEADRACE_DEFINE_FUNCTION(kMillisecond) = {
    .id = "millisecond",
    .names = {.sql = "millisecond"},
    .overloads = kPartOfTimeForm<DatePart::kMillisecond>,
    .arguments = "x",
    .doc = "Milliseconds since the minute began.",
    .examples = kMillisecondExamples,
};

HEADRACE_DEFINE_FUNCTION(kMicrosecond) = {
    .id = "microsecond",
    .names = {.sql = "microsecond"},
    .overloads = kPartOfTimeForm<DatePart::kMicrosecond>,
    .arguments = "x",
    .doc = "Microseconds since the minute began.",
    .examples = kMicrosecondExamples,
};

HEADRACE_DEFINE_FUNCTION(kDecade) = {
    .id = "decade",
    .names = {.sql = "decade"},
    .overloads = kPartOfDateForm<DatePart::kDecade>,
    .arguments = "x",
    .doc = "The year over ten.",
    .examples = kDecadeExamples,
};

HEADRACE_DEFINE_FUNCTION(kCentury) = {
    .id = "century",
    .names = {.sql = "century"},
    .overloads = kPartOfDateForm<DatePart::kCentury>,
    .arguments = "x",
    .doc = "The century; 2001 began the 21st.",
    .examples = kCenturyExamples,
};

HEADRACE_DEFINE_FUNCTION(kEpoch) = {
    .id = "epoch",
    .names = {.sql = "epoch"},
    .overloads = kFractionalForm<DatePart::kEpoch>,
    .arguments = "x",
    .doc = "Seconds since 1970-01-01 00:00:00 UTC, with fractions.",
    .examples = kEpochExamples,
};

HEADRACE_DEFINE_FUNCTION(kJulian) = {
    .id = "julian",
    .names = {.sql = "julian"},
    .overloads = kFractionalForm<DatePart::kJulian>,
    .arguments = "x",
    .doc = "The Julian day, with fractions.",
    .examples = kJulianExamples,
};

HEADRACE_DEFINE_FUNCTION(kEpochMs) = {
    .id = "epoch_ms",
    .names = {.sql = "epoch_ms"},
    .overloads = kEpochMsOverloads,
    .arguments = "x",
    .doc = "Milliseconds since 1970-01-01 00:00:00 UTC, or of such a number the timestamp.",
    .examples = kEpochMsExamples,
};

HEADRACE_DEFINE_FUNCTION(kEpochUs) = {
    .id = "epoch_us",
    .names = {.sql = "epoch_us"},
    .overloads = kTicksForm<1'000'000>,
    .arguments = "x",
    .doc = "Microseconds since 1970-01-01 00:00:00 UTC.",
    .examples = kEpochUsExamples,
};

HEADRACE_DEFINE_FUNCTION(kEpochNs) = {
    .id = "epoch_ns",
    .names = {.sql = "epoch_ns"},
    .overloads = kTicksForm<1'000'000'000>,
    .arguments = "x",
    .doc = "Nanoseconds since 1970-01-01 00:00:00 UTC.",
    .examples = kEpochNsExamples,
};

}  // namespace headrace
