// Names of types.
#include "arrow/type.h"
#include "headrace/sql/parser.h"
#include "headrace/types/type_table.h"

namespace headrace::sql {
namespace {

constexpr int kListDepthMax = 16;

}  // namespace

/// element {[]}.
Result<TypePtr> Parser::ParseType() {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  ARROW_ASSIGN_OR_RAISE(TypePtr type, ParseElementType());
  for (int depth = 1; AcceptSymbol("["); ++depth) {
    ARROW_RETURN_NOT_OK(ExpectSymbol("]"));
    if (depth > kListDepthMax) return Unexpected("fewer []");
    type = arrow::list(std::move(type));
  }
  return type;
}

/// name [(n, …)], STRUCT(name type, …), MAP(type, type) or ARRAY(type).
Result<TypePtr> Parser::ParseElementType() {
  if (Peek().IsWord("STRUCT") && PeekNext().IsSymbol("(")) return ParseStructType();
  if (Peek().IsWord("MAP") && PeekNext().IsSymbol("(")) return ParseMapType();
  if (Peek().IsWord("ARRAY") && PeekNext().IsSymbol("(")) return ParseArrayType();
  const Token first = Peek();
  std::vector<int64_t> params;
  ARROW_ASSIGN_OR_RAISE(const std::string name, ParseTypeName(&params));
  Result<TypePtr> type = TypeFromSqlName(name, params);
  if (!type.ok()) return WithSpan(type.status(), SpanFrom(first.span.begin));
  return type;
}

Result<TypePtr> Parser::ParseStructType() {
  Take();
  Take();
  arrow::FieldVector fields;
  do {
    ARROW_ASSIGN_OR_RAISE(std::string name, ParseName("the name of a field"));
    ARROW_ASSIGN_OR_RAISE(TypePtr type, ParseType());
    fields.push_back(arrow::field(std::move(name), std::move(type)));
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return arrow::struct_(std::move(fields));
}

Result<TypePtr> Parser::ParseMapType() {
  Take();
  Take();
  ARROW_ASSIGN_OR_RAISE(TypePtr key, ParseType());
  ARROW_RETURN_NOT_OK(ExpectSymbol(","));
  ARROW_ASSIGN_OR_RAISE(TypePtr value, ParseType());
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return arrow::map(std::move(key), std::move(value));
}

Result<TypePtr> Parser::ParseArrayType() {
  Take();
  Take();
  ARROW_ASSIGN_OR_RAISE(TypePtr element, ParseType());
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return arrow::list(std::move(element));
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
