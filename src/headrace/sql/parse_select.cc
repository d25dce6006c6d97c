// SELECT: DISTINCT, items, WHERE, GROUP BY, HAVING, WINDOW, QUALIFY.
#include "headrace/sql/parser.h"

namespace headrace::sql {

/// SELECT items [FROM …] …, or FROM … [SELECT items] ….
Result<Select> Parser::ParseSelect() {
  Select select;
  if (AcceptWord("FROM")) {
    ARROW_RETURN_NOT_OK(ParseFrom(&select));
    if (AcceptWord("SELECT")) {
      ARROW_RETURN_NOT_OK(ParseDistinct(&select));
      ARROW_RETURN_NOT_OK(ParseItems(&select));
    } else {
      SelectItem star;
      star.expression = Unbound::Star({}, Peek().span);
      select.items.push_back(std::move(star));
    }
  } else {
    if (!AcceptWord("SELECT")) return Unexpected("SELECT");
    ARROW_RETURN_NOT_OK(ParseDistinct(&select));
    ARROW_RETURN_NOT_OK(ParseItems(&select));
    if (Peek().IsWord("INTO") && StartsStreamClause()) ARROW_RETURN_NOT_OK(ParseInto());
    if (AcceptWord("FROM")) ARROW_RETURN_NOT_OK(ParseFrom(&select));
  }
  ARROW_RETURN_NOT_OK(ParseSelectAfterFrom(&select));
  return select;
}

/// WHERE, then GROUP BY, HAVING, WINDOW, QUALIFY and USING SAMPLE in any order.
Status Parser::ParseSelectAfterFrom(Select* select) {
  if (AcceptWord("WHERE")) {
    ARROW_ASSIGN_OR_RAISE(select->where, ParseExpression());
  }
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool more, ParseSelectClause(select));
    if (!more) return Status::OK();
  }
}

/// False when none of them comes next, or one that was there before.
Result<bool> Parser::ParseSelectClause(Select* select) {
  const bool is_grouped =
      select->group_by_all || !select->group_by.empty() || !select->grouping_sets.empty();
  if (Peek().IsWord("GROUP") && !is_grouped) {
    ARROW_RETURN_NOT_OK(ParseGroupBy(select));
  } else if (Peek().IsWord("HAVING") && select->having == nullptr) {
    Take();
    ARROW_ASSIGN_OR_RAISE(select->having, ParseExpression());
  } else if (AcceptWord("WINDOW")) {
    ARROW_RETURN_NOT_OK(StartsWindowClause() ? ParseWindowClause(select)
                                             : ParseNamedWindows(select));
  } else if (Peek().IsWord("QUALIFY") && select->qualify == nullptr) {
    Take();
    ARROW_ASSIGN_OR_RAISE(select->qualify, ParseExpression());
  } else if (Peek().IsWord("USING") && PeekNext().IsWord("SAMPLE") && !select->sample) {
    Take();
    ARROW_ASSIGN_OR_RAISE(select->sample, ParseSample());
  } else {
    return false;
  }
  return true;
}

/// [ALL | DISTINCT [ON (expression, …)]]
Status Parser::ParseDistinct(Select* select) {
  if (AcceptWord("ALL")) return Status::OK();
  select->distinct = AcceptWord("DISTINCT");
  if (!select->distinct || !AcceptWord("ON")) return Status::OK();
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  ARROW_ASSIGN_OR_RAISE(select->distinct_on, ParseExpressionList());
  return ExpectSymbol(")");
}

/// A comma after the last item is accepted.
Status Parser::ParseItems(Select* select) {
  do {
    if (!select->items.empty() && (Peek().IsWord("FROM") || Peek().kind == Token::Kind::kEnd)) {
      return Status::OK();
    }
    SelectItem item;
    ARROW_ASSIGN_OR_RAISE(item.expression, ParseItem());
    if (item.expression->kind == Unbound::Kind::kStar) {
      ARROW_RETURN_NOT_OK(ParseStarChanges(&item));
    } else {
      ARROW_ASSIGN_OR_RAISE(item.name, ParseAlias());
      if (Peek().IsWord("PRIMARY") && PeekNext().IsWord("KEY")) {
        const int64_t begin = Take().span.begin;
        Take();
        item.is_key = true;
        item.key_span = SpanFrom(begin);
      }
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
  const bool is_star = Peek().IsSymbol("*") && !PeekNext().IsSymbol(".");
  if (is_star) {
    Take();
    return Unbound::Star({std::move(table)}, SpanFrom(begin));
  }
  Restore(start);
  return ParseExpression();
}

/// [EXCLUDE column | (column, …)] [REPLACE (expression AS column, …)] [RENAME (column AS name, …)]
Status Parser::ParseStarChanges(SelectItem* item) {
  if (AcceptWord("EXCLUDE")) {
    if (Peek().IsSymbol("(")) {
      ARROW_ASSIGN_OR_RAISE(item->exclude, ParseNameList("a column"));
    } else {
      ARROW_ASSIGN_OR_RAISE(item->exclude.emplace_back(), ParseName("a column"));
    }
  }
  if (!AcceptWord("REPLACE")) return ParseStarRenames(item);
  const bool many = AcceptSymbol("(");
  do {
    SelectItem replaced;
    ARROW_ASSIGN_OR_RAISE(replaced.expression, ParseExpression());
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    ARROW_ASSIGN_OR_RAISE(replaced.name, ParseName("a column"));
    item->replace.push_back(std::move(replaced));
  } while (many && AcceptSymbol(","));
  if (many) ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return ParseStarRenames(item);
}

Status Parser::ParseStarRenames(SelectItem* item) {
  if (!AcceptWord("RENAME")) return Status::OK();
  const bool many = AcceptSymbol("(");
  do {
    ARROW_ASSIGN_OR_RAISE(std::string old, ParseName("a column"));
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    ARROW_ASSIGN_OR_RAISE(std::string name, ParseName("a name"));
    item->rename.emplace_back(std::move(old), std::move(name));
  } while (many && AcceptSymbol(","));
  return many ? ExpectSymbol(")") : Status::OK();
}

/// name AS (window), …
Status Parser::ParseNamedWindows(Select* select) {
  do {
    NamedWindow window;
    ARROW_ASSIGN_OR_RAISE(window.name, ParseName("the name of a window"));
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    std::vector<Term> parts;
    ARROW_ASSIGN_OR_RAISE(window.window, ParseWindow(&parts));
    for (const Term& part : parts) nodes_ += part.nodes;
    select->windows.push_back(std::move(window));
  } while (AcceptSymbol(","));
  return Status::OK();
}

}  // namespace headrace::sql
