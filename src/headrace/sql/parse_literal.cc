// Literals and type names.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "arrow/buffer.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/decimal.h"
#include "headrace/sql/parser.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

constexpr int32_t kDecimalDigitsMax = 38;
constexpr int kListDepthMax = 16;

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

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Parser::Term> Parser::ParseNumber(bool negative, int64_t begin) {
  const Token token = Take();
  std::string text = negative ? "-" : "";
  if (token.text.starts_with('.')) text += '0';
  text += token.text;
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

/// name [(n, …)] {[]}.
Result<TypePtr> Parser::ParseType() {
  const Token first = Peek();
  std::vector<int64_t> params;
  ARROW_ASSIGN_OR_RAISE(const std::string name, ParseTypeName(&params));
  Result<TypePtr> type = TypeFromSqlName(name, params);
  if (!type.ok()) return WithSpan(type.status(), SpanFrom(first.span.begin));
  int depth = 0;
  while (AcceptSymbol("[")) {
    ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
    if (++depth > kListDepthMax) return Unexpected("fewer []");
    type = arrow::list(*std::move(type));
  }
  return type;
}

/// The words of a type; parameters may stand amid them: TIMESTAMP (3) WITH TIME ZONE.
Result<std::string> Parser::ParseTypeName(std::vector<int64_t>* params) {
  const Token first = Peek();
  ARROW_ASSIGN_OR_RAISE(std::string name, ParseName("a type"));
  if (first.IsWord("DOUBLE") && AcceptWord("PRECISION")) name += " PRECISION";
  if (first.IsWord("CHARACTER") && AcceptWord("VARYING")) name += " VARYING";
  ARROW_RETURN_NOT_OK(ParseTypeParams(params));
  if (!first.IsWord("TIMESTAMP") && !first.IsWord("TIME")) return name;
  for (const char* word : {"WITH", "WITHOUT"}) {
    if (!Peek().IsWord(word) || !PeekNext().IsWord("TIME")) continue;
    Take();
    Take();
    ARROW_RETURN_NOT_OK(ExpectWord("ZONE"));
    return fmt::format("{} {} TIME ZONE", name, word);
  }
  return name;
}

Status Parser::ParseTypeParams(std::vector<int64_t>* params) {
  if (!AcceptSymbol("(")) return Status::OK();
  do {
    ARROW_ASSIGN_OR_RAISE(const int64_t param, ParseRowCount("a whole number"));
    params->push_back(param);
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

}  // namespace headrace::sql
