// Expressions by precedence, loosest first:
//   OR · AND · NOT · comparison, IS, BETWEEN, IN · || · + − · * / // % · sign · ::
#include <algorithm>
#include <array>
#include <span>

#include "headrace/base/limits.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

constexpr std::array<std::string_view, 8> kComparisons = {
    "=", "==", "<>", "!=", "<", "<=", ">", ">="};
constexpr std::array<std::string_view, 1> kConcatenation = {"||"};
constexpr std::array<std::string_view, 2> kSums = {"+", "-"};
constexpr std::array<std::string_view, 4> kProducts = {"*", "/", "//", "%"};
/// Binary operators that group from the left, loosest level first.
constexpr std::array<std::span<const std::string_view>, 3> kLevels = {kConcatenation, kSums,
                                                                      kProducts};

bool IsOneOf(const Token& token, std::span<const std::string_view> symbols) {
  return token.kind == Token::Kind::kSymbol &&
         std::find(symbols.begin(), symbols.end(), token.text) != symbols.end();
}

/// The operator as the registry spells it.
std::string CanonicalOperator(std::string_view symbol) {
  if (symbol == "==") return "=";
  if (symbol == "!=") return "<>";
  return std::string(symbol);
}

/// Keeps the work of binding in proportion to a text that any program may have written.
constexpr int64_t kExpressionNodesMax = 1'000'000;

Status CheckNodes(int64_t nodes, TextSpan span) {
  if (nodes <= kExpressionNodesMax) return Status::OK();
  return WithSpan(
      Error(ErrorKind::kSyntax, "the expressions have more than {} parts", kExpressionNodesMax),
      span);
}

TextSpan Around(TextSpan first, TextSpan last) { return {first.begin, last.end}; }

}  // namespace

Result<UnboundPtr> Parser::ParseWholeExpression() {
  ARROW_ASSIGN_OR_RAISE(UnboundPtr expression, ParseExpression());
  if (Peek().kind != Token::Kind::kEnd) return Unexpected("the end of the expression");
  return expression;
}

Result<UnboundPtr> Parser::ParseExpression() {
  ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
  nodes_ += term.nodes;
  ARROW_RETURN_NOT_OK(CheckNodes(nodes_, term.span));
  return std::move(term.expression);
}

Result<std::vector<UnboundPtr>> Parser::ParseExpressionList() {
  std::vector<UnboundPtr> expressions;
  do {
    ARROW_ASSIGN_OR_RAISE(UnboundPtr expression, ParseExpression());
    expressions.push_back(std::move(expression));
  } while (AcceptSymbol(","));
  return expressions;
}

/// A node above `parts`, its expression still to be set.
Result<Parser::Term> Parser::Above(const std::vector<Term>& parts, TextSpan span) const {
  Term above{nullptr, span};
  for (const Term& part : parts) {
    above.height = std::max(above.height, part.height + 1);
    above.nodes += part.nodes;
  }
  if (above.height > kNestingDepthMax) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "the expression nests deeper than {} levels", kNestingDepthMax),
        span);
  }
  ARROW_RETURN_NOT_OK(CheckNodes(nodes_ + above.nodes, span));
  return above;
}

Result<Parser::Term> Parser::MakeCall(std::string name, const std::vector<Term>& args,
                                      TextSpan span) const {
  ARROW_ASSIGN_OR_RAISE(Term call, Above(args, span));
  std::vector<UnboundPtr> expressions;
  for (const Term& arg : args) expressions.push_back(arg.expression);
  call.expression = Unbound::Call(std::move(name), std::move(expressions), span);
  return call;
}

Result<Parser::Term> Parser::Negated(Term term) const {
  const TextSpan span = term.span;
  return MakeCall("not", {std::move(term)}, span);
}

Result<Parser::Term> Parser::ParseTerm() {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  return ParseConnected("OR", "or", &Parser::ParseConjunction);
}

/// `operand {word operand}` as one call of `function`.
Result<Parser::Term> Parser::ParseConnected(std::string_view word, const char* function,
                                            Result<Term> (Parser::*parse_operand)()) {
  ARROW_ASSIGN_OR_RAISE(Term first, (this->*parse_operand)());
  if (!Peek().IsWord(word)) return first;
  std::vector<Term> operands = {std::move(first)};
  while (AcceptWord(word)) {
    ARROW_ASSIGN_OR_RAISE(Term operand, (this->*parse_operand)());
    operands.push_back(std::move(operand));
  }
  return MakeCall(function, operands, Around(operands.front().span, operands.back().span));
}

Result<Parser::Term> Parser::ParseConjunction() {
  return ParseConnected("AND", "and", &Parser::ParseNegation);
}

Result<Parser::Term> Parser::ParseNegation() {
  if (!Peek().IsWord("NOT")) return ParsePredicate();
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  const int64_t begin = Take().span.begin;
  ARROW_ASSIGN_OR_RAISE(Term operand, ParseNegation());
  return MakeCall("not", {std::move(operand)}, SpanFrom(begin));
}

Result<Parser::Term> Parser::ParsePredicate() {
  ARROW_ASSIGN_OR_RAISE(Term operand, ParseArithmetic(0));
  while (Peek().IsWord("IS") || Peek().IsWord("NOT") || Peek().IsWord("BETWEEN") ||
         Peek().IsWord("IN") || Peek().IsWord("LIKE")) {
    ARROW_ASSIGN_OR_RAISE(operand, ParsePredicateOf(std::move(operand)));
  }
  if (!IsOneOf(Peek(), kComparisons)) return operand;
  std::string symbol = CanonicalOperator(Take().text);
  ARROW_ASSIGN_OR_RAISE(Term right, ParseArithmetic(0));
  if (IsOneOf(Peek(), kComparisons)) {
    return WithSpan(
        Error(ErrorKind::kSyntax,
              "comparisons do not chain; write a < b AND b < c instead of a < b {} c", Peek().text),
        Peek().span);
  }
  const TextSpan span = Around(operand.span, right.span);
  return MakeCall(std::move(symbol), {std::move(operand), std::move(right)}, span);
}

Result<Parser::Term> Parser::ParsePredicateOf(Term operand) {
  if (AcceptWord("IS")) return ParseIsNull(std::move(operand));
  const bool negated = AcceptWord("NOT");
  Result<Term> predicate = Unexpected("IN or BETWEEN");
  if (AcceptWord("BETWEEN")) {
    predicate = ParseBetween(std::move(operand));
  } else if (AcceptWord("IN")) {
    predicate = ParseIn(std::move(operand));
  } else if (Peek().IsWord("LIKE")) {
    return Unsupported(Peek(), "LIKE is not supported; starts_with(text, prefix) is");
  }
  if (!negated || !predicate.ok()) return predicate;
  return Negated(*std::move(predicate));
}

Result<Parser::Term> Parser::ParseIsNull(Term operand) {
  const bool negated = AcceptWord("NOT");
  ARROW_RETURN_NOT_OK(ExpectWord("NULL"));
  const TextSpan span = SpanFrom(operand.span.begin);
  return MakeCall(negated ? "is_not_null" : "is_null", {std::move(operand)}, span);
}

/// x BETWEEN a AND b is x >= a AND x <= b.
Result<Parser::Term> Parser::ParseBetween(Term operand) {
  ARROW_ASSIGN_OR_RAISE(Term low, ParseArithmetic(0));
  ARROW_RETURN_NOT_OK(ExpectWord("AND"));
  ARROW_ASSIGN_OR_RAISE(Term high, ParseArithmetic(0));
  const TextSpan span = SpanFrom(operand.span.begin);
  ARROW_ASSIGN_OR_RAISE(Term above, MakeCall(">=", {operand, std::move(low)}, span));
  ARROW_ASSIGN_OR_RAISE(Term below, MakeCall("<=", {operand, std::move(high)}, span));
  return MakeCall("and", {std::move(above), std::move(below)}, span);
}

/// x IN (a, b) is x = a OR x = b.
Result<Parser::Term> Parser::ParseIn(Term operand) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  if (Peek().IsWord("SELECT")) {
    return Unsupported(Peek(), "IN (SELECT ...) is not supported; write a JOIN");
  }
  std::vector<Term> matches;
  do {
    ARROW_ASSIGN_OR_RAISE(Term item, ParseTerm());
    const TextSpan span = Around(operand.span, item.span);
    ARROW_ASSIGN_OR_RAISE(Term match, MakeCall("=", {operand, std::move(item)}, span));
    matches.push_back(std::move(match));
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  if (matches.size() == 1) return std::move(matches.front());
  return MakeCall("or", matches, SpanFrom(operand.span.begin));
}

Result<Parser::Term> Parser::ParseArithmetic(size_t level) {
  if (level == kLevels.size()) return ParseSigned();
  ARROW_ASSIGN_OR_RAISE(Term left, ParseArithmetic(level + 1));
  while (IsOneOf(Peek(), kLevels[level])) {
    std::string symbol = CanonicalOperator(Take().text);
    ARROW_ASSIGN_OR_RAISE(Term right, ParseArithmetic(level + 1));
    const TextSpan span = Around(left.span, right.span);
    ARROW_ASSIGN_OR_RAISE(left,
                          MakeCall(std::move(symbol), {std::move(left), std::move(right)}, span));
  }
  return left;
}

Result<Parser::Term> Parser::ParseSigned() {
  if (!Peek().IsSymbol("-") && !Peek().IsSymbol("+")) return ParsePostfix();
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  const Token sign = Take();
  if (sign.text == "-" && Peek().kind == Token::Kind::kNumber && !PeekNext().IsSymbol("::")) {
    return ParseNumber(true, sign.span.begin);
  }
  ARROW_ASSIGN_OR_RAISE(Term operand, ParseSigned());
  if (sign.text == "+") return operand;
  return MakeCall("-", {std::move(operand)}, SpanFrom(sign.span.begin));
}

Result<Parser::Term> Parser::ParsePostfix() {
  ARROW_ASSIGN_OR_RAISE(Term term, ParsePrimary());
  while (AcceptSymbol("::")) {
    const int64_t begin = term.span.begin;
    ARROW_ASSIGN_OR_RAISE(term, MakeCast(std::move(term), false, begin));
  }
  return term;
}

}  // namespace headrace::sql
