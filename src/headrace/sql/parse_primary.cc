// What an expression is made of: columns, calls, CASE, CAST, parentheses.
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
  if (token.IsWord("EXISTS")) return Unsupported(token, "EXISTS is not supported; write a JOIN");
  return ParseNamed();
}

Result<Parser::Term> Parser::ParseParenthesized() {
  const int64_t begin = Take().span.begin;
  if (Peek().IsWord("SELECT")) {
    return Unsupported(Peek(), "a subquery stands only in FROM, not in an expression");
  }
  ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  term.span = SpanFrom(begin);
  return term;
}

/// A typed literal, a call, or a column with or without its table.
Result<Parser::Term> Parser::ParseNamed() {
  if (PeekNext().kind == Token::Kind::kString) {
    if (Peek().IsWord("DATE")) return ParseTypedLiteral(arrow::date32(), "DATE '2024-01-31'");
    if (Peek().IsWord("TIME")) {
      return ParseTypedLiteral(arrow::time64(arrow::TimeUnit::MICRO), "TIME '23:59:59'");
    }
    if (Peek().IsWord("TIMESTAMP")) {
      return ParseTypedLiteral(arrow::timestamp(arrow::TimeUnit::MICRO),
                               "TIMESTAMP '2024-01-31 23:59:59'");
    }
    if (Peek().IsWord("INTERVAL")) return Unsupported(Peek(), "INTERVAL is not supported");
  }
  if (Peek().kind == Token::Kind::kWord && PeekNext().IsSymbol("(") && !IsReserved(Peek().text)) {
    return ParseFunction();
  }
  const int64_t begin = Peek().span.begin;
  std::vector<std::string> path;
  ARROW_ASSIGN_OR_RAISE(path.emplace_back(), ParseName("an expression"));
  while (AcceptSymbol(".")) {
    ARROW_ASSIGN_OR_RAISE(path.emplace_back(), ParseName("a column"));
  }
  const TextSpan span = SpanFrom(begin);
  return Term{Unbound::Column(std::move(path), span), span};
}

Result<Parser::Term> Parser::ParseFunction() {
  const Token name = Take();
  Unbound call;
  call.kind = Unbound::Kind::kCall;
  call.name = std::string(name.text);
  std::vector<Term> parts;
  ARROW_RETURN_NOT_OK(ParseArguments(name.text, &call, &parts));
  if (Peek().IsWord("FILTER") && PeekNext().IsSymbol("(")) {
    return Unsupported(Peek(), "FILTER (WHERE ...) is not supported; aggregate a CASE");
  }
  if (Peek().IsWord("OVER")) ARROW_RETURN_NOT_OK(ParseOver(&call, &parts));
  call.span = SpanFrom(name.span.begin);
  ARROW_ASSIGN_OR_RAISE(Term term, Above(parts, call.span));
  term.expression = std::make_shared<const Unbound>(std::move(call));
  return term;
}

Status Parser::ParseArguments(std::string_view function, Unbound* call, std::vector<Term>* parts) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  if (Peek().IsWord("DISTINCT")) {
    return Unsupported(Peek(), fmt::format("DISTINCT is not supported in {}; group by the values "
                                           "in a query inside FROM",
                                           function));
  }
  if (Peek().IsSymbol("*")) {
    const TextSpan span = Take().span;
    call->args.push_back(Unbound::Star({}, span));
    return ExpectSymbol(")");
  }
  if (AcceptSymbol(")")) return Status::OK();
  do {
    ARROW_ASSIGN_OR_RAISE(Term arg, ParseTerm());
    call->args.push_back(arg.expression);
    parts->push_back(std::move(arg));
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

Status Parser::ParseOver(Unbound* call, std::vector<Term>* parts) {
  Take();
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  auto window = std::make_shared<UnboundWindow>();
  if (AcceptWord("PARTITION")) {
    ARROW_RETURN_NOT_OK(ExpectWord("BY"));
    do {
      ARROW_ASSIGN_OR_RAISE(Term key, ParseTerm());
      window->partition_by.push_back(key.expression);
      parts->push_back(std::move(key));
    } while (AcceptSymbol(","));
  }
  if (Peek().IsWord("ORDER")) {
    ARROW_ASSIGN_OR_RAISE(window->order_by, ParseOrderBy(parts));
  }
  for (const char* frame : {"ROWS", "RANGE", "GROUPS"}) {
    if (Peek().IsWord(frame)) {
      return Unsupported(Peek(), fmt::format("{} frames are not supported", frame));
    }
  }
  call->window = std::move(window);
  return ExpectSymbol(")");
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

Result<Parser::Term> Parser::ParseCast(bool try_cast) {
  const int64_t begin = Take().span.begin;
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
  ARROW_RETURN_NOT_OK(ExpectWord("AS"));
  ARROW_ASSIGN_OR_RAISE(Term cast, MakeCast(std::move(term), try_cast, begin));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  cast.span = SpanFrom(begin);
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
