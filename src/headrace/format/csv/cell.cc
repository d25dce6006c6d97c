// Parsing of cells.
#include "headrace/format/csv/cell.h"

#include <fast_float/fast_float.h>

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/base/ascii_case.h"
#include "headrace/base/error.h"
#include "headrace/base/hex.h"
#include "headrace/types/calendar.h"

namespace headrace::csv {
namespace {

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

/// Takes `digits` digits off the front of `text`.
bool TakeNumber(std::string_view* text, size_t digits, int* value) {
  if (text->size() < digits) return false;
  *value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!IsDigit((*text)[i])) return false;
    *value = *value * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool Take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

/// "2013-01-31" and nothing else before a byte that is no digit.
bool TakePlainDate(std::string_view* text, int64_t* days) {
  if (text->size() < 10) return false;
  const char* const p = text->data();
  if (p[4] != '-' || p[7] != '-') return false;
  uint16_t day_digits;
  std::memcpy(&day_digits, p + 8, sizeof day_digits);
  const uint64_t word = LoadEight(p);
  uint64_t digits =
      (word & 0xFFFFFFFF) | (word >> 8 & 0xFFFF00000000) | static_cast<uint64_t>(day_digits) << 48;
  if (!EightDigits(digits, &digits)) return false;
  const int year = static_cast<int>(digits / 10000);
  const int month = static_cast<int>(digits / 100 % 100), day = static_cast<int>(digits % 100);
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return false;
  *days = DaysOfDate(year, month, day);
  text->remove_prefix(10);
  return true;
}

bool TakeDate(std::string_view* text, int64_t* days) {
  if (TakePlainDate(text, days)) return true;
  const bool negative = Take(text, '-');
  size_t digits = 0;
  while (digits < text->size() && IsDigit((*text)[digits])) ++digits;
  int year = 0, month = 0, day = 0;
  if (digits < 4 || digits > 6 || !TakeNumber(text, digits, &year)) return false;
  if (!Take(text, '-') || !TakeNumber(text, 2, &month)) return false;
  if (!Take(text, '-') || !TakeNumber(text, 2, &day)) return false;
  if (negative) year = -year;
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return false;
  *days = DaysOfDate(year, month, day);
  return true;
}

/// A time of day or an instant, exact to the nanosecond.
struct ClockTime {
  int64_t seconds = 0;
  int64_t nanos = 0;
};

/// "05:00:00"
bool TakePlainTime(std::string_view* text, int* hour, int* minute, int* second) {
  if (text->size() < 8 || (*text)[2] != ':' || (*text)[5] != ':') return false;
  const uint64_t word = LoadEight(text->data());
  uint64_t digits = (word & 0xFFFF) | (word >> 8 & 0xFFFF0000) | (word >> 16 & 0xFFFF00000000);
  if (!EightDigits(digits << 16 | 0x3030, &digits)) return false;
  *hour = static_cast<int>(digits / 10000);
  *minute = static_cast<int>(digits / 100 % 100);
  *second = static_cast<int>(digits % 100);
  text->remove_prefix(8);
  return true;
}

bool TakeFraction(std::string_view* text, int64_t* nanos) {
  int64_t scale = kNanosPerSecond;
  size_t digits = 0;
  for (; digits < text->size() && IsDigit((*text)[digits]); ++digits) {
    scale /= 10;
    if (scale == 0 && (*text)[digits] != '0') return false;
    *nanos += scale * ((*text)[digits] - '0');
  }
  text->remove_prefix(digits);
  return digits > 0;
}

bool TakeTime(std::string_view* text, ClockTime* time) {
  int hour = 0, minute = 0, second = 0;
  bool has_second = TakePlainTime(text, &hour, &minute, &second);
  if (!has_second) {
    if (!TakeNumber(text, 2, &hour) || !Take(text, ':') || !TakeNumber(text, 2, &minute)) {
      return false;
    }
    has_second = Take(text, ':');
    if (has_second && !TakeNumber(text, 2, &second)) return false;
  }
  if (has_second && Take(text, '.') && !TakeFraction(text, &time->nanos)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  time->seconds = hour * 3600 + minute * 60 + second;
  return true;
}

/// "Z", "+01", "+0100", "-01:30": seconds east of UTC.
bool TakeZone(std::string_view* text, int64_t* offset_seconds) {
  *offset_seconds = 0;
  if (Take(text, 'Z') || Take(text, 'z')) return true;
  const bool west = Take(text, '-');
  if (!west && !Take(text, '+')) return false;
  int hours = 0, minutes = 0;
  if (!TakeNumber(text, 2, &hours)) return false;
  const bool colon = Take(text, ':');
  if ((colon || !text->empty()) && !TakeNumber(text, 2, &minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  *offset_seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
  return true;
}

bool ToUnit(const ClockTime& time, arrow::TimeUnit::type unit, int64_t* value) {
  constexpr int64_t kPerSecond[] = {1, 1000, 1'000'000, kNanosPerSecond};
  const int64_t per_second = kPerSecond[unit];
  const int64_t nanos_per_unit = kNanosPerSecond / per_second;
  if (time.nanos % nanos_per_unit != 0) return false;
  // The smallest int64 of nanoseconds is less than a whole number of seconds that overflows.
  const __int128 wide =
      static_cast<__int128>(time.seconds) * per_second + time.nanos / nanos_per_unit;
  *value = static_cast<int64_t>(wide);
  return *value == wide;
}

template <typename Real>
bool ParseRealAs(std::string_view text, Real* value) {
  const char* const end = text.data() + text.size();
  const auto result = fast_float::from_chars(text.data(), end, *value);
  if (result.ec != std::errc() || result.ptr != end) return false;
  if (std::isfinite(*value)) [[likely]]
    return true;
  // Spelled infinity and NaN are meant; a number that became infinite is not, nor is "nan(7)".
  const char first = text.front() == '-' ? text[1] : text.front();
  return std::isalpha(static_cast<unsigned char>(first)) && text.back() != ')';
}

/// At most 15 digits around or before a point, the most usual case: the digits as an integer and
/// the power of ten are exact doubles, so that one division rounds correctly (Clinger).
bool ParseShortReal(std::string_view text, double* value) {
  constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = Take(&text, '-');
  if (text.size() - 1 > 15) return false;
  const char* const p = text.data();
  const size_t whole_digits = LeadingDigits(p);
  uint64_t whole = 0, fraction = 0;
  size_t fraction_digits = 0;
  if (whole_digits >= text.size()) {
    ShortDigits(p, text.size(), &whole);
  } else {
    if (whole_digits == 0 || p[whole_digits] != '.') return false;
    fraction_digits = text.size() - whole_digits - 1;
    if (fraction_digits == 0 || !SomeDigits(p + whole_digits + 1, fraction_digits, &fraction)) {
      return false;
    }
    ShortDigits(p, whole_digits, &whole);
  }
  constexpr uint64_t kTens[] = {
      1,           10,           100,           1000,           10000,
      100000,      1000000,      10000000,      100000000,      1000000000,
      10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000};
  const double digits = static_cast<double>(whole * kTens[fraction_digits] + fraction);
  *value = (negative ? -digits : digits) / kPowers[fraction_digits];
  return true;
}

}  // namespace

bool ParseManyDigits(std::string_view text, uint64_t* value) {
  if (text.empty()) return false;
  uint64_t sum = 0;
  const size_t safe = text.size() < 19 ? text.size() : 19;  // 10^19 - 1 < 2^64
  for (size_t i = 0; i < safe; ++i) {
    const unsigned digit = static_cast<unsigned char>(text[i] - '0');
    if (digit > 9) return false;
    sum = sum * 10 + digit;
  }
  for (size_t i = safe; i < text.size(); ++i) {
    if (!IsDigit(text[i])) return false;
    const uint64_t digit = static_cast<uint64_t>(text[i] - '0');
    if (__builtin_mul_overflow(sum, uint64_t{10}, &sum) ||
        __builtin_add_overflow(sum, digit, &sum)) {
      return false;
    }
  }
  *value = sum;
  return true;
}

bool ParseReal(std::string_view text, double* value) {
  return ParseShortReal(text, value) || ParseRealAs(text, value);
}
bool ParseReal(std::string_view text, float* value) { return ParseRealAs(text, value); }

template <typename Value>
bool ParseDecimal(std::string_view text, int32_t precision, int32_t scale, Value* value) {
  int32_t text_precision = 0, text_scale = 0;
  Value read;
  if (!Value::FromString(text, &read, &text_precision, &text_scale).ok()) return false;
  // Rescale looks powers of ten up without a check.
  if (std::abs(int64_t{text_scale} - scale) > Value::kMaxScale) return false;
  const Result<Value> rescaled = read.Rescale(text_scale, scale);
  if (!rescaled.ok() || !rescaled->FitsInPrecision(precision)) return false;
  *value = *rescaled;
  return true;
}

template bool ParseDecimal(std::string_view, int32_t, int32_t, arrow::Decimal32*);
template bool ParseDecimal(std::string_view, int32_t, int32_t, arrow::Decimal64*);
template bool ParseDecimal(std::string_view, int32_t, int32_t, arrow::Decimal128*);
template bool ParseDecimal(std::string_view, int32_t, int32_t, arrow::Decimal256*);

bool ParseHex(std::string_view text, std::string* bytes) {
  bytes->clear();
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return false;
  for (size_t i = 2; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]), low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

bool ParseBoolean(std::string_view text, bool* value) {
  *value = EqualsIgnoringCase(text, "true");
  return *value || EqualsIgnoringCase(text, "false");
}

bool ParseDate(std::string_view text, int32_t* days) {
  int64_t wide = 0;
  if (!TakeDate(&text, &wide) || !text.empty()) return false;
  *days = static_cast<int32_t>(wide);  // six digits of year fit
  return true;
}

bool ParseTime(std::string_view text, arrow::TimeUnit::type unit, int64_t* value) {
  ClockTime time;
  return TakeTime(&text, &time) && text.empty() && ToUnit(time, unit, value);
}

bool ParseTimestamp(std::string_view text, arrow::TimeUnit::type unit, bool zoned, int64_t* value) {
  int64_t days = 0;
  ClockTime time;
  if (!TakeDate(&text, &days)) return false;
  if (text.empty()) {
    if (zoned) return false;
  } else {
    if (!Take(&text, ' ') && !Take(&text, 'T')) return false;
    if (!TakeTime(&text, &time)) return false;
  }
  int64_t offset = 0;
  if (zoned && !TakeZone(&text, &offset)) return false;
  time.seconds += days * kSecondsPerDay - offset;
  return text.empty() && ToUnit(time, unit, value);
}

bool ParseDuration(std::string_view text, arrow::TimeUnit::type unit, int64_t* value) {
  const bool negative = Take(&text, '-');
  uint64_t days = 0;
  if (const size_t space = text.find(' '); space != std::string_view::npos) {
    if (!ParseDigits(text.substr(0, space), &days) || days > (uint64_t{1} << 47)) return false;
    text.remove_prefix(space);
    const std::string_view noun = days == 1 ? " day " : " days ";
    if (!text.starts_with(noun)) return false;
    text.remove_prefix(noun.size());
  }
  ClockTime time;
  if (!TakeTime(&text, &time) || !text.empty()) return false;
  time.seconds += static_cast<int64_t>(days) * kSecondsPerDay;
  if (negative) {  // also the smallest int64, whose magnitude does not fit
    time.seconds = -time.seconds - (time.nanos > 0 ? 1 : 0);
    time.nanos = time.nanos > 0 ? kNanosPerSecond - time.nanos : 0;
  }
  return ToUnit(time, unit, value);
}

}  // namespace headrace::csv
