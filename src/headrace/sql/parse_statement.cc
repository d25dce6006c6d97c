// Statements: SELECT, COPY, EXPLAIN.
#include <algorithm>

#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return text;
}

}  // namespace

Result<Statement> Parser::ParseStatement() {
  Statement statement;
  statement.is_explain = AcceptWord("EXPLAIN");
  statement.analyze = statement.is_explain && AcceptWord("ANALYZE");
  if (Peek().IsWord("COPY")) {
    if (statement.analyze) return Unsupported(Peek(), "EXPLAIN ANALYZE takes a query, not COPY");
    ARROW_RETURN_NOT_OK(ParseCopy(&statement));
  } else if (Peek().IsWord("SELECT")) {
    ARROW_ASSIGN_OR_RAISE(statement.query, ParseSelect());
  } else {
    return UnknownStatement();
  }
  ARROW_RETURN_NOT_OK(ExpectEnd());
  return statement;
}

Status Parser::UnknownStatement() const {
  for (const char* word : {"ALTER", "CREATE", "DELETE", "DESCRIBE", "DROP", "INSERT", "SHOW",
                           "UPDATE", "VALUES", "WITH"}) {
    if (Peek().IsWord(word)) return Unsupported(Peek(), fmt::format("{} is not supported", word));
  }
  return Unexpected("SELECT, COPY or EXPLAIN");
}

/// COPY (query) TO 'path' [[WITH] (option [value], …)].
Status Parser::ParseCopy(Statement* statement) {
  Take();
  if (!AcceptSymbol("(")) return Unexpected("( and a query");
  ARROW_ASSIGN_OR_RAISE(statement->query, ParseSelect());
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  ARROW_RETURN_NOT_OK(ExpectWord("TO"));
  statement->copy_span = Peek().span;
  ARROW_ASSIGN_OR_RAISE(statement->copy_path, ParseString("the path of a file in quotes"));
  AcceptWord("WITH");
  return Peek().IsSymbol("(") ? ParseOptions(&statement->copy_options) : Status::OK();
}

/// (option [value], …), as COPY and files in FROM have them.
Status Parser::ParseOptions(OptionMap* options) {
  Take();
  do {
    const Token token = Peek();
    if (token.kind != Token::Kind::kWord) return Unexpected("an option");
    const std::string name = LowerCase(std::string(Take().text));
    ARROW_ASSIGN_OR_RAISE(std::string value, ParseOptionValue());
    if (!options->emplace(name, std::move(value)).second) {
      return WithSpan(Error(ErrorKind::kSyntax, "option given twice: {}", name), token.span);
    }
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

/// A word, a string or a number; nothing means true.
Result<std::string> Parser::ParseOptionValue() {
  if (Peek().IsSymbol(",") || Peek().IsSymbol(")")) return std::string("true");
  if (Peek().kind == Token::Kind::kString) return UnquotedText(Take());
  const std::string sign = AcceptSymbol("-") ? "-" : "";
  const bool plain =
      Peek().kind == Token::Kind::kNumber || (sign.empty() && Peek().kind == Token::Kind::kWord);
  if (!plain) return Unexpected("a value");
  const Token value = Take();
  if (value.kind == Token::Kind::kWord) return LowerCase(std::string(value.text));
  return sign + std::string(value.text);
}

}  // namespace headrace::sql
