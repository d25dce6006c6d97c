// FROM: tables, files, queries, table functions, joins.
#include "headrace/sql/parser.h"

namespace headrace::sql {

Status Parser::ParseFrom(Select* select) {
  ARROW_ASSIGN_OR_RAISE(select->from, ParseTable());
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool more, ParseJoin(select));
    if (!more) return Status::OK();
  }
}

Result<TableReference> Parser::ParseTable() {
  TableReference table;
  const Token first = Peek();
  AcceptWord("LATERAL");
  if (Peek().kind == Token::Kind::kString) {
    table.kind = TableReference::Kind::kFile;
    ARROW_ASSIGN_OR_RAISE(table.name, ParseString("a table"));
    if (Peek().IsSymbol("(")) ARROW_RETURN_NOT_OK(ParseOptions(&table.options));
  } else if (AcceptSymbol("(")) {
    if (!StartsQuery() && !Peek().IsSymbol("(")) return Unexpected("SELECT, VALUES or WITH");
    table.kind = TableReference::Kind::kQuery;
    ARROW_ASSIGN_OR_RAISE(table.query, ParseQuery());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  } else if (StartsQuery() && Peek().IsWord("VALUES")) {
    table.kind = TableReference::Kind::kQuery;
    ARROW_ASSIGN_OR_RAISE(table.query, ParseSetOperand());
  } else if (StartsWindowedTable()) {
    ARROW_RETURN_NOT_OK(ParseWindowedTable(&table));
  } else {
    ARROW_RETURN_NOT_OK(ParseNamedTable(&table));
    ARROW_RETURN_NOT_OK(ParseSystemTime(&table));
  }
  table.span = first.span;
  ARROW_RETURN_NOT_OK(ParseTableAlias(&table));
  ARROW_RETURN_NOT_OK(ParsePivotSuffixes(&table));
  if (Peek().IsWord("MATCH_RECOGNIZE") && PeekNext().IsSymbol("(")) {
    ARROW_RETURN_NOT_OK(ParseMatchRecognize(&table));
  }
  if (Peek().IsWord("TABLESAMPLE")) {
    ARROW_ASSIGN_OR_RAISE(table.sample, ParseSample());
  }
  return table;
}

/// A table or function(…).
Status Parser::ParseNamedTable(TableReference* table) {
  const Token name = Peek();
  ARROW_ASSIGN_OR_RAISE(table->name, ParseName("a table, a 'file' or (SELECT ...)"));
  if (Peek().IsSymbol("(")) {
    table->kind = TableReference::Kind::kFunction;
    table->name = LowerCase(table->name);
    ARROW_RETURN_NOT_OK(ParseTableArguments(table));
    if (!Peek().IsWord("WITH") || !PeekNext().IsWord("ORDINALITY")) return Status::OK();
    Take();
    if (table->name != "unnest") return Unsupported(Peek(), "WITH ORDINALITY goes with unnest");
    Take();
    table->ordinality = true;
    return Status::OK();
  }
  if (!Peek().IsSymbol(".")) return Status::OK();
  return Unsupported(name, fmt::format("tables have plain names; a file goes in quotes: FROM "
                                       "'{}.{}'",
                                       name.text, PeekNext().text));
}

/// (expression, …, option = value, …)
Status Parser::ParseTableArguments(TableReference* table) {
  Take();
  if (AcceptSymbol(")")) return Status::OK();
  do {
    const Token name = Peek();
    const bool is_option =
        name.kind == Token::Kind::kWord &&
        (PeekNext().IsSymbol("=") || PeekNext().IsSymbol(":=") || PeekNext().IsSymbol("=>"));
    if (!is_option) {
      ARROW_ASSIGN_OR_RAISE(table->args.emplace_back(), ParseExpression());
      continue;
    }
    Take();
    Take();
    ARROW_ASSIGN_OR_RAISE(std::string value, ParseOptionValue());
    if (!table->options.emplace(LowerCase(name.text), std::move(value)).second) {
      return WithSpan(Error(ErrorKind::kSyntax, "option given twice: {}", name.text), name.span);
    }
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

/// [AS] name [(column, …)]
Status Parser::ParseTableAlias(TableReference* table) {
  std::string alias;
  ARROW_ASSIGN_OR_RAISE(alias, ParseAlias());
  if (!alias.empty()) table->alias = std::move(alias);
  if (table->alias.empty() || !Peek().IsSymbol("(")) return Status::OK();
  return ParseNameList("a column").Value(&table->columns);
}

/// True when there was one.
Result<bool> Parser::ParseJoin(Select* select) {
  const Token first = Peek();
  JoinClause join;
  if (AcceptSymbol(",")) {
    join.kind = JoinClause::Kind::kCross;
  } else {
    join.natural = AcceptWord("NATURAL");
    ARROW_ASSIGN_OR_RAISE(const std::optional<JoinClause::Kind> kind, ParseJoinKind());
    if (!kind.has_value() && join.natural) return Unexpected("JOIN");
    if (!kind.has_value()) return false;
    join.kind = *kind;
  }
  ARROW_ASSIGN_OR_RAISE(join.right, ParseTable());
  ARROW_RETURN_NOT_OK(ParseJoinBounds(&join.bounds));
  ARROW_RETURN_NOT_OK(ParseJoinCondition(&join));
  ARROW_RETURN_NOT_OK(ParseJoinBounds(&join.bounds));
  join.span = SpanFrom(first.span.begin);
  select->joins.push_back(std::move(join));
  return true;
}

/// ON condition | USING (column, …); nothing for CROSS and NATURAL.
Status Parser::ParseJoinCondition(JoinClause* join) {
  if (join->kind == JoinClause::Kind::kCross || join->natural) return Status::OK();
  if (AcceptWord("USING")) return ParseNameList("a column").Value(&join->using_columns);
  if (!AcceptWord("ON")) return Unexpected("ON or USING");
  return ParseExpression().Value(&join->condition);
}

/// Takes the words up to JOIN; null when no join comes next.
Result<std::optional<JoinClause::Kind>> Parser::ParseJoinKind() {
  using Kind = JoinClause::Kind;
  if (Peek().IsWord("POSITIONAL")) {
    return Unsupported(Peek(), "POSITIONAL joins are not supported");
  }
  Kind kind = Kind::kInner;
  bool is_join = true;
  if (AcceptWord("CROSS")) {
    kind = Kind::kCross;
  } else if (AcceptWord("SEMI")) {
    kind = Kind::kSemi;
  } else if (AcceptWord("ANTI")) {
    kind = Kind::kAnti;
  } else if (AcceptWord("ASOF")) {
    kind = AcceptWord("LEFT") ? Kind::kAsofLeft : Kind::kAsof;
    if (kind == Kind::kAsof) AcceptWord("INNER");
  } else if (PeekIsOneOf({"LEFT", "RIGHT", "FULL"})) {
    const Token side = Take();
    kind = side.IsWord("LEFT") ? Kind::kLeft : side.IsWord("RIGHT") ? Kind::kRight : Kind::kFull;
    if (kind == Kind::kLeft && AcceptWord("SEMI")) kind = Kind::kSemi;
    if (kind == Kind::kLeft && AcceptWord("ANTI")) kind = Kind::kAnti;
  } else {
    is_join = AcceptWord("INNER");
  }
  if (!is_join && !Peek().IsWord("JOIN")) return std::nullopt;
  AcceptWord("OUTER");
  ARROW_RETURN_NOT_OK(ExpectWord("JOIN"));
  return kind;
}

}  // namespace headrace::sql
