// PIVOT and UNPIVOT, as statements and behind a table.
#include "arrow/scalar.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {

/// Whether PIVOT or UNPIVOT begins a query here, where it may be a name too.
bool Parser::StartsPivot() const {
  if (!PeekIsOneOf({"PIVOT", "UNPIVOT"})) return false;
  const Token& next = PeekNext();
  return next.kind == Token::Kind::kString || next.kind == Token::Kind::kQuotedName ||
         next.IsSymbol("(") || (next.kind == Token::Kind::kWord && !IsReserved(next.text));
}

/// PIVOT table ON … | UNPIVOT table ON …, as SELECT * FROM it.
Result<Select> Parser::ParsePivotQuery() {
  const Token first = Take();
  Select select;
  SelectItem star;
  star.expression = Unbound::Star({}, first.span);
  select.items.push_back(std::move(star));
  ARROW_ASSIGN_OR_RAISE(select.from, ParseTable());
  auto pivot = std::make_shared<Pivot>();
  pivot->span = first.span;
  ARROW_RETURN_NOT_OK(first.IsWord("PIVOT") ? ParsePivotOn(pivot.get())
                                            : ParseUnpivotOn(pivot.get()));
  select.from->pivots.push_back(std::move(pivot));
  return select;
}

/// ON expression [IN (value, …)], … [USING aggregate, …] [GROUP BY …]
Status Parser::ParsePivotOn(Pivot* pivot) {
  if (AcceptWord("ON")) {
    do {
      PivotColumn column;
      ARROW_ASSIGN_OR_RAISE(Term term, ParseArithmetic(0));
      column.expression = std::move(term.expression);
      if (AcceptWord("IN")) ARROW_RETURN_NOT_OK(ParsePivotValues(&column));
      pivot->on.push_back(std::move(column));
    } while (AcceptSymbol(","));
  }
  if (AcceptWord("USING")) ARROW_RETURN_NOT_OK(ParsePivotAggregates(pivot));
  if (pivot->on.empty()) return Unexpected("ON");
  return ParsePivotGroups(pivot);
}

Status Parser::ParsePivotGroups(Pivot* pivot) {
  pivot->grouped = AcceptWord("GROUP");
  if (!pivot->grouped) return Status::OK();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  return ParseExpressionList().Value(&pivot->groups);
}

Status Parser::ParsePivotAggregates(Pivot* pivot) {
  do {
    SelectItem item;
    ARROW_ASSIGN_OR_RAISE(item.expression, ParseExpression());
    ARROW_ASSIGN_OR_RAISE(item.name, ParseAlias());
    pivot->items.push_back(std::move(item));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// (value [AS name], …); a bare word is a text.
Status Parser::ParsePivotValues(PivotColumn* column) {
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  do {
    SelectItem value;
    ARROW_ASSIGN_OR_RAISE(value.expression, ParseExpression());
    const Unbound& given = *value.expression;
    if (given.kind == Unbound::Kind::kColumn && given.path.size() == 1) {
      const auto text = std::make_shared<arrow::StringScalar>(given.path.front());
      value.expression = Unbound::Literal(text, given.span);
    }
    ARROW_ASSIGN_OR_RAISE(value.name, ParseAlias());
    column->values.push_back(std::move(value));
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

/// ON column, … | (column, …) [AS name], … [INTO NAME name VALUE value, …]
Status Parser::ParseUnpivotOn(Pivot* pivot) {
  pivot->is_unpivot = true;
  pivot->name = "name";
  if (PeekIsOneOf({"INCLUDE", "EXCLUDE"}) && PeekNext().IsWord("NULLS")) {
    pivot->include_nulls = Take().IsWord("INCLUDE");
    Take();
  }
  ARROW_RETURN_NOT_OK(ExpectWord("ON"));
  ARROW_RETURN_NOT_OK(ParseUnpivotColumns(pivot));
  if (!AcceptWord("INTO")) {
    pivot->value_names = {"value"};
    return Status::OK();
  }
  ARROW_RETURN_NOT_OK(ExpectWord("NAME"));
  ARROW_ASSIGN_OR_RAISE(pivot->name, ParseName("a column"));
  if (!AcceptWord("VALUE")) ARROW_RETURN_NOT_OK(ExpectWord("VALUES"));
  do {
    ARROW_ASSIGN_OR_RAISE(pivot->value_names.emplace_back(), ParseName("a column"));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// Each a column, *, COLUMNS(…), or (column, …), with an optional name.
Status Parser::ParseUnpivotColumns(Pivot* pivot) {
  do {
    UnpivotEntry entry;
    const bool many = AcceptSymbol("(");
    do {
      SelectItem item;
      ARROW_ASSIGN_OR_RAISE(item.expression, ParseItem());
      if (item.expression->kind == Unbound::Kind::kStar) {
        ARROW_RETURN_NOT_OK(ParseStarChanges(&item));
      }
      entry.columns.push_back(std::move(item));
    } while (many && AcceptSymbol(","));
    if (many) ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    if (AcceptWord("AS") && Peek().kind == Token::Kind::kString) {
      entry.name = UnquotedText(Take());
    } else if (Peek().kind == Token::Kind::kQuotedName ||
               (Peek().kind == Token::Kind::kWord && !IsReserved(Peek().text) &&
                !Peek().IsWord("INTO"))) {
      ARROW_ASSIGN_OR_RAISE(entry.name, ParseName("a name"));
    }
    pivot->entries.push_back(std::move(entry));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// Behind a table: PIVOT (aggregate, … FOR column IN (…) … [GROUP BY …]),
/// UNPIVOT [INCLUDE NULLS] (value FOR name IN (column, …)).
Status Parser::ParsePivotSuffixes(TableReference* table) {
  while (
      PeekIsOneOf({"PIVOT", "UNPIVOT"}) &&
      (PeekNext().IsSymbol("(") || PeekNext().IsWord("INCLUDE") || PeekNext().IsWord("EXCLUDE"))) {
    auto pivot = std::make_shared<Pivot>();
    pivot->span = Peek().span;
    pivot->is_unpivot = Take().IsWord("UNPIVOT");
    if (pivot->is_unpivot && PeekIsOneOf({"INCLUDE", "EXCLUDE"})) {
      pivot->include_nulls = Take().IsWord("INCLUDE");
      ARROW_RETURN_NOT_OK(ExpectWord("NULLS"));
    }
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_RETURN_NOT_OK(pivot->is_unpivot ? ParseUnpivotFor(pivot.get())
                                          : ParsePivotFor(pivot.get()));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    table->pivots.push_back(std::move(pivot));
    ARROW_RETURN_NOT_OK(ParseTableAlias(table));
  }
  return Status::OK();
}

Status Parser::ParsePivotFor(Pivot* pivot) {
  ARROW_RETURN_NOT_OK(ParsePivotAggregates(pivot));
  ARROW_RETURN_NOT_OK(ExpectWord("FOR"));
  do {
    PivotColumn column;
    ARROW_ASSIGN_OR_RAISE(Term term, ParseArithmetic(0));
    column.expression = std::move(term.expression);
    ARROW_RETURN_NOT_OK(ExpectWord("IN"));
    ARROW_RETURN_NOT_OK(ParsePivotValues(&column));
    pivot->on.push_back(std::move(column));
  } while (!Peek().IsWord("GROUP") && !Peek().IsSymbol(")"));
  return ParsePivotGroups(pivot);
}

/// value FOR name IN (column, …), or (value, …) FOR name IN ((column, …), …)
Status Parser::ParseUnpivotFor(Pivot* pivot) {
  if (Peek().IsSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(pivot->value_names, ParseNameList("a column"));
  } else {
    ARROW_ASSIGN_OR_RAISE(pivot->value_names.emplace_back(), ParseName("a column"));
  }
  ARROW_RETURN_NOT_OK(ExpectWord("FOR"));
  ARROW_ASSIGN_OR_RAISE(pivot->name, ParseName("a column"));
  ARROW_RETURN_NOT_OK(ExpectWord("IN"));
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  ARROW_RETURN_NOT_OK(ParseUnpivotColumns(pivot));
  return ExpectSymbol(")");
}

}  // namespace headrace::sql
