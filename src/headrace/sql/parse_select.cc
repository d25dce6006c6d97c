// SELECT: items, FROM, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT.
#include <charconv>

#include "headrace/sql/parser.h"

namespace headrace::sql {

Result<Select> Parser::ParseSelect() {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  ARROW_RETURN_NOT_OK(ExpectWord("SELECT"));
  Select select;
  ARROW_RETURN_NOT_OK(ParseItems(&select));
  if (AcceptWord("FROM")) ARROW_RETURN_NOT_OK(ParseFrom(&select));
  if (AcceptWord("WHERE")) {
    ARROW_ASSIGN_OR_RAISE(select.where, ParseExpression());
  }
  if (Peek().IsWord("GROUP")) ARROW_RETURN_NOT_OK(ParseGroupBy(&select));
  if (AcceptWord("HAVING")) {
    ARROW_ASSIGN_OR_RAISE(select.having, ParseExpression());
  }
  ARROW_RETURN_NOT_OK(RefuseMoreClauses());
  if (Peek().IsWord("ORDER")) {
    ARROW_ASSIGN_OR_RAISE(select.order_by, ParseOrderBy());
  }
  ARROW_RETURN_NOT_OK(ParseLimit(&select));
  return select;
}

Status Parser::ParseItems(Select* select) {
  if (Peek().IsWord("DISTINCT")) {
    return Unsupported(Peek(), "SELECT DISTINCT is not supported; GROUP BY the columns instead");
  }
  AcceptWord("ALL");
  do {
    SelectItem item;
    ARROW_ASSIGN_OR_RAISE(item.expression, ParseItem());
    if (item.expression->kind != Unbound::Kind::kStar) {
      ARROW_ASSIGN_OR_RAISE(item.name, ParseAlias());
    }
    select->items.push_back(std::move(item));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// An expression, * or table.*
Result<UnboundPtr> Parser::ParseItem() {
  const int64_t begin = Peek().span.begin;
  if (AcceptSymbol("*")) return Unbound::Star({}, SpanFrom(begin));
  if (!PeekNext().IsSymbol(".")) return ParseExpression();
  const Parser start = *this;
  ARROW_ASSIGN_OR_RAISE(std::string table, ParseName("an expression"));
  Take();
  if (AcceptSymbol("*")) return Unbound::Star({std::move(table)}, SpanFrom(begin));
  *this = start;
  return ParseExpression();
}

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
  if (first.kind == Token::Kind::kString) {
    table.kind = TableReference::Kind::kFile;
    ARROW_ASSIGN_OR_RAISE(table.name, ParseString("a table"));
    if (Peek().IsSymbol("(")) ARROW_RETURN_NOT_OK(ParseOptions(&table.options));
  } else if (AcceptSymbol("(")) {
    table.kind = TableReference::Kind::kQuery;
    ARROW_ASSIGN_OR_RAISE(Select query, ParseSelect());
    table.query = std::make_shared<const Select>(std::move(query));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  } else {
    ARROW_ASSIGN_OR_RAISE(table.name, ParseName("a table, a 'file' or (SELECT ...)"));
    ARROW_RETURN_NOT_OK(CheckTableName(first));
  }
  table.span = first.span;
  ARROW_ASSIGN_OR_RAISE(table.alias, ParseAlias());
  return table;
}

Status Parser::CheckTableName(const Token& name) const {
  if (Peek().IsSymbol("(")) {
    return Unsupported(name, fmt::format("table functions are not supported: {}; a file is read "
                                         "with FROM 'path'",
                                         name.text));
  }
  if (!Peek().IsSymbol(".")) return Status::OK();
  return Unsupported(name, fmt::format("tables have plain names; a file goes in quotes: FROM "
                                       "'{}.{}'",
                                       name.text, PeekNext().text));
}

/// True when there was one.
Result<bool> Parser::ParseJoin(Select* select) {
  if (Peek().IsSymbol(",") || Peek().IsWord("CROSS")) {
    return Unsupported(Peek(), "cross joins are not supported; write JOIN ... ON");
  }
  const Token first = Peek();
  ARROW_ASSIGN_OR_RAISE(const std::optional<JoinClause::Kind> kind, ParseJoinKind());
  if (!kind.has_value()) return false;
  JoinClause join;
  join.kind = *kind;
  ARROW_ASSIGN_OR_RAISE(join.right, ParseTable());
  if (Peek().IsWord("USING")) {
    return Unsupported(Peek(), "USING is not supported; write ON left.column = right.column");
  }
  ARROW_RETURN_NOT_OK(ExpectWord("ON"));
  ARROW_ASSIGN_OR_RAISE(join.condition, ParseExpression());
  join.span = SpanFrom(first.span.begin);
  select->joins.push_back(std::move(join));
  return true;
}

/// Takes the words up to JOIN; null when no join comes next.
Result<std::optional<JoinClause::Kind>> Parser::ParseJoinKind() {
  for (const char* kind : {"RIGHT", "FULL", "NATURAL", "SEMI", "ANTI", "POSITIONAL"}) {
    if (Peek().IsWord(kind)) {
      return Unsupported(Peek(), fmt::format("{} joins are not supported; [INNER], LEFT and ASOF "
                                             "joins are",
                                             kind));
    }
  }
  const bool asof = AcceptWord("ASOF");
  const bool left = AcceptWord("LEFT");
  const bool inner = !left && AcceptWord("INNER");
  if (left) AcceptWord("OUTER");
  if (!asof && !left && !inner && !Peek().IsWord("JOIN")) return std::nullopt;
  ARROW_RETURN_NOT_OK(ExpectWord("JOIN"));
  if (asof) return left ? JoinClause::Kind::kAsofLeft : JoinClause::Kind::kAsof;
  return left ? JoinClause::Kind::kLeft : JoinClause::Kind::kInner;
}

Status Parser::ParseGroupBy(Select* select) {
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  return ParseExpressionList().Value(&select->group_by);
}

Status Parser::RefuseMoreClauses() const {
  for (const char* word : {"UNION", "EXCEPT", "INTERSECT", "QUALIFY", "WINDOW"}) {
    if (Peek().IsWord(word)) return Unsupported(Peek(), fmt::format("{} is not supported", word));
  }
  return Status::OK();
}

/// Nulls come last unless the text says otherwise, ascending and descending alike.
Result<std::vector<UnboundSortKey>> Parser::ParseOrderBy(std::vector<Term>* parts) {
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  std::vector<UnboundSortKey> keys;
  do {
    ARROW_ASSIGN_OR_RAISE(Term term, ParseTerm());
    UnboundSortKey key;
    key.expression = term.expression;
    if (parts != nullptr) parts->push_back(std::move(term));
    if (!AcceptWord("ASC")) key.descending = AcceptWord("DESC");
    key.nulls = NullPlacement::kLast;
    if (AcceptWord("NULLS")) {
      if (!Peek().IsWord("FIRST") && !Peek().IsWord("LAST")) return Unexpected("FIRST or LAST");
      key.nulls = Take().IsWord("FIRST") ? NullPlacement::kFirst : NullPlacement::kLast;
    }
    keys.push_back(std::move(key));
  } while (AcceptSymbol(","));
  return keys;
}

Status Parser::ParseLimit(Select* select) {
  while (Peek().IsWord("LIMIT") || Peek().IsWord("OFFSET")) {
    if (Take().IsWord("LIMIT")) {
      ARROW_ASSIGN_OR_RAISE(select->limit, ParseRowCount("a number of rows"));
    } else {
      ARROW_ASSIGN_OR_RAISE(select->offset, ParseRowCount("a number of rows"));
    }
  }
  return Status::OK();
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
