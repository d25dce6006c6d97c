// What an expression is made of: columns, parameters, CASE, CAST, parentheses.
#include <charconv>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {

Result<Parser::Term> Parser::ParsePrimary() {
  const Token token = Peek();
  const auto literal = [&](ScalarPtr value) -> Term {
    Take();
    return {Unbound::Literal(std::move(value), token.span), token.span};
  };
  if (token.kind == Token::Kind::kNumber) return ParseNumber(false, token.span.begin);
  if (token.kind == Token::Kind::kString) {
    return literal(std::make_shared<arrow::StringScalar>(UnquotedText(token)));
  }
  if (token.kind == Token::Kind::kBlob) return ParseBlob();
  if (token.IsWord("NULL")) return literal(arrow::MakeNullScalar(arrow::null()));
  if (token.IsWord("TRUE")) return literal(std::make_shared<arrow::BooleanScalar>(true));
  if (token.IsWord("FALSE")) return literal(std::make_shared<arrow::BooleanScalar>(false));
  if (token.IsWord("CASE")) return ParseCase();
  if (token.IsWord("CAST") || (token.IsWord("TRY_CAST") && PeekNext().IsSymbol("("))) {
    return ParseCast(token.IsWord("TRY_CAST"));
  }
  if (token.IsSymbol("(")) return ParseParenthesized();
  if (token.IsSymbol("[")) return ParseList();
  if (token.IsSymbol("{")) return ParseStruct();
  if (token.IsSymbol("?") || token.kind == Token::Kind::kParameter) return ParseParameter();
  if (token.IsWord("EXISTS")) {
    Take();
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_ASSIGN_OR_RAISE(Term term, ParseSubquery("exists", {}, token.span.begin));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return term;
  }
  return ParseNamed();
}

/// (expression), (SELECT …), or a row (a, b).
Result<Parser::Term> Parser::ParseParenthesized() {
  const int64_t begin = Take().span.begin;
  if (StartsQuery()) {
    ARROW_ASSIGN_OR_RAISE(Term query, ParseSubquery("scalar", {}, begin));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    return query;
  }
  ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
  if (Peek().IsSymbol(",")) return ParseRow(std::move(term), begin);
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  term.span = SpanFrom(begin);
  return term;
}

/// After (first: the other values of a row, which stands only in comparisons.
Result<Parser::Term> Parser::ParseRow(Term first, int64_t begin) {
  std::vector<Term> values = {std::move(first)};
  while (AcceptSymbol(",")) {
    ARROW_ASSIGN_OR_RAISE(values.emplace_back(), ParseTerm());
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return MakeCall("row", values, SpanFrom(begin));
}

/// A typed literal, a call, or a column with or without its table.
Result<Parser::Term> Parser::ParseNamed() {
  if (PeekNext().kind == Token::Kind::kString) {
    const auto timestamp = [](const char* zone) {
      return arrow::timestamp(arrow::TimeUnit::MICRO, zone);
    };
    if (Peek().IsWord("DATE")) return ParseTypedLiteral(arrow::date32(), "DATE '2024-01-31'");
    if (Peek().IsWord("TIME")) {
      return ParseTypedLiteral(arrow::time64(arrow::TimeUnit::MICRO), "TIME '23:59:59'");
    }
    if (Peek().IsWord("TIMESTAMP")) {
      return ParseTypedLiteral(timestamp(""), "TIMESTAMP '2024-01-31 23:59:59'");
    }
    if (Peek().IsWord("TIMESTAMPTZ")) {
      return ParseTypedLiteral(timestamp("UTC"), "TIMESTAMPTZ '2024-01-31 23:59:59Z'");
    }
  }
  if (Peek().IsWord("INTERVAL") &&
      (PeekNext().kind == Token::Kind::kString || PeekNext().kind == Token::Kind::kNumber ||
       PeekNext().IsSymbol("-") || PeekNext().IsSymbol("("))) {
    return ParseInterval();
  }
  if (Peek().IsWord("MAP") && PeekNext().IsSymbol("{")) return ParseMap();
  if (Peek().IsWord("ARRAY") && PeekNext().IsSymbol("[")) {
    Take();
    return ParseList();
  }
  if (Peek().IsWord("ARRAY") && PeekNext().IsSymbol("(")) {
    const Parser start = *this;
    Take();
    Take();
    const bool is_query = StartsQuery() || Peek().IsSymbol("(");
    Restore(start);
    if (is_query) return ParseArrayQuery();
  }
  const bool is_match_call =
      in_match_ && PeekIsOneOf({"RUNNING", "FINAL"}) && PeekNext().kind == Token::Kind::kWord;
  if (is_match_call) return ParseMatchCall();
  if (StartsCall()) return ParseFunction();
  const int64_t begin = Peek().span.begin;
  std::vector<std::string> path;
  ARROW_ASSIGN_OR_RAISE(path.emplace_back(), ParseName("an expression"));
  while (AcceptSymbol(".")) {
    if (in_match_ && Peek().IsSymbol("*")) {
      Take();
      const TextSpan span = SpanFrom(begin);
      return Term{Unbound::Star(std::move(path), span), span};
    }
    const bool is_each = Peek().IsSymbol("*") && (path.size() > 1 || PeekNext().IsSymbol("."));
    if (is_each) {
      Take();
      path.emplace_back("*");
    } else {
      ARROW_ASSIGN_OR_RAISE(path.emplace_back(), ParseName("a column"));
    }
  }
  const TextSpan span = SpanFrom(begin);
  return Term{Unbound::Column(std::move(path), span), span};
}

namespace {

/// SELECT expression [FROM query], with a name.
QueryPtr OneItem(UnboundPtr expression, QueryPtr from, TextSpan span) {
  auto select = std::make_shared<Select>();
  select->items.emplace_back().expression = std::move(expression);
  select->items.back().name = "value";
  if (from != nullptr) {
    select->from.emplace();
    select->from->kind = TableReference::Kind::kQuery;
    select->from->query = std::move(from);
    select->from->span = span;
  }
  auto query = std::make_shared<Query>();
  query->select = std::move(select);
  query->span = span;
  return query;
}

}  // namespace

/// ARRAY (query): the values of its one column as a list, in order. A null that is put before them,
/// and left out, makes a list of none.
Result<Parser::Term> Parser::ParseArrayQuery() {
  const int64_t begin = Take().span.begin;
  Take();
  ARROW_ASSIGN_OR_RAISE(QueryPtr values, ParseQuery());
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  const TextSpan span = SpanFrom(begin);
  auto set = std::make_shared<SetOperation>();
  set->all = true;
  set->span = span;
  set->left = OneItem(Unbound::Literal(std::make_shared<arrow::NullScalar>(), span), nullptr, span);
  set->right = std::move(values);
  auto all = std::make_shared<Query>();
  all->set = std::move(set);
  all->span = span;
  const auto integer = [&](int64_t value) {
    return Unbound::Literal(std::make_shared<arrow::Int64Scalar>(value), span);
  };
  const auto list = Unbound::Call("list", {Unbound::Column({"value"}, span)}, span);
  const auto count = Unbound::Call("count", {Unbound::Star({}, span)}, span);
  UnboundPtr item = Unbound::Call("list_slice", {list, integer(2), count}, span);
  return MakeSubquery("scalar", {}, OneItem(std::move(item), std::move(all), span), span);
}

/// ?, $1, $name: the literal that was given for it.
Result<Parser::Term> Parser::ParseParameter() {
  const Token token = Take();
  static const Parameters kNone;
  const Parameters& given = parameters_ == nullptr ? kNone : *parameters_;
  const std::string_view name = token.IsSymbol("?") ? "" : token.text.substr(1);
  const auto made = [&](const ScalarPtr& value) -> Term {
    return {Unbound::Literal(value, token.span), token.span};
  };
  const auto named = given.named.find(name);
  if (named != given.named.end()) return made(named->second);
  size_t number = 0;
  const auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (name.empty()) {
    number = ++next_parameter_;
  } else if (failure != std::errc() || stop != name.data() + name.size()) {
    return WithSpan(
        Error(ErrorKind::kInvalidArgument, "no value is given for the parameter {}", token.text),
        token.span);
  }
  if (number >= 1 && number <= given.positional.size()) return made(given.positional[number - 1]);
  return WithSpan(
      Error(ErrorKind::kInvalidArgument, "the query has a parameter {}, and {} values are given",
            number, given.positional.size()),
      token.span);
}

/// CASE [x] WHEN a THEN b … [ELSE c] END; with x, `a` stands for x = a.
Result<Parser::Term> Parser::ParseCase() {
  const int64_t begin = Take().span.begin;
  std::optional<Term> subject;
  if (!Peek().IsWord("WHEN")) {
    ARROW_ASSIGN_OR_RAISE(subject, ParseTerm());
  }
  if (!Peek().IsWord("WHEN")) return Unexpected("WHEN");
  std::vector<Term> args;
  while (AcceptWord("WHEN")) {
    ARROW_ASSIGN_OR_RAISE(Term condition, ParseTerm());
    if (subject.has_value()) {
      const TextSpan span = condition.span;
      ARROW_ASSIGN_OR_RAISE(condition, MakeCall("=", {*subject, std::move(condition)}, span));
    }
    args.push_back(std::move(condition));
    ARROW_RETURN_NOT_OK(ExpectWord("THEN"));
    ARROW_ASSIGN_OR_RAISE(Term value, ParseTerm());
    args.push_back(std::move(value));
  }
  if (AcceptWord("ELSE")) {
    ARROW_ASSIGN_OR_RAISE(Term otherwise, ParseTerm());
    args.push_back(std::move(otherwise));
  }
  if (!AcceptWord("END")) return Unexpected("WHEN, ELSE or END");
  return MakeCall("case", args, SpanFrom(begin));
}

/// CAST(x AS TYPE), or CAST(x, 'TYPE') with the type as text.
Result<Parser::Term> Parser::ParseCast(bool try_cast) {
  const int64_t begin = Take().span.begin;
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
  Term cast;
  if (AcceptSymbol(",")) {
    const TextSpan place = Peek().span;
    ARROW_ASSIGN_OR_RAISE(const std::string text, ParseString("the name of a type as 'TYPE'"));
    Parser inner(text);
    Result<Term> as_text = inner.MakeCast(term, try_cast, 0);
    if (as_text.ok() && inner.Peek().kind != Token::Kind::kEnd) {
      as_text = Error(ErrorKind::kSyntax, "expected the name of a type, got '{}'", text);
    }
    if (!as_text.ok()) {
      return WithSpan(Error(ErrorKind::kSyntax, "{}", as_text.status().message()), place);
    }
    cast = *std::move(as_text);
  } else {
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    ARROW_ASSIGN_OR_RAISE(cast, MakeCast(std::move(term), try_cast, begin));
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  auto spanned = std::make_shared<Unbound>(*cast.expression);
  spanned->span = cast.span = SpanFrom(begin);
  cast.expression = std::move(spanned);
  return cast;
}

/// `term` as the type that comes next.
Result<Parser::Term> Parser::MakeCast(Term term, bool try_cast, int64_t begin) {
  ARROW_ASSIGN_OR_RAISE(TypePtr type, ParseType());
  const TextSpan span = SpanFrom(begin);
  ARROW_ASSIGN_OR_RAISE(Term cast, Above({term}, span));
  cast.expression = Unbound::Cast(std::move(term.expression), std::move(type), try_cast, span);
  return cast;
}

}  // namespace headrace::sql
