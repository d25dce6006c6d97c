// Cells: the texts that CSV takes for numbers, booleans, dates and times. Eight bytes behind each
// text must be readable, whatever they are.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/format/csv/digits.h"

namespace headrace::csv {

/// Without blanks and tabs at both ends.
inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// More than 16 digits, or none.
bool ParseManyDigits(std::string_view text, uint64_t* value);

/// Decimal digits only, leading zeros allowed; false when empty or past 2^64 - 1.
inline bool ParseDigits(std::string_view text, uint64_t* value) {
  if (text.size() - 1 < 16) [[likely]]
    return SomeDigits(text.data(), text.size(), value);
  return ParseManyDigits(text, value);
}

/// An optional '-' and digits; false when it does not fit.
inline bool ParseInteger(std::string_view text, int64_t* value) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  uint64_t digits = 0;
  if (!ParseDigits(text, &digits)) return false;
  const uint64_t limit = uint64_t{1} << 63;
  if (digits >= limit + (negative ? 1 : 0)) return false;
  *value = static_cast<int64_t>(negative ? 0 - digits : digits);
  return true;
}

/// Decimal notation with optional exponent, "inf", "infinity", "nan" in any case, with an optional
/// '-'. False when the magnitude is past the type.
bool ParseReal(std::string_view text, double* value);
bool ParseReal(std::string_view text, float* value);

/// A number that is exact in `precision` digits, `scale` of them behind the point. Value is one of
/// Arrow's decimals.
template <typename Value>
bool ParseDecimal(std::string_view text, int32_t precision, int32_t scale, Value* value);

/// "\x" and pairs of hexadecimal digits. False leaves `bytes` in any state.
bool ParseHex(std::string_view text, std::string* bytes);

/// "true" or "false" in any case.
bool ParseBoolean(std::string_view text, bool* value);

/// "2013-01-31": days since the Unix epoch. Years have four to six digits and an optional '-'.
bool ParseDate(std::string_view text, int32_t* days);

/// "05:00", "05:00:00", "05:00:00.123456": time of day in `unit`; digits below it must be zeros.
bool ParseTime(std::string_view text, arrow::TimeUnit::type unit, int64_t* value);

/// A date, or a date, 'T' or a blank, a time and, exactly when `zoned`, a zone ("Z", "+01",
/// "+0100", "+01:00"): since the Unix epoch in `unit`; digits below it must be zeros.
bool ParseTimestamp(std::string_view text, arrow::TimeUnit::type unit, bool zoned, int64_t* value);

/// "02:03:04.5", "1 day 02:03:04", "-2 days 00:00:00": a span in `unit`; digits below it must be
/// zeros.
bool ParseDuration(std::string_view text, arrow::TimeUnit::type unit, int64_t* value);

}  // namespace headrace::csv
