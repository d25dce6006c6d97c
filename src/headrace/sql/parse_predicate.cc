// Predicates: comparisons, IS, BETWEEN, IN, LIKE, GLOB, ANY and ALL.
#include <algorithm>
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

constexpr std::array<std::string_view, 8> kComparisons = {
    "=", "==", "<>", "!=", "<", "<=", ">", ">="};

bool IsComparison(const Token& token) {
  return token.kind == Token::Kind::kSymbol &&
         std::find(kComparisons.begin(), kComparisons.end(), token.text) != kComparisons.end();
}

/// The operator as the registry spells it.
std::string CanonicalComparison(std::string_view symbol) {
  if (symbol == "==") return "=";
  if (symbol == "!=") return "<>";
  return std::string(symbol);
}

/// Operators that match a text with a pattern: symbol, function, whether it is negated.
struct MatchOperator {
  std::string_view symbol;
  const char* function;
  bool negated;
};
constexpr std::array<MatchOperator, 6> kMatches = {{{"~~", "like", false},
                                                    {"!~~", "like", true},
                                                    {"~~*", "ilike", false},
                                                    {"!~~*", "ilike", true},
                                                    {"~", "regexp_matches", false},
                                                    {"!~", "regexp_matches", true}}};

const MatchOperator* MatchOf(const Token& token) {
  for (const MatchOperator& match : kMatches) {
    if (token.IsSymbol(match.symbol)) return &match;
  }
  return nullptr;
}

}  // namespace

bool Parser::StartsPredicate() const {
  if (PeekIsOneOf({"IS", "BETWEEN", "IN", "LIKE", "ILIKE", "ISNULL", "NOTNULL", "GLOB"})) {
    return true;
  }
  if (Peek().IsWord("SIMILAR")) return PeekNext().IsWord("TO");
  if (Peek().IsWord("NOT")) return true;
  return MatchOf(Peek()) != nullptr;
}

Result<Parser::Term> Parser::ParsePredicate() {
  ARROW_ASSIGN_OR_RAISE(Term operand, ParseArithmetic(0));
  while (StartsPredicate()) {
    ARROW_ASSIGN_OR_RAISE(operand, ParsePredicateOf(std::move(operand)));
  }
  return IsComparison(Peek()) ? ParseComparison(std::move(operand)) : operand;
}

/// left op right; IS after it speaks of the whole comparison.
Result<Parser::Term> Parser::ParseComparison(Term left) {
  std::string symbol = CanonicalComparison(Take().text);
  if (PeekIsOneOf({"ANY", "ALL", "SOME"}) && PeekNext().IsSymbol("(")) {
    return ParseQuantified(symbol, std::move(left));
  }
  ARROW_ASSIGN_OR_RAISE(Term right, ParseArithmetic(0));
  while (StartsPredicate() && !Peek().IsWord("IS")) {
    ARROW_ASSIGN_OR_RAISE(right, ParsePredicateOf(std::move(right)));
  }
  if (IsComparison(Peek())) {
    return WithSpan(
        Error(ErrorKind::kSyntax,
              "comparisons do not chain; write a < b AND b < c instead of a < b {} c", Peek().text),
        Peek().span);
  }
  const TextSpan span = Around(left.span, right.span);
  ARROW_ASSIGN_OR_RAISE(Term term, MakeComparison(symbol, left, right, span));
  while (AcceptWord("IS")) {
    ARROW_ASSIGN_OR_RAISE(term, ParseIs(std::move(term)));
  }
  return term;
}

namespace {

bool IsRow(const UnboundPtr& expression) {
  return expression->kind == Unbound::Kind::kCall && expression->name == "row" &&
         expression->window == nullptr && expression->args.size() > 1;
}

}  // namespace

/// Rows of the same number of values are compared value by value.
Result<Parser::Term> Parser::MakeComparison(const std::string& symbol, const Term& left,
                                            const Term& right, TextSpan span) const {
  const bool rows = IsRow(left.expression);
  if (rows && IsRow(right.expression) &&
      left.expression->args.size() == right.expression->args.size()) {
    return MakeRowComparison(symbol, left, right, span);
  }
  if (!rows && !IsRow(right.expression)) return MakeCall(symbol, {left, right}, span);
  return WithSpan(Error(ErrorKind::kTypeMismatch,
                        "a row is compared with a row of as many values: (a, b) = (c, d)"),
                  span);
}

/// = : all are equal; <> : any differs; others: by the first values that differ.
Result<Parser::Term> Parser::MakeRowComparison(const std::string& symbol, const Term& left,
                                               const Term& right, TextSpan span) const {
  const bool all = symbol == "=" || symbol == "is_not_distinct_from";
  if (!all && symbol != "<>" && symbol != "is_distinct_from") {
    return MakeRowOrder(symbol, left, right, span);
  }
  ARROW_ASSIGN_OR_RAISE(Term term, Above({left, right}, span));
  std::vector<UnboundPtr> parts;
  for (size_t i = 0; i < left.expression->args.size(); ++i) {
    parts.push_back(
        Unbound::Call(symbol, {left.expression->args[i], right.expression->args[i]}, span));
  }
  term.expression = Unbound::Call(all ? "and" : "or", std::move(parts), span);
  return term;
}

/// (a, b) < (c, d) is a < c OR (a = c AND b < d).
Result<Parser::Term> Parser::MakeRowOrder(const std::string& symbol, const Term& left,
                                          const Term& right, TextSpan span) const {
  ARROW_ASSIGN_OR_RAISE(Term term, Above({left, right, left, right}, span));
  const std::string strict = symbol.substr(0, 1);
  const size_t count = left.expression->args.size();
  for (size_t i = count; i-- > 0;) {
    const std::vector<UnboundPtr> pair = {left.expression->args[i], right.expression->args[i]};
    if (i + 1 == count) {
      term.expression = Unbound::Call(symbol, pair, span);
      continue;
    }
    const auto tied = Unbound::Call("and", {Unbound::Call("=", pair, span), term.expression}, span);
    term.expression = Unbound::Call("or", {Unbound::Call(strict, pair, span), tied}, span);
    if (++term.height > kNestingDepthMax / 2) return Unexpected("fewer values in a row");
  }
  return term;
}

Result<Parser::Term> Parser::ParsePredicateOf(Term operand) {
  if (AcceptWord("IS")) return ParseIs(std::move(operand));
  if (PeekIsOneOf({"ISNULL", "NOTNULL"})) {
    const char* function = Take().IsWord("ISNULL") ? "is_null" : "is_not_null";
    const TextSpan span = SpanFrom(operand.span.begin);
    return MakeCall(function, {std::move(operand)}, span);
  }
  if (const MatchOperator* match = MatchOf(Peek())) {
    Take();
    ARROW_ASSIGN_OR_RAISE(Term term, ParseLike(match->function, std::move(operand)));
    return match->negated ? Negated(std::move(term)) : term;
  }
  const bool negated = AcceptWord("NOT");
  Result<Term> predicate = Unexpected("IN, BETWEEN, LIKE, ILIKE or GLOB");
  if (AcceptWord("BETWEEN")) {
    predicate = ParseBetween(std::move(operand));
  } else if (AcceptWord("IN")) {
    predicate = ParseIn(std::move(operand));
  } else if (AcceptWord("LIKE")) {
    predicate = ParseLike("like", std::move(operand));
  } else if (AcceptWord("ILIKE")) {
    predicate = ParseLike("ilike", std::move(operand));
  } else if (AcceptWord("GLOB")) {
    ARROW_ASSIGN_OR_RAISE(Term pattern, ParseArithmetic(0));
    const TextSpan span = SpanFrom(operand.span.begin);
    predicate = MakeCall("glob", {std::move(operand), std::move(pattern)}, span);
  } else if (AcceptWord("SIMILAR")) {
    ARROW_RETURN_NOT_OK(ExpectWord("TO"));
    predicate = ParseLike("regexp_full_match", std::move(operand));
  }
  if (!negated || !predicate.ok()) return predicate;
  return Negated(*std::move(predicate));
}

/// After IS: [NOT] NULL | TRUE | FALSE | UNKNOWN | DISTINCT FROM x.
Result<Parser::Term> Parser::ParseIs(Term operand) {
  const bool negated = AcceptWord("NOT");
  if (AcceptWord("DISTINCT")) return ParseIsDistinct(std::move(operand), negated);
  if (PeekIsOneOf({"TRUE", "FALSE"})) return ParseIsTruth(std::move(operand), negated);
  if (!AcceptWord("NULL") && !AcceptWord("UNKNOWN")) {
    return Unexpected("NULL, TRUE, FALSE or DISTINCT FROM");
  }
  const TextSpan span = SpanFrom(operand.span.begin);
  return MakeCall(negated ? "is_not_null" : "is_null", {std::move(operand)}, span);
}

/// x IS TRUE is coalesce(x, false); x IS FALSE is NOT coalesce(x, true).
Result<Parser::Term> Parser::ParseIsTruth(Term operand, bool negated) {
  const bool truth = Take().IsWord("TRUE");
  const TextSpan span = SpanFrom(operand.span.begin);
  Term fallback{Unbound::Literal(std::make_shared<arrow::BooleanScalar>(!truth), span), span};
  ARROW_ASSIGN_OR_RAISE(Term term,
                        MakeCall("coalesce", {std::move(operand), std::move(fallback)}, span));
  return negated == truth ? Negated(std::move(term)) : term;
}

/// After IS [NOT] DISTINCT.
Result<Parser::Term> Parser::ParseIsDistinct(Term operand, bool negated) {
  ARROW_RETURN_NOT_OK(ExpectWord("FROM"));
  ARROW_ASSIGN_OR_RAISE(Term right, ParseArithmetic(0));
  const TextSpan span = SpanFrom(operand.span.begin);
  return MakeComparison(negated ? "is_not_distinct_from" : "is_distinct_from", operand, right,
                        span);
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

/// x IN (a, b) is x = a OR x = b; x IN (SELECT …) is x = ANY (SELECT …); x IN list looks for x in
/// the list.
Result<Parser::Term> Parser::ParseIn(Term operand) {
  const int64_t begin = operand.span.begin;
  if (!Peek().IsSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(Term list, ParsePostfix());
    return MakeCall("list_contains", {std::move(list), std::move(operand)}, SpanFrom(begin));
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  if (StartsQuery()) {
    ARROW_ASSIGN_OR_RAISE(Term term, ParseSubquery("= any", {std::move(operand)}, begin));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return term;
  }
  std::vector<Term> matches;
  do {
    ARROW_ASSIGN_OR_RAISE(Term item, ParseTerm());
    const TextSpan span = Around(operand.span, item.span);
    ARROW_ASSIGN_OR_RAISE(Term match, MakeComparison("=", operand, item, span));
    matches.push_back(std::move(match));
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  if (matches.size() == 1) return std::move(matches.front());
  return MakeCall("or", matches, SpanFrom(begin));
}

/// x LIKE pattern [ESCAPE character]
Result<Parser::Term> Parser::ParseLike(const char* function, Term operand) {
  ARROW_ASSIGN_OR_RAISE(Term pattern, ParseArithmetic(0));
  std::vector<Term> args = {std::move(operand), std::move(pattern)};
  if (AcceptWord("ESCAPE")) {
    ARROW_ASSIGN_OR_RAISE(args.emplace_back(), ParseArithmetic(0));
  }
  const TextSpan span = SpanFrom(args.front().span.begin);
  return MakeCall(function, args, span);
}

/// x op ANY (SELECT …), x op ALL (SELECT …), or of a list
Result<Parser::Term> Parser::ParseQuantified(const std::string& comparison, Term operand) {
  const bool all = Take().IsWord("ALL");
  const int64_t begin = operand.span.begin;
  Take();
  if (!StartsQuery()) {
    ARROW_ASSIGN_OR_RAISE(const Term list, ParseTerm());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return QuantifiedByList(comparison, operand, list, all);
  }
  ARROW_ASSIGN_OR_RAISE(
      Term term, ParseSubquery(comparison + (all ? " all" : " any"), {std::move(operand)}, begin));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return term;
}

/// The query that comes next, used as `use` says.
Result<Parser::Term> Parser::ParseSubquery(std::string use, std::vector<Term> args, int64_t begin) {
  ARROW_ASSIGN_OR_RAISE(QueryPtr query, ParseQuery());
  return MakeSubquery(std::move(use), std::move(args), std::move(query), SpanFrom(begin));
}

/// The values of a row are operands beside one another.
Result<Parser::Term> Parser::MakeSubquery(std::string use, std::vector<Term> args, QueryPtr query,
                                          TextSpan span) const {
  ARROW_ASSIGN_OR_RAISE(Term term, Above(args, span));
  auto node = std::make_shared<Unbound>();
  node->kind = Unbound::Kind::kQuery;
  node->span = span;
  node->name = std::move(use);
  for (const Term& arg : args) {
    if (IsRow(arg.expression)) {
      node->args = arg.expression->args;
    } else {
      node->args.push_back(arg.expression);
    }
  }
  node->query = std::make_shared<const QueryOperand>(std::move(query));
  term.expression = std::move(node);
  return term;
}

}  // namespace headrace::sql
