// Casts from and to text. What is printed reads back: the text form is that of
// types/format_value.h.
#include <fast_float/fast_float.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include "arrow/array/util.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "arrow/util/value_parsing.h"
#include "headrace/base/ascii_case.h"
#include "headrace/expression/cast_row.h"
#include "headrace/function/decimal_value.h"
#include "headrace/function/text_column.h"
#include "headrace/types/calendar.h"
#include "headrace/types/format_value.h"
#include "headrace/types/time_text.h"

namespace headrace {
namespace {

using arrow::Type;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

/// Without a plus sign before a number; "+-1" stays wrong.
std::string_view WithoutPlus(std::string_view text) {
  const bool has_plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return has_plus ? text.substr(1) : text;
}

template <typename T>
bool ParseInteger(std::string_view text, T* out) {
  const std::string_view digits = WithoutPlus(Trimmed(text));
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, *out);
  return error == std::errc() && stop == end;
}

template <typename T>
bool ParseFloat(std::string_view text, T* out) {
  const std::string_view digits = WithoutPlus(Trimmed(text));
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = fast_float::from_chars(digits.data(), end, *out);
  return error == std::errc() && stop == end;
}

bool ParseBoolean(std::string_view text, bool* out) {
  const std::string word = LowerCase(Trimmed(text));
  *out = word == "true" || word == "t" || word == "1" || word == "yes";
  return *out || word == "false" || word == "f" || word == "0" || word == "no";
}

bool ParseDecimal(std::string_view text, int precision, int scale, Int128* out) {
  arrow::Decimal128 parsed;
  int32_t parsed_precision;
  int32_t parsed_scale;
  const auto status = arrow::Decimal128::FromString(WithoutPlus(Trimmed(text)), &parsed,
                                                    &parsed_precision, &parsed_scale);
  if (!status.ok() || parsed_scale > kDecimalPrecisionMax ||
      scale - parsed_scale > kDecimalPrecisionMax) {
    return false;
  }
  const Int128 value = (static_cast<Int128>(parsed.high_bits()) << 64) | parsed.low_bits();
  if (parsed_scale > scale) {
    *out = ScaleDown(value, parsed_scale - scale);
  } else if (ScaleUp(value, scale - parsed_scale, out)) {
    return false;
  }
  return FitsPrecision(*out, precision);
}

/// A time as ISO 8601 has it: of one with slashes between year, month and day a copy with hyphens.
class IsoText {
 public:
  explicit IsoText(std::string_view text) : text_(Trimmed(text)) {
    constexpr size_t kDateSize = 10;
    const bool has_slashes = text_.size() >= kDateSize && text_.size() <= copy_.size() &&
                             text_[4] == '/' && text_[7] == '/';
    if (!has_slashes) return;
    std::copy(text_.begin(), text_.end(), copy_.begin());
    copy_[4] = copy_[7] = '-';
    text_ = {copy_.data(), text_.size()};
  }
  IsoText(const IsoText&) = delete;
  IsoText& operator=(const IsoText&) = delete;

  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::array<char, 64> copy_;
};

/// ISO 8601 date, or date and time, with an optional offset when the type has a zone.
bool ParseTimestamp(std::string_view text, const arrow::TimestampType& type, int64_t* out) {
  const IsoText as_iso(text);
  const std::string_view iso = as_iso.text();
  bool has_offset = false;
  if (!arrow::internal::ParseTimestampISO8601(iso.data(), iso.size(), type.unit(), out,
                                              &has_offset)) {
    return false;
  }
  return !has_offset || !type.timezone().empty();
}

/// " 10:00:00.5+02": what may stand behind a date.
bool IsTimeOfDay(std::string_view text) {
  constexpr std::string_view kAnyDate = "1970-01-01";
  std::array<char, 64> whole;
  if (kAnyDate.size() + text.size() > whole.size()) return false;
  char* end = std::copy(kAnyDate.begin(), kAnyDate.end(), whole.data());
  end = std::copy(text.begin(), text.end(), end);
  int64_t nanos;
  bool has_offset;
  return arrow::internal::ParseTimestampISO8601(whole.data(),
                                                static_cast<size_t>(end - whole.data()),
                                                arrow::TimeUnit::NANO, &nanos, &has_offset);
}

/// The date as it is written: a time behind it, and its offset, do not count.
bool ParseDay(std::string_view text, int64_t* day) {
  constexpr size_t kDateSize = 10;
  const IsoText as_iso(text);
  const std::string_view iso = as_iso.text();
  const std::string_view date = iso.substr(0, kDateSize);
  int64_t seconds;
  if (!arrow::internal::ParseTimestampISO8601(date.data(), date.size(), arrow::TimeUnit::SECOND,
                                              &seconds)) {
    return false;
  }
  if (iso.size() > kDateSize && !IsTimeOfDay(iso.substr(kDateSize))) return false;
  *day = FloorDivide(seconds, kSecondsPerDay);
  return true;
}

template <typename ArrowType>
bool ParseTime(std::string_view text, const arrow::DataType& type,
               typename ArrowType::c_type* out) {
  const std::string_view iso = Trimmed(text);
  return arrow::internal::ParseValue(static_cast<const ArrowType&>(type), iso.data(), iso.size(),
                                     out);
}

template <typename T, typename Parse>
Result<ArrayPtr> ParseRows(const CastCall& call, const Parse& parse) {
  const BytesView text(call.from);
  return CastRows<T>(call, ErrorKind::kBadData,
                     [&](int64_t row, T* out) { return parse(text[row], out); });
}

template <typename T>
Result<ArrayPtr> ParseNumbers(const CastCall& call) {
  if constexpr (std::is_floating_point_v<T>) {
    return ParseRows<T>(call, ParseFloat<T>);
  } else {
    return ParseRows<T>(call, ParseInteger<T>);
  }
}

Result<ArrayPtr> ParseTemporal(const CastCall& call) {
  constexpr int64_t kMillisPerDay = 86400000;
  switch (call.to->id()) {
    case Type::DATE32:
      return ParseRows<int32_t>(call, [](std::string_view text, int32_t* out) {
        int64_t day;
        if (!ParseDay(text, &day)) return false;
        *out = static_cast<int32_t>(day);
        return true;
      });
    case Type::DATE64:
      return ParseRows<int64_t>(call, [](std::string_view text, int64_t* out) {
        if (!ParseDay(text, out)) return false;
        *out *= kMillisPerDay;
        return true;
      });
    case Type::TIMESTAMP:
      return ParseRows<int64_t>(call, [&](std::string_view text, int64_t* out) {
        return ParseTimestamp(text, static_cast<const arrow::TimestampType&>(*call.to), out);
      });
    case Type::TIME32:
      return ParseRows<int32_t>(call, [&](std::string_view text, int32_t* out) {
        return ParseTime<arrow::Time32Type>(text, *call.to, out);
      });
    case Type::TIME64:
      return ParseRows<int64_t>(call, [&](std::string_view text, int64_t* out) {
        return ParseTime<arrow::Time64Type>(text, *call.to, out);
      });
    default:
      return NoSuchCast(*call.from.type(), *call.to);
  }
}

/// The bytes of the text as they are.
Result<ArrayPtr> Reinterpret(const CastCall& call) {
  auto data = call.from.data()->Copy();
  data->type = call.to;
  return arrow::MakeArray(std::move(data));
}

/// Rows whose bytes are reserved at once.
constexpr int64_t kBlockRows = 1024;

/// `write(row, out)` writes the text of a row, at most kBytesMax, and gives its end.
template <int64_t kBytesMax, typename Write>
Result<ArrayPtr> WriteRows(const CastCall& call, const Write& write) {
  const int64_t length = call.from.length();
  const Validity valid(call.from);
  ARROW_ASSIGN_OR_RAISE(auto column, TextColumn::Make(length, call.pool));
  for (int64_t begin = 0; begin < length; begin += kBlockRows) {
    ARROW_RETURN_NOT_OK(column.Reserve(kBlockRows * kBytesMax));
    for (int64_t row = begin; row < std::min(begin + kBlockRows, length); ++row) {
      if (!valid[row]) {
        ARROW_RETURN_NOT_OK(column.EndRowAsNull());
        continue;
      }
      column.Extend(write(row, column.end()) - column.end());
      ARROW_RETURN_NOT_OK(column.EndRow());
    }
  }
  return column.Finish(call.to);
}

template <typename T>
Result<ArrayPtr> WriteIntegers(const CastCall& call) {
  constexpr int64_t kDigitsMax = 20;
  const View<T> integers(call.from);
  return WriteRows<kDigitsMax>(call, [&](int64_t row, char* out) {
    return std::to_chars(out, out + kDigitsMax, integers[row]).ptr;
  });
}

Result<ArrayPtr> WriteBooleans(const CastCall& call) {
  const BooleanView booleans(Argument{arrow::MakeArray(call.from.data())});
  return WriteRows<5>(call, [&](int64_t row, char* out) {
    const std::string_view text = booleans[row] ? "true" : "false";
    return std::copy(text.begin(), text.end(), out);
  });
}

Result<ArrayPtr> WriteTimestamps(const CastCall& call, const arrow::TimestampType& type) {
  const View<int64_t> ticks(call.from);
  const bool is_zoned = !type.timezone().empty();
  return WriteRows<kTimeTextMax + 1>(call, [&](int64_t row, char* out) {
    char* end = WriteTimestamp(ticks[row], type.unit(), out);
    if (is_zoned) *end++ = 'Z';
    return end;
  });
}

/// Decimals of up to 18 digits behind the point; those that fit 64 bits in two parts.
Result<ArrayPtr> WriteDecimals(const CastCall& call) {
  constexpr int64_t kBytesMax = kDecimalPrecisionMax + 3;  // with sign, zero and point
  const int scale = ScaleOf(*call.from.type());
  const auto power = static_cast<uint64_t>(PowerOfTen(scale));
  const View<Int128> decimals(call.from);
  return WriteRows<kBytesMax>(call, [&](int64_t row, char* out) {
    const Int128 value = decimals[row];
    const Int128 magnitude = value < 0 ? -value : value;
    if (magnitude > std::numeric_limits<int64_t>::max()) {
      const std::string text = FormatValue(call.from, row);
      return std::copy(text.begin(), text.end(), out);
    }
    if (value < 0) *out++ = '-';
    out = std::to_chars(out, out + 20, static_cast<uint64_t>(magnitude) / power).ptr;
    if (scale == 0) return out;
    *out++ = '.';
    uint64_t rest = static_cast<uint64_t>(magnitude) % power;
    for (int place = scale; place-- > 0; rest /= 10) {
      out[place] = static_cast<char>('0' + rest % 10);
    }
    return out + scale;
  });
}

/// Of any type.
Result<ArrayPtr> WriteValues(const CastCall& call) {
  const Validity valid(call.from);
  ARROW_ASSIGN_OR_RAISE(auto column, TextColumn::Make(call.from.length(), call.pool));
  std::string text;
  for (int64_t row = 0; row < call.from.length(); ++row) {
    if (!valid[row]) {
      ARROW_RETURN_NOT_OK(column.EndRowAsNull());
      continue;
    }
    text.clear();
    AppendValue(call.from, row, &text);
    ARROW_RETURN_NOT_OK(column.Append(text));
    ARROW_RETURN_NOT_OK(column.EndRow());
  }
  return column.Finish(call.to);
}

}  // namespace

Result<ArrayPtr> CastFromText(const CastCall& call) {
  const BytesView text(call.from);
  switch (call.to->id()) {
    case Type::BOOL:
      return CastToBits(call, [&](int64_t row, bool* out) { return ParseBoolean(text[row], out); });
    case Type::INT8:
      return ParseNumbers<int8_t>(call);
    case Type::INT16:
      return ParseNumbers<int16_t>(call);
    case Type::INT32:
      return ParseNumbers<int32_t>(call);
    case Type::INT64:
      return ParseNumbers<int64_t>(call);
    case Type::UINT8:
      return ParseNumbers<uint8_t>(call);
    case Type::UINT16:
      return ParseNumbers<uint16_t>(call);
    case Type::UINT32:
      return ParseNumbers<uint32_t>(call);
    case Type::UINT64:
      return ParseNumbers<uint64_t>(call);
    case Type::FLOAT:
      return ParseNumbers<float>(call);
    case Type::DOUBLE:
      return ParseNumbers<double>(call);
    case Type::DECIMAL128: {
      const int precision = PrecisionOf(*call.to);
      const int scale = ScaleOf(*call.to);
      return ParseRows<Int128>(call, [&](std::string_view digits, Int128* out) {
        return ParseDecimal(digits, precision, scale, out);
      });
    }
    case Type::BINARY:
      return Reinterpret(call);
    default:
      return ParseTemporal(call);
  }
}

Result<ArrayPtr> CastToText(const CastCall& call) {
  const arrow::DataType& type = *call.from.type();
  switch (type.id()) {
    case Type::BOOL:
      return WriteBooleans(call);
    case Type::DATE32: {
      const View<int32_t> days(call.from);
      return WriteRows<kTimeTextMax>(
          call, [&](int64_t row, char* out) { return WriteDate(days[row], out); });
    }
    case Type::TIMESTAMP:
      return WriteTimestamps(call, static_cast<const arrow::TimestampType&>(type));
    case Type::INT8:
      return WriteIntegers<int8_t>(call);
    case Type::INT16:
      return WriteIntegers<int16_t>(call);
    case Type::INT32:
      return WriteIntegers<int32_t>(call);
    case Type::INT64:
      return WriteIntegers<int64_t>(call);
    case Type::UINT8:
      return WriteIntegers<uint8_t>(call);
    case Type::UINT16:
      return WriteIntegers<uint16_t>(call);
    case Type::UINT32:
      return WriteIntegers<uint32_t>(call);
    case Type::UINT64:
      return WriteIntegers<uint64_t>(call);
    case Type::DECIMAL128: {
      const bool is_short = ScaleOf(type) >= 0 && ScaleOf(type) <= 18;
      return is_short ? WriteDecimals(call) : WriteValues(call);
    }
    default:
      return WriteValues(call);
  }
}

}  // namespace headrace
