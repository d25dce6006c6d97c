// Literals: numbers, times, intervals, blobs, lists, structs, maps.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "arrow/buffer.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/base/hex.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

constexpr int32_t kDecimalDigitsMax = 38;

Result<ScalarPtr> DecimalLiteral(const std::string& text) {
  arrow::Decimal128 value;
  int32_t precision = 0;
  int32_t scale = 0;
  const Status parsed = arrow::Decimal128::FromString(text, &value, &precision, &scale);
  if (!parsed.ok() || precision > kDecimalDigitsMax) {
    return Error(ErrorKind::kOverflow,
                 "expected a number of at most {} digits (write 1e0 for a DOUBLE), got {}",
                 kDecimalDigitsMax, text);
  }
  precision = std::max({precision, scale, 1});
  return std::make_shared<arrow::Decimal128Scalar>(value, arrow::decimal128(precision, scale));
}

Result<ScalarPtr> DoubleLiteral(const std::string& text) {
  auto parsed = arrow::Scalar::Parse(arrow::float64(), text);
  if (!parsed.ok() || std::isinf(static_cast<const arrow::DoubleScalar&>(**parsed).value)) {
    return Error(ErrorKind::kOverflow, "expected a number within the range of DOUBLE, got {}",
                 text);
  }
  return *std::move(parsed);
}

/// BIGINT where it fits, else DECIMAL; DECIMAL with a point; DOUBLE with an exponent.
Result<ScalarPtr> NumberLiteral(const std::string& text) {
  if (text.find_first_of("eE") != std::string::npos) return DoubleLiteral(text);
  if (text.find('.') != std::string::npos) return DecimalLiteral(text);
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure == std::errc() && stop == end) return std::make_shared<arrow::Int64Scalar>(value);
  return DecimalLiteral(text);
}

}  // namespace

Result<Parser::Term> Parser::ParseNumber(bool negative, int64_t begin) {
  const Token token = Take();
  std::string text = negative ? "-" : "";
  if (token.text.starts_with('.')) text += '0';
  text += token.text;
  std::erase(text, '_');
  const TextSpan span = SpanFrom(begin);
  Result<ScalarPtr> value = NumberLiteral(text);
  if (!value.ok()) return WithSpan(value.status(), span);
  return Term{Unbound::Literal(*std::move(value), span), span};
}

Result<Parser::Term> Parser::ParseTypedLiteral(const TypePtr& type, const char* example) {
  const int64_t begin = Take().span.begin;
  const std::string text = UnquotedText(Take());
  const TextSpan span = SpanFrom(begin);
  Result<ScalarPtr> value = arrow::Scalar::Parse(type, text);
  if (!value.ok()) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "expected a literal such as {}, got '{}'", example, text), span);
  }
  return Term{Unbound::Literal(*std::move(value), span), span};
}

Result<Parser::Term> Parser::ParseBlob() {
  const Token token = Take();
  const std::string digits = UnquotedText(token);
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = HexDigit(digits[i]);
    const int low = i + 1 < digits.size() ? HexDigit(digits[i + 1]) : -1;
    if (high < 0 || low < 0) {
      return WithSpan(
          Error(ErrorKind::kSyntax, "expected pairs of hexadecimal digits, got {}", token.text),
          token.span);
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  auto value = std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(std::move(bytes)));
  return Term{Unbound::Literal(std::move(value), token.span), token.span};
}

namespace {

/// How many months, days and microseconds one of a unit is.
struct IntervalUnit {
  std::string_view name;  // without the s of the plural
  int32_t months;
  int64_t micros;
};
constexpr std::array<IntervalUnit, 13> kIntervalUnits = {{{"microsecond", 0, 1},
                                                          {"millisecond", 0, 1000},
                                                          {"second", 0, kSecond},
                                                          {"minute", 0, 60 * kSecond},
                                                          {"hour", 0, 3600 * kSecond},
                                                          {"day", 0, kDay},
                                                          {"week", 0, 7 * kDay},
                                                          {"month", 1, 0},
                                                          {"quarter", 3, 0},
                                                          {"year", 12, 0},
                                                          {"decade", 120, 0},
                                                          {"century", 1200, 0},
                                                          {"centurie", 1200, 0}}};

const IntervalUnit* UnitCalled(std::string_view name) {
  for (const IntervalUnit& unit : kIntervalUnits) {
    const size_t length = unit.name.size();
    const bool plural = name.size() == length + 1 && (name.back() == 's' || name.back() == 'S');
    if ((plural || name.size() == length) && EqualsIgnoringCase(name.substr(0, length), unit.name))
      return &unit;
  }
  return nullptr;
}

struct IntervalParts {
  int64_t months = 0;
  int64_t micros = 0;

  bool Add(double count, const IntervalUnit& unit) {
    const double new_months = count * unit.months;
    if (new_months != std::trunc(new_months)) return false;
    months += static_cast<int64_t>(new_months);
    const double whole = std::trunc(count);
    int64_t product = 0;
    if (std::abs(whole) > 9e15 ||
        __builtin_mul_overflow(static_cast<int64_t>(whole), unit.micros, &product) ||
        __builtin_add_overflow(micros, product, &micros)) {
      return false;
    }
    micros += std::llround((count - whole) * static_cast<double>(unit.micros));
    return std::abs(months) <= std::numeric_limits<int32_t>::max();
  }
};

/// "1 day 02:03:04.5", "3 hours"; `unit` is that of a bare number.
std::optional<IntervalParts> ReadInterval(std::string_view text, const IntervalUnit* unit) {
  IntervalParts parts;
  const char* next = text.data();
  const char* const end = next + text.size();
  const auto skip = [&] {
    while (next < end && (*next == ' ' || *next == ',')) ++next;
  };
  bool any = false;
  for (skip(); next < end; skip()) {
    const bool negative = *next == '-';
    double count = 0;
    const auto [stop, failure] = std::from_chars(next, end, count);
    if (failure != std::errc()) return std::nullopt;
    next = stop;
    if (next < end && *next == ':') {
      double minutes = 0;
      double seconds = 0;
      const auto minute = std::from_chars(next + 1, end, minutes);
      if (minute.ec != std::errc()) return std::nullopt;
      next = minute.ptr;
      if (next < end && *next == ':') {
        const auto second = std::from_chars(next + 1, end, seconds);
        if (second.ec != std::errc()) return std::nullopt;
        next = second.ptr;
      }
      const double rest = minutes * 60 + seconds;
      if (!parts.Add(count * 3600 + (negative ? -rest : rest), *UnitCalled("second"))) {
        return std::nullopt;
      }
      any = true;
      continue;
    }
    skip();
    const char* const word = next;
    while (next < end && *next != ' ' && *next != ',' && !(*next >= '0' && *next <= '9')) ++next;
    const IntervalUnit* named =
        word == next ? unit : UnitCalled({word, static_cast<size_t>(next - word)});
    if (named == nullptr || !parts.Add(count, *named)) return std::nullopt;
    any = true;
  }
  if (!any) return std::nullopt;
  return parts;
}

/// INTERVAL of a fixed length, or one with months.
ScalarPtr IntervalLiteral(const IntervalParts& parts) {
  if (parts.months == 0) {
    return std::make_shared<arrow::DurationScalar>(parts.micros,
                                                   arrow::duration(arrow::TimeUnit::MICRO));
  }
  const arrow::MonthDayNanoIntervalType::MonthDayNanos value{
      static_cast<int32_t>(parts.months), static_cast<int32_t>(parts.micros / kDay),
      parts.micros % kDay * 1000};
  return std::make_shared<arrow::MonthDayNanoIntervalScalar>(value);
}

}  // namespace

/// INTERVAL '1' DAY, INTERVAL 3 HOURS, INTERVAL '1 day 2 hours', INTERVAL (x) DAY.
Result<Parser::Term> Parser::ParseInterval() {
  const int64_t begin = Take().span.begin;
  if (Peek().IsSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(Term count, ParseParenthesized());
    const IntervalUnit* unit = UnitCalled(Peek().text);
    if (unit == nullptr) return Unexpected("a unit of time (DAY, HOUR ...)");
    Take();
    ScalarPtr one = IntervalLiteral({unit->months, unit->micros});
    Term length{Unbound::Literal(std::move(one), SpanFrom(begin)), SpanFrom(begin)};
    return MakeCall("*", {std::move(length), std::move(count)}, SpanFrom(begin));
  }
  const bool negative = AcceptSymbol("-");
  const Token value = Take();
  std::string text = negative ? "-" : "";
  text += value.kind == Token::Kind::kString ? UnquotedText(value) : std::string(value.text);
  const IntervalUnit* unit = Peek().kind == Token::Kind::kWord ? UnitCalled(Peek().text) : nullptr;
  if (unit != nullptr) Take();
  const std::optional<IntervalParts> parts = ReadInterval(text, unit);
  const TextSpan span = SpanFrom(begin);
  if (!parts.has_value()) {
    return WithSpan(Error(ErrorKind::kSyntax,
                          "expected a literal such as INTERVAL '1' DAY or INTERVAL '2 hours', got "
                          "'{}'",
                          text),
                    span);
  }
  return Term{Unbound::Literal(IntervalLiteral(*parts), span), span};
}

/// [a, b, …], or [value FOR item IN list]
Result<Parser::Term> Parser::ParseList() {
  const int64_t begin = Take().span.begin;
  std::vector<Term> items;
  while (!Peek().IsSymbol("]")) {
    ARROW_ASSIGN_OR_RAISE(items.emplace_back(), ParseTerm());
    if (items.size() == 1 && Peek().IsWord("FOR")) return ParseListOf(items.front(), begin);
    if (!AcceptSymbol(",")) break;
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
  return MakeCall("list_value", items, SpanFrom(begin));
}

/// {'name': value, name: value, …}
Result<Parser::Term> Parser::ParseStruct() {
  const int64_t begin = Take().span.begin;
  std::vector<Term> values;
  std::vector<std::string> names;
  do {
    if (Peek().kind == Token::Kind::kString) {
      names.push_back(UnquotedText(Take()));
    } else {
      ARROW_ASSIGN_OR_RAISE(names.emplace_back(), ParseName("the name of a field"));
    }
    ARROW_RETURN_NOT_OK(ExpectSymbol(":"));
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), ParseTerm());
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol("}"));
  ARROW_ASSIGN_OR_RAISE(Term term, MakeCall("struct_pack", values, SpanFrom(begin)));
  auto call = std::make_shared<Unbound>(*term.expression);
  call->arg_names = std::move(names);
  term.expression = std::move(call);
  return term;
}

/// MAP {key: value, …} is map([key, …], [value, …]).
Result<Parser::Term> Parser::ParseMap() {
  const int64_t begin = Take().span.begin;
  Take();
  std::vector<Term> keys;
  std::vector<Term> values;
  while (!Peek().IsSymbol("}")) {
    ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), ParseTerm());
    ARROW_RETURN_NOT_OK(ExpectSymbol(":"));
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), ParseTerm());
    if (!AcceptSymbol(",")) break;
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol("}"));
  const TextSpan span = SpanFrom(begin);
  ARROW_ASSIGN_OR_RAISE(Term key_list, MakeCall("list_value", keys, span));
  ARROW_ASSIGN_OR_RAISE(Term value_list, MakeCall("list_value", values, span));
  return MakeCall("map", {std::move(key_list), std::move(value_list)}, span);
}

}  // namespace headrace::sql
