// Expressions by precedence, loosest first:
//   OR · AND · NOT · predicates · || -> & | << >> && @> <@ ^@ · + − · * / // % · ^ · sign ·
//   [] . :: AT TIME ZONE
#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

constexpr std::array<std::string_view, 11> kOthers = {"||", "->", "->>", "&",  "|", "<<",
                                                      ">>", "&&", "@>",  "<@", "^@"};
constexpr std::array<std::string_view, 2> kSums = {"+", "-"};
constexpr std::array<std::string_view, 4> kProducts = {"*", "/", "//", "%"};
/// Binary operators that group from the left, loosest level first.
constexpr std::array<std::span<const std::string_view>, 3> kLevels = {kOthers, kSums, kProducts};

bool IsOneOf(const Token& token, std::span<const std::string_view> symbols) {
  return token.kind == Token::Kind::kSymbol &&
         std::find(symbols.begin(), symbols.end(), token.text) != symbols.end();
}

/// Keeps the work of binding in proportion to a text that any program may have written.
constexpr int64_t kExpressionNodesMax = 1'000'000;

Status CheckNodes(int64_t nodes, TextSpan span) {
  if (nodes <= kExpressionNodesMax) return Status::OK();
  return WithSpan(
      Error(ErrorKind::kSyntax, "the expressions have more than {} parts", kExpressionNodesMax),
      span);
}

}  // namespace

Result<UnboundPtr> Parser::ParseWholeExpression() {
  ARROW_ASSIGN_OR_RAISE(UnboundPtr expression, ParseExpression());
  ARROW_RETURN_NOT_OK(ExpectEndOfExpression());
  return expression;
}

Result<std::vector<NamedUnbound>> Parser::ParseWholeItems() {
  std::vector<NamedUnbound> items;
  do {
    NamedUnbound& item = items.emplace_back();
    ARROW_ASSIGN_OR_RAISE(item.expression, ParseExpression());
    ARROW_ASSIGN_OR_RAISE(item.name, ParseAlias());
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectEndOfExpression());
  return items;
}

Result<std::vector<UnboundSortKey>> Parser::ParseWholeSortKeys() {
  ARROW_ASSIGN_OR_RAISE(std::vector<UnboundSortKey> keys, ParseSortKeys(nullptr));
  ARROW_RETURN_NOT_OK(ExpectEndOfExpression());
  return keys;
}

Status Parser::ExpectEndOfExpression() {
  if (Peek().kind == Token::Kind::kEnd) return Status::OK();
  return Unexpected("the end of the expression");
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

Result<Parser::Term> Parser::ParseArithmetic(size_t level) {
  if (level == kLevels.size()) return ParsePower();
  ARROW_ASSIGN_OR_RAISE(Term left, ParseArithmetic(level + 1));
  while (IsOneOf(Peek(), kLevels[level])) {
    std::string symbol(Take().text);
    ARROW_ASSIGN_OR_RAISE(Term right, ParseArithmetic(level + 1));
    const TextSpan span = Around(left.span, right.span);
    if (symbol == "<@") {
      std::swap(left, right);
      symbol = "@>";
    }
    ARROW_ASSIGN_OR_RAISE(left,
                          MakeCall(std::move(symbol), {std::move(left), std::move(right)}, span));
  }
  return left;
}

/// x ^ y, from the left; a sign belongs to its operand: -2 ^ 2 is 4.
Result<Parser::Term> Parser::ParsePower() {
  ARROW_ASSIGN_OR_RAISE(Term left, ParseSigned());
  while (Peek().IsSymbol("^") || Peek().IsSymbol("**")) {
    Take();
    ARROW_ASSIGN_OR_RAISE(Term right, ParseSigned());
    const TextSpan span = Around(left.span, right.span);
    ARROW_ASSIGN_OR_RAISE(left, MakeCall("**", {std::move(left), std::move(right)}, span));
  }
  return left;
}

Result<Parser::Term> Parser::ParseSigned() {
  if (!Peek().IsSymbol("-") && !Peek().IsSymbol("+") && !Peek().IsSymbol("~")) {
    return ParsePostfix();
  }
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  const Token sign = Take();
  if (sign.text == "-" && Peek().kind == Token::Kind::kNumber && !PeekNext().IsSymbol("::")) {
    return ParseNumber(true, sign.span.begin);
  }
  ARROW_ASSIGN_OR_RAISE(Term operand, ParseSigned());
  if (sign.text == "+") return operand;
  return MakeCall(std::string(sign.text), {std::move(operand)}, SpanFrom(sign.span.begin));
}

/// Casts, subscripts, fields and zones after a primary.
Result<Parser::Term> Parser::ParsePostfix() {
  ARROW_ASSIGN_OR_RAISE(Term term, ParsePrimary());
  while (true) {
    const int64_t begin = term.span.begin;
    if (AcceptSymbol("::")) {
      ARROW_ASSIGN_OR_RAISE(term, MakeCast(std::move(term), false, begin));
    } else if (Peek().IsWord("AT") && PeekNext().IsWord("TIME")) {
      Take();
      Take();
      ARROW_RETURN_NOT_OK(ExpectWord("ZONE"));
      ARROW_ASSIGN_OR_RAISE(Term zone, ParsePrimary());
      ARROW_ASSIGN_OR_RAISE(
          term, MakeCall("timezone", {std::move(zone), std::move(term)}, SpanFrom(begin)));
    } else if (AcceptSymbol("[")) {
      ARROW_ASSIGN_OR_RAISE(term, ParseSubscript(std::move(term)));
    } else if (Peek().IsSymbol(".") && term.expression->kind != Unbound::Kind::kLiteral) {
      Take();
      const TextSpan span = Peek().span;
      ARROW_ASSIGN_OR_RAISE(std::string field, ParseName("a field"));
      Term name{Unbound::Literal(std::make_shared<arrow::StringScalar>(std::move(field)), span),
                span};
      ARROW_ASSIGN_OR_RAISE(
          term, MakeCall("struct_extract", {std::move(term), std::move(name)}, SpanFrom(begin)));
    } else {
      return term;
    }
    if (term.height > kNestingDepthMax) return Unexpected("fewer casts and subscripts");
  }
}

/// After [: index ] or [begin] : [end] ].
Result<Parser::Term> Parser::ParseSubscript(Term term) {
  const int64_t begin = term.span.begin;
  const auto number = [&](int64_t value) -> Term {
    return {Unbound::Literal(std::make_shared<arrow::Int64Scalar>(value), Peek().span),
            Peek().span};
  };
  Term index = number(1);
  if (!Peek().IsSymbol(":")) {
    ARROW_ASSIGN_OR_RAISE(index, ParseTerm());
  }
  if (!AcceptSymbol(":")) {
    ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
    return MakeCall("list_extract", {std::move(term), std::move(index)}, SpanFrom(begin));
  }
  Term end = number(-1);
  if (!Peek().IsSymbol("]")) {
    ARROW_ASSIGN_OR_RAISE(end, ParseTerm());
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
  return MakeCall("list_slice", {std::move(term), std::move(index), std::move(end)},
                  SpanFrom(begin));
}

/// Nulls come last unless the text says otherwise, ascending and descending alike.
Result<std::vector<UnboundSortKey>> Parser::ParseOrderBy(std::vector<Term>* parts) {
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  return ParseSortKeys(parts);
}

Result<std::vector<UnboundSortKey>> Parser::ParseSortKeys(std::vector<Term>* parts) {
  std::vector<UnboundSortKey> keys;
  do {
    ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
    ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), ParseSortDirection(term.expression));
    if (parts != nullptr) parts->push_back(std::move(term));
  } while (AcceptSymbol(","));
  return keys;
}

/// [ASC | DESC] [NULLS FIRST | NULLS LAST]
Result<UnboundSortKey> Parser::ParseSortDirection(UnboundPtr expression) {
  UnboundSortKey key;
  key.expression = std::move(expression);
  if (!AcceptWord("ASC")) key.descending = AcceptWord("DESC");
  key.nulls = NullPlacement::kLast;
  if (AcceptWord("NULLS")) {
    if (!PeekIsOneOf({"FIRST", "LAST"})) return Unexpected("FIRST or LAST");
    key.nulls = Take().IsWord("FIRST") ? NullPlacement::kFirst : NullPlacement::kLast;
  }
  return key;
}

Result<int64_t> Parser::ParseRowCount(std::string_view expected) {
  int64_t count = 0;
  const std::string_view text = Peek().text;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (Peek().kind != Token::Kind::kNumber || failure != std::errc() ||
      stop != text.data() + text.size()) {
    return Unexpected(expected);
  }
  Take();
  return count;
}

}  // namespace headrace::sql
