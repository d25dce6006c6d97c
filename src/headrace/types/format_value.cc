// Cell to text, by recursion over the type. Never fails: what has no better form is shown by Arrow.
#include "headrace/types/format_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "arrow/array.h"
#include "arrow/extension_type.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "arrow/util/float16.h"
#include "headrace/types/calendar.h"
#include "headrace/types/time_text.h"

namespace headrace {
namespace {

using arrow::Array;
using arrow::TimeUnit;
using arrow::Type;

template <typename ArrayType>
const ArrayType& As(const Array& array) {
  return static_cast<const ArrayType&>(array);
}

template <typename... Args>
void Append(std::string* out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(*out), format, std::forward<Args>(args)...);
}

// ---- Numbers ----

template <typename Float>
void AppendFloat(Float value, std::string* out) {
  if (std::isnan(value)) {
    *out += "nan";
    return;
  }
  const size_t start = out->size();
  Append(out, "{}", value);
  const std::string_view text = std::string_view(*out).substr(start);
  if (text.find_first_not_of("-0123456789") == std::string_view::npos) *out += ".0";
}

// `digits` is an integer; its last `scale` digits stand behind the point.
void AppendDecimal(std::string digits, int32_t scale, std::string* out) {
  if (digits.starts_with('-')) {
    *out += '-';
    digits.erase(0, 1);
  }
  if (scale < 0 && digits != "0") digits.append(static_cast<size_t>(-scale), '0');
  if (scale <= 0) {
    *out += digits;
    return;
  }
  const auto fraction = static_cast<size_t>(scale);
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  out->append(digits, 0, digits.size() - fraction);
  *out += '.';
  out->append(digits, digits.size() - fraction);
}

template <typename Decimal, typename ArrayType>
void AppendDecimalCell(const Array& array, int64_t row, std::string* out) {
  const Decimal value(As<ArrayType>(array).GetValue(row));
  AppendDecimal(value.ToIntegerString(),
                static_cast<const arrow::DecimalType&>(*array.type()).scale(), out);
}

// ---- Times ----

int64_t UnitsPerSecond(TimeUnit::type unit) {
  switch (unit) {
    case TimeUnit::SECOND:
      return 1;
    case TimeUnit::MILLI:
      return 1'000;
    case TimeUnit::MICRO:
      return 1'000'000;
    default:
      return 1'000'000'000;
  }
}

// What one of the functions of types/time_text.h writes.
template <typename Write>
void AppendWritten(std::string* out, Write&& write) {
  char text[kTimeTextMax];
  out->append(text, write(text));
}

void AppendDate(int64_t days, std::string* out) {
  AppendWritten(out, [&](char* text) { return WriteDate(days, text); });
}

void AppendTime(int64_t ticks, TimeUnit::type unit, std::string* out) {
  AppendWritten(out, [&](char* text) { return WriteTimeOfDay(ticks, unit, text); });
}

// "1 day", "2 days".
template <typename Integer>
void AppendCount(Integer count, const char* noun, std::string* out) {
  Append(out, "{} {}{}", count, noun, count == 1 ? "" : "s");
}

void AppendDuration(int64_t value, TimeUnit::type unit, std::string* out) {
  const auto units = static_cast<uint64_t>(UnitsPerSecond(unit));
  const auto magnitude = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const uint64_t seconds = magnitude / units;
  if (value < 0) *out += '-';
  if (seconds >= kSecondsPerDay) {
    AppendCount(seconds / kSecondsPerDay, "day", out);
    *out += ' ';
  }
  AppendTime(static_cast<int64_t>(magnitude % (units * kSecondsPerDay)), unit, out);
}

template <typename ArrayType>
void AppendTimestampCell(const Array& array, int64_t row, std::string* out) {
  const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
  const int64_t ticks = As<ArrayType>(array).Value(row);
  AppendWritten(out, [&](char* text) { return WriteTimestamp(ticks, type.unit(), text); });
  if (!type.timezone().empty()) *out += 'Z';
}

// Hours may be more than a day has: days are counted for themselves.
void AppendSpanOfHours(int64_t nanos, std::string* out) {
  constexpr uint64_t kPerSecond = 1'000'000'000;
  const auto magnitude = nanos < 0 ? -static_cast<uint64_t>(nanos) : static_cast<uint64_t>(nanos);
  const uint64_t seconds = magnitude / kPerSecond;
  if (nanos < 0) *out += '-';
  Append(out, "{:02}", seconds / 3600);
  std::string minutes;
  AppendTime(static_cast<int64_t>(magnitude % (3600 * kPerSecond)), TimeUnit::NANO, &minutes);
  *out += minutes.substr(2);  // without its hours
}

void AppendMonthDayNano(const arrow::MonthDayNanoIntervalType::MonthDayNanos& value,
                        std::string* out) {
  const size_t begin = out->size();
  const auto part = [&](int64_t count, const char* noun) {
    if (count == 0) return;
    if (out->size() > begin) *out += ' ';
    Append(out, "{} {}{}", count, noun, count == 1 || count == -1 ? "" : "s");
  };
  part(value.months / 12, "year");
  part(value.months % 12, "month");
  part(value.days, "day");
  if (value.nanoseconds == 0 && out->size() > begin) return;
  if (out->size() > begin) *out += ' ';
  AppendSpanOfHours(value.nanoseconds, out);
}

void AppendDayTime(const arrow::DayTimeIntervalType::DayMilliseconds& value, std::string* out) {
  AppendCount(value.days, "day", out);
  *out += ' ';
  AppendDuration(value.milliseconds, TimeUnit::MILLI, out);
}

// ---- Bytes ----

void AppendHex(std::string_view bytes, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  *out += "\\x";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *out += kDigits[byte >> 4];
    *out += kDigits[byte & 15];
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '\'';
  for (const char c : text) {
    if (c == '\n') {
      *out += "\\n";
      continue;
    }
    if (c == '\'' || c == '\\') *out += '\\';
    *out += c;
  }
  *out += '\'';
}

void AppendText(std::string_view text, bool nested, std::string* out) {
  if (nested) {
    AppendQuoted(text, out);
  } else {
    *out += text;
  }
}

// ---- Everything ----

void AppendCell(const Array& array, int64_t row, bool nested, std::string* out);

void AppendItems(const Array& items, int64_t offset, int64_t length, std::string* out) {
  *out += '[';
  for (int64_t i = 0; i < length; ++i) {
    if (i > 0) *out += ", ";
    AppendCell(items, offset + i, /*nested=*/true, out);
  }
  *out += ']';
}

template <typename ArrayType>
void AppendList(const Array& array, int64_t row, std::string* out) {
  const auto& list = As<ArrayType>(array);
  AppendItems(*list.values(), list.value_offset(row), list.value_length(row), out);
}

void AppendStructText(const arrow::StructArray& array, int64_t row, std::string* out) {
  *out += '{';
  for (int i = 0; i < array.num_fields(); ++i) {
    if (i > 0) *out += ", ";
    AppendQuoted(array.type()->field(i)->name(), out);
    *out += ": ";
    AppendCell(*array.field(i), row, /*nested=*/true, out);
  }
  *out += '}';
}

void AppendMapText(const arrow::MapArray& array, int64_t row, std::string* out) {
  *out += '{';
  const int64_t begin = array.value_offset(row);
  for (int64_t i = begin; i < begin + array.value_length(row); ++i) {
    if (i > begin) *out += ", ";
    AppendCell(*array.keys(), i, /*nested=*/true, out);
    *out += ": ";
    AppendCell(*array.items(), i, /*nested=*/true, out);
  }
  *out += '}';
}

void AppendByArrow(const Array& array, int64_t row, std::string* out) {
  const auto scalar = array.GetScalar(row);
  *out += scalar.ok() ? (*scalar)->ToString() : scalar.status().message();
}

void AppendNumberText(const Array& array, int64_t row, std::string* out) {
  switch (array.type_id()) {
    case Type::INT8:
      return Append(out, "{}", As<arrow::Int8Array>(array).Value(row));
    case Type::INT16:
      return Append(out, "{}", As<arrow::Int16Array>(array).Value(row));
    case Type::INT32:
      return Append(out, "{}", As<arrow::Int32Array>(array).Value(row));
    case Type::INT64:
      return Append(out, "{}", As<arrow::Int64Array>(array).Value(row));
    case Type::UINT8:
      return Append(out, "{}", As<arrow::UInt8Array>(array).Value(row));
    case Type::UINT16:
      return Append(out, "{}", As<arrow::UInt16Array>(array).Value(row));
    case Type::UINT32:
      return Append(out, "{}", As<arrow::UInt32Array>(array).Value(row));
    case Type::UINT64:
      return Append(out, "{}", As<arrow::UInt64Array>(array).Value(row));
    case Type::HALF_FLOAT: {
      const uint16_t bits = As<arrow::HalfFloatArray>(array).Value(row);
      return AppendFloat(arrow::util::Float16::FromBits(bits).ToFloat(), out);
    }
    case Type::FLOAT:
      return AppendFloat(As<arrow::FloatArray>(array).Value(row), out);
    case Type::DOUBLE:
      return AppendFloat(As<arrow::DoubleArray>(array).Value(row), out);
    case Type::DECIMAL32:
      return AppendDecimalCell<arrow::Decimal32, arrow::Decimal32Array>(array, row, out);
    case Type::DECIMAL64:
      return AppendDecimalCell<arrow::Decimal64, arrow::Decimal64Array>(array, row, out);
    case Type::DECIMAL128:
      return AppendDecimalCell<arrow::Decimal128, arrow::Decimal128Array>(array, row, out);
    default:
      return AppendDecimalCell<arrow::Decimal256, arrow::Decimal256Array>(array, row, out);
  }
}

void AppendTemporal(const Array& array, int64_t row, std::string* out) {
  constexpr int64_t kMillisPerDay = kSecondsPerDay * 1000;
  switch (array.type_id()) {
    case Type::DATE32:
      return AppendDate(As<arrow::Date32Array>(array).Value(row), out);
    case Type::DATE64:
      return AppendDate(FloorDivide(As<arrow::Date64Array>(array).Value(row), kMillisPerDay), out);
    case Type::TIME32:
      return AppendTime(As<arrow::Time32Array>(array).Value(row),
                        static_cast<const arrow::TimeType&>(*array.type()).unit(), out);
    case Type::TIME64:
      return AppendTime(As<arrow::Time64Array>(array).Value(row),
                        static_cast<const arrow::TimeType&>(*array.type()).unit(), out);
    case Type::TIMESTAMP:
      return AppendTimestampCell<arrow::TimestampArray>(array, row, out);
    case Type::DURATION:
      return AppendDuration(As<arrow::DurationArray>(array).Value(row),
                            static_cast<const arrow::DurationType&>(*array.type()).unit(), out);
    case Type::INTERVAL_MONTHS:
      return AppendCount(As<arrow::MonthIntervalArray>(array).Value(row), "month", out);
    case Type::INTERVAL_DAY_TIME:
      return AppendDayTime(As<arrow::DayTimeIntervalArray>(array).GetValue(row), out);
    default:
      return AppendMonthDayNano(As<arrow::MonthDayNanoIntervalArray>(array).GetValue(row), out);
  }
}

void AppendBytes(const Array& array, int64_t row, bool nested, std::string* out) {
  switch (array.type_id()) {
    case Type::STRING:
      return AppendText(As<arrow::StringArray>(array).GetView(row), nested, out);
    case Type::LARGE_STRING:
      return AppendText(As<arrow::LargeStringArray>(array).GetView(row), nested, out);
    case Type::STRING_VIEW:
      return AppendText(As<arrow::StringViewArray>(array).GetView(row), nested, out);
    case Type::BINARY:
      return AppendHex(As<arrow::BinaryArray>(array).GetView(row), out);
    case Type::LARGE_BINARY:
      return AppendHex(As<arrow::LargeBinaryArray>(array).GetView(row), out);
    case Type::BINARY_VIEW:
      return AppendHex(As<arrow::BinaryViewArray>(array).GetView(row), out);
    default:
      return AppendHex(As<arrow::FixedSizeBinaryArray>(array).GetView(row), out);
  }
}

void AppendNested(const Array& array, int64_t row, bool nested, std::string* out) {
  switch (array.type_id()) {
    case Type::LIST:
      return AppendList<arrow::ListArray>(array, row, out);
    case Type::LARGE_LIST:
      return AppendList<arrow::LargeListArray>(array, row, out);
    case Type::LIST_VIEW:
      return AppendList<arrow::ListViewArray>(array, row, out);
    case Type::LARGE_LIST_VIEW:
      return AppendList<arrow::LargeListViewArray>(array, row, out);
    case Type::FIXED_SIZE_LIST:
      return AppendList<arrow::FixedSizeListArray>(array, row, out);
    case Type::STRUCT:
      return AppendStructText(As<arrow::StructArray>(array), row, out);
    case Type::MAP:
      return AppendMapText(As<arrow::MapArray>(array), row, out);
    case Type::DICTIONARY: {
      const auto& codes = As<arrow::DictionaryArray>(array);
      return AppendCell(*codes.dictionary(), codes.GetValueIndex(row), nested, out);
    }
    case Type::EXTENSION:
      return AppendCell(*As<arrow::ExtensionArray>(array).storage(), row, nested, out);
    default:
      return AppendByArrow(array, row, out);
  }
}

void AppendCell(const Array& array, int64_t row, bool nested, std::string* out) {
  const Type::type id = array.type_id();
  if (array.IsNull(row)) {
    *out += "NULL";
  } else if (id == Type::BOOL) {
    *out += As<arrow::BooleanArray>(array).Value(row) ? "true" : "false";
  } else if (arrow::is_numeric(id) || arrow::is_decimal(id)) {
    AppendNumberText(array, row, out);
  } else if (arrow::is_temporal(id) || arrow::is_interval(id) || id == Type::DURATION) {
    AppendTemporal(array, row, out);
  } else if (arrow::is_base_binary_like(id) || id == Type::STRING_VIEW || id == Type::BINARY_VIEW ||
             id == Type::FIXED_SIZE_BINARY) {
    AppendBytes(array, row, nested, out);
  } else {
    AppendNested(array, row, nested, out);
  }
}

}  // namespace

std::string FormatValue(const arrow::Array& array, int64_t row) {
  std::string text;
  AppendCell(array, row, /*nested=*/false, &text);
  return text;
}

void AppendValue(const arrow::Array& array, int64_t row, std::string* out) {
  AppendCell(array, row, /*nested=*/false, out);
}

}  // namespace headrace
