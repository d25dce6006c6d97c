// Spellings of times to ticks of a timestamp type.
#include "headrace/format/time_form.h"

#include <utility>

#include <fmt/ranges.h>

#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/base/ascii_case.h"
#include "headrace/format/csv/cell.h"
#include "headrace/function/time_format.h"

namespace headrace {
namespace {

using Kind = TimeForm::Kind;

constexpr const char* kForms =
    "iso8601, epoch_seconds, epoch_millis, epoch_micros, epoch_nanos, auto or a pattern with %";

Result<TimeForm> ParseForm(const std::string& text) {
  const std::string lower = LowerCase(text);
  if (lower == "iso8601" || lower == "iso") return TimeForm{};
  if (lower == "auto") return TimeForm{.kind = Kind::kAuto};
  if (lower == "epoch_seconds" || lower == "epoch") {
    return TimeForm{.kind = Kind::kEpoch, .tick_nanos = kNanosPerSecond};
  }
  if (lower == "epoch_millis") return TimeForm{.kind = Kind::kEpoch, .tick_nanos = 1'000'000};
  if (lower == "epoch_micros") return TimeForm{.kind = Kind::kEpoch, .tick_nanos = 1'000};
  if (lower == "epoch_nanos") return TimeForm{.kind = Kind::kEpoch, .tick_nanos = 1};
  if (text.find('%') == std::string::npos) {
    return Error(ErrorKind::kInvalidArgument, "option event.time.format expects {}, got '{}'",
                 kForms, text);
  }
  CivilTime unused;
  ARROW_RETURN_NOT_OK(WithContext(ParseTime("", text, &unused).status(), "event.time.format: "));
  return TimeForm{.kind = Kind::kPattern, .pattern = text};
}

std::string NameOf(const TimeForm& form) {
  switch (form.kind) {
    case Kind::kIso:
      return "as ISO 8601 text (option event.time.format tells of other forms, as 'epoch_millis')";
    case Kind::kAuto:
      return "as ISO 8601 text or as seconds, milliseconds, microseconds or nanoseconds since 1970";
    case Kind::kPattern:
      return "as " + form.pattern;
    case Kind::kEpoch:
      break;
  }
  return form.tick_nanos == 1           ? "as epoch_nanos"
         : form.tick_nanos == 1'000     ? "as epoch_micros"
         : form.tick_nanos == 1'000'000 ? "as epoch_millis"
                                        : "as epoch_seconds";
}

/// Of a number by its magnitude: each takes the years 1973 to 5138.
int64_t TickNanosOf(int64_t number) {
  const uint64_t magnitude =
      number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  if (magnitude < 100'000'000'000) return kNanosPerSecond;
  if (magnitude < 100'000'000'000'000) return 1'000'000;
  return magnitude < 100'000'000'000'000'000 ? 1'000 : 1;
}

/// `value` ticks of `from` nanoseconds as ticks of `to`; false when that is not exact or too much.
bool ChangeUnit(int64_t value, int64_t from, int64_t to, int64_t* out) {
  if (from >= to) return !__builtin_mul_overflow(value, from / to, out);
  *out = value / (to / from);
  return value % (to / from) == 0;
}

}  // namespace

const TimeForm* TimeForms::Of(const arrow::Field& column) const {
  return field.empty() || field == column.name() ? &form : nullptr;
}

Result<TimeForms> ReadTimeForms(OptionReader& reader, const arrow::Schema& schema) {
  TimeForms forms;
  ARROW_ASSIGN_OR_RAISE(forms.field, reader.Text("event.time.field", ""));
  ARROW_ASSIGN_OR_RAISE(const std::string form, reader.Text("event.time.format", "iso8601"));
  ARROW_ASSIGN_OR_RAISE(forms.form, ParseForm(form));
  if (forms.field.empty()) return forms;
  const auto column = schema.GetFieldByName(forms.field);
  if (column == nullptr) {
    return Error(ErrorKind::kUnknownName,
                 "option event.time.field expects one of the columns {}, got '{}'",
                 fmt::join(schema.field_names(), ", "), forms.field);
  }
  if (column->type()->id() == arrow::Type::TIMESTAMP) return forms;
  return Error(ErrorKind::kTypeMismatch, "event.time.field: expected a TIMESTAMP column, got {} {}",
               column->name(), column->type()->ToString());
}

TimestampText::TimestampText(TimeForm form, const arrow::DataType& type)
    : form_(std::move(form)),
      unit_(static_cast<const arrow::TimestampType&>(type).unit()),
      unit_nanos_(kNanosPerSecond / TicksPerSecond(unit_)),
      expected_(type.ToString() + " " + NameOf(form_)) {}

bool TimestampText::Read(std::string_view text, int64_t* out) const {
  switch (form_.kind) {
    case Kind::kIso:
      return ReadIso(text, out);
    case Kind::kAuto:
      return ReadIso(text, out) || ReadNumber(text, out);
    case Kind::kEpoch:
      return ReadTicks(text, form_.tick_nanos, out);
    case Kind::kPattern:
      return ReadPattern(text, out);
  }
  return false;
}

bool TimestampText::ReadIso(std::string_view text, int64_t* out) const {
  return csv::ParseTimestamp(text, unit_, true, out) ||
         csv::ParseTimestamp(text, unit_, false, out);
}

bool TimestampText::ReadTicks(std::string_view text, int64_t tick_nanos, int64_t* out) const {
  int64_t ticks = 0;
  if (csv::ParseInteger(text, &ticks)) return ChangeUnit(ticks, tick_nanos, unit_nanos_, out);
  // With a fraction, or an exponent: as billionths of a tick.
  arrow::Decimal128 billionths;
  constexpr int32_t kDigits = arrow::Decimal128::kMaxPrecision;
  if (!csv::ParseDecimal(text, kDigits, 9, &billionths)) return false;
  const arrow::Decimal128 divisor(int64_t{1'000'000'000} / tick_nanos * unit_nanos_);
  const auto divided = billionths.Divide(divisor);
  return divided.ok() && divided->second == 0 && divided->first.ToInteger(out).ok();
}

bool TimestampText::ReadNumber(std::string_view text, int64_t* out) const {
  int64_t number = 0;
  if (csv::ParseInteger(text, &number)) return ReadTicks(text, TickNanosOf(number), out);
  return ReadTicks(text, kNanosPerSecond, out);
}

bool TimestampText::ReadPattern(std::string_view text, int64_t* out) const {
  CivilTime time;
  const Result<ParsedTime> parsed = ParseTime(text, form_.pattern, &time);
  return parsed.ok() && *parsed == ParsedTime::kOk && time.nanos % unit_nanos_ == 0 &&
         !TicksOfTime(time, TicksPerSecond(unit_), out);
}

}  // namespace headrace
