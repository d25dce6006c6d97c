// UPDATE, DELETE, TRUNCATE.
#include "headrace/sql/parser.h"

namespace headrace::sql {

/// UPDATE table [[AS] alias] SET column = value, … [FROM tables] [WHERE condition]
Status Parser::ParseUpdate(Statement* statement) {
  statement->kind = Statement::Kind::kUpdate;
  Change& change = statement->change;
  ARROW_RETURN_NOT_OK(ParseChangedTable(statement));
  ARROW_RETURN_NOT_OK(ExpectWord("SET"));
  do {
    const TextSpan span = Peek().span;
    ARROW_ASSIGN_OR_RAISE(std::string column, ParseName("a column"));
    for (const auto& [known, value] : change.assignments) {
      if (!EqualsIgnoringCase(known, column)) continue;
      return WithSpan(Error(ErrorKind::kSyntax, "column \"{}\" is set twice", column), span);
    }
    ARROW_RETURN_NOT_OK(ExpectSymbol("="));
    ARROW_ASSIGN_OR_RAISE(UnboundPtr value, ParseExpression());
    change.assignments.emplace_back(std::move(column), std::move(value));
  } while (AcceptSymbol(","));
  if (AcceptWord("FROM")) ARROW_RETURN_NOT_OK(ParseFrom(&change.others));
  if (!AcceptWord("WHERE")) return Status::OK();
  return ParseExpression().Value(&change.others.where);
}

/// DELETE FROM table [[AS] alias] [USING tables] [WHERE condition]
Status Parser::ParseDelete(Statement* statement) {
  statement->kind = Statement::Kind::kDelete;
  ARROW_RETURN_NOT_OK(ExpectWord("FROM"));
  ARROW_RETURN_NOT_OK(ParseChangedTable(statement));
  Change& change = statement->change;
  if (AcceptWord("USING")) ARROW_RETURN_NOT_OK(ParseFrom(&change.others));
  if (!AcceptWord("WHERE")) return Status::OK();
  return ParseExpression().Value(&change.others.where);
}

/// TRUNCATE [TABLE] table
Status Parser::ParseTruncate(Statement* statement) {
  statement->kind = Statement::Kind::kDelete;
  AcceptWord("TABLE");
  return ParseStatementName(statement, "a table");
}

Status Parser::ParseChangedTable(Statement* statement) {
  ARROW_RETURN_NOT_OK(ParseStatementName(statement, "a table"));
  statement->change.span = statement->name_span;
  const bool has_alias = AcceptWord("AS") || (Peek().kind == Token::Kind::kWord &&
                                              !PeekIsOneOf({"SET", "USING", "WHERE", "RETURNING"}));
  if (!has_alias) return Status::OK();
  return ParseName("the alias of a table").Value(&statement->change.alias);
}

}  // namespace headrace::sql
