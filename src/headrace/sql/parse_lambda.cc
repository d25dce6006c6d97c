// Lambdas: x -> x + 1, (x, i) -> x + i, lambda x, i: x + i; and what is written otherwise:
// [x + 1 FOR x IN list IF x > 0], value = ANY(list).
#include "arrow/scalar.h"
#include "headrace/function/registry.h"
#include "headrace/function/takes_lambda.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

bool TakesLambda(const Unbound& call) {
  const FunctionDef* function = FindFunction(Dialect::kSql, call.name);
  return function != nullptr && function->Has(function_flag::kTakesLambda);
}

bool IsName(const Token& token) {
  return token.kind == Token::Kind::kQuotedName ||
         (token.kind == Token::Kind::kWord && !IsReserved(token.text));
}

}  // namespace

/// None when what comes is none. An arrow makes a lambda only in functions that take one: in others
/// it takes JSON apart.
Result<std::optional<Parser::Term>> Parser::ParseLambda(const Unbound& call) {
  const int64_t begin = Peek().span.begin;
  if (Peek().IsWord("LAMBDA") && IsName(PeekNext())) {
    Take();
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, ParseParameters());
    ARROW_RETURN_NOT_OK(ExpectSymbol(":"));
    return ParseLambdaBody(std::move(names), begin);
  }
  if (call.args.empty() || !TakesLambda(call)) return std::nullopt;
  if (IsName(Peek()) && PeekNext().IsSymbol("->")) {
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, ParseParameters());
    Take();
    return ParseLambdaBody(std::move(names), begin);
  }
  const Parser start = *this;
  if (AcceptSymbol("(") && IsName(Peek())) {
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, ParseParameters());
    if (AcceptSymbol(")") && AcceptSymbol("->")) return ParseLambdaBody(std::move(names), begin);
  }
  Restore(start);
  return std::nullopt;
}

Result<std::vector<std::string>> Parser::ParseParameters() {
  std::vector<std::string> names;
  do {
    if (!IsName(Peek()) && !names.empty()) break;
    const TextSpan span = Peek().span;
    ARROW_ASSIGN_OR_RAISE(std::string name, ParseName("the parameter of a lambda"));
    for (const std::string& known : names) {
      if (!EqualsIgnoringCase(known, name)) continue;
      return WithSpan(
          Error(ErrorKind::kSyntax, "the lambda has two parameters called \"{}\"", name), span);
    }
    names.push_back(std::move(name));
  } while (AcceptSymbol(","));
  return names;
}

Result<std::optional<Parser::Term>> Parser::ParseLambdaBody(std::vector<std::string> names,
                                                            int64_t begin) {
  ARROW_ASSIGN_OR_RAISE(const Term body, ParseTerm());
  ARROW_ASSIGN_OR_RAISE(Term lambda, LambdaOf(std::move(names), body, SpanFrom(begin)));
  return lambda;
}

Result<Parser::Term> Parser::LambdaOf(std::vector<std::string> names, const Term& body,
                                      TextSpan span) {
  ARROW_ASSIGN_OR_RAISE(Term lambda, Above({body}, span));
  lambda.expression = MakeLambda(std::move(names), body.expression, ++lambdas_, span);
  return lambda;
}

/// After [value, where FOR comes: the rest of a list of the values of another list.
Result<Parser::Term> Parser::ParseListOf(const Term& value, int64_t begin) {
  Take();
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> names, ParseParameters());
  ARROW_RETURN_NOT_OK(ExpectWord("IN"));
  ARROW_ASSIGN_OR_RAISE(Term list, ParseTerm());
  if (AcceptWord("IF")) {
    ARROW_ASSIGN_OR_RAISE(const Term condition, ParseTerm());
    ARROW_ASSIGN_OR_RAISE(Term lambda, LambdaOf(names, condition, condition.span));
    ARROW_ASSIGN_OR_RAISE(
        list, MakeCall("list_filter", {std::move(list), std::move(lambda)}, SpanFrom(begin)));
  }
  ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
  ARROW_ASSIGN_OR_RAISE(Term lambda, LambdaOf(names, value, value.span));
  return MakeCall("list_transform", {std::move(list), std::move(lambda)}, SpanFrom(begin));
}

/// value op ANY(list), value op ALL(list): a list that is null has no items.
Result<Parser::Term> Parser::QuantifiedByList(const std::string& comparison, const Term& value,
                                              const Term& list, bool all) {
  const TextSpan span = SpanFrom(value.span.begin);
  // No name can be this: quoted names are not empty, and this starts with a blank.
  const std::string name = " item";
  const Term item{Unbound::Column({name}, list.span), list.span};
  ARROW_ASSIGN_OR_RAISE(const Term body, MakeComparison(comparison, value, item, span));
  ARROW_ASSIGN_OR_RAISE(Term lambda, LambdaOf({name}, body, span));
  ARROW_ASSIGN_OR_RAISE(const Term matches,
                        MakeCall("list_transform", {list, std::move(lambda)}, span));
  ARROW_ASSIGN_OR_RAISE(const Term of_items,
                        MakeCall(all ? "list_all" : "list_any", {matches}, span));
  ARROW_ASSIGN_OR_RAISE(const Term has_none, MakeCall("is_null", {list}, span));
  const Term of_none{Unbound::Literal(std::make_shared<arrow::BooleanScalar>(all), span), span};
  return MakeCall("case", {has_none, of_none, of_items}, span);
}

}  // namespace headrace::sql
