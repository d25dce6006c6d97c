// What streams add to statements: WITH, WATERMARK, PRIMARY KEY, EMIT, INTO, bounds of joins.
#include "headrace/sql/duration.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {

/// Whether the word that comes next begins a clause of streams, where an alias could stand too.
bool Parser::StartsStreamClause() const {
  if (Peek().IsWord("EMIT")) {
    return PeekNext().IsWord("CHANGES") || PeekNext().IsWord("FINAL") || PeekNext().IsWord("ON");
  }
  if (Peek().IsWord("INTO")) {
    return PeekNext().kind == Token::Kind::kString || PeekNext().kind == Token::Kind::kQuotedName ||
           (PeekNext().kind == Token::Kind::kWord && !IsReserved(PeekNext().text));
  }
  if (Peek().IsWord("PRIMARY")) return PeekNext().IsWord("KEY");
  if (Peek().IsWord("GRACE")) return PeekNext().IsWord("PERIOD");
  if (Peek().IsWord("ALLOW")) return PeekNext().IsWord("UNBOUNDED");
  if (!Peek().IsWord("WITHIN")) return false;
  return PeekNext().IsWord("INTERVAL") || PeekNext().IsSymbol("(") ||
         PeekNext().kind == Token::Kind::kDuration || PeekNext().kind == Token::Kind::kNumber ||
         PeekNext().kind == Token::Kind::kString;
}

/// CREATE … name [(columns)], then WITH (…) and AS query in any order.
Status Parser::ParseCreateStream(Statement* statement) {
  if (Peek().IsSymbol("(")) ARROW_RETURN_NOT_OK(ParseColumnsOfCreate(statement));
  while (true) {
    if (Peek().IsWord("WITH") && PeekNext().IsSymbol("(")) {
      ARROW_RETURN_NOT_OK(ParseStreamOptions(statement));
    } else if (Peek().IsWord("AS") && statement->query == nullptr) {
      Take();
      const int64_t begin = Peek().span.begin;
      ARROW_ASSIGN_OR_RAISE(statement->query, ParseQuery());
      statement->query_span = SpanFrom(begin);
    } else if (Peek().IsWord("EMIT") && statement->query != nullptr) {
      ARROW_RETURN_NOT_OK(ParseEmit());
    } else if (Peek().IsWord("INTO") && statement->query != nullptr) {
      ARROW_RETURN_NOT_OK(ParseInto());
    } else {
      break;
    }
  }
  const bool is_whole =
      statement->query != nullptr || statement->with.has_value() || !statement->definitions.empty();
  if (is_whole) return Status::OK();
  return Unexpected(statement->is_materialized ? "AS" : "(, AS or WITH");
}

/// (column, …) names the columns of a query; (column type, …) defines them.
Status Parser::ParseColumnsOfCreate(Statement* statement) {
  const Parser start = *this;
  Result<std::vector<std::string>> names = ParseNameList("a column");
  if (names.ok()) return std::move(names).Value(&statement->columns);
  Restore(start);
  return ParseColumnDefinitions(statement);
}

/// (column type [NOT NULL] [PRIMARY KEY], …, PRIMARY KEY (…), WATERMARK FOR …)
Status Parser::ParseColumnDefinitions(Statement* statement) {
  Take();
  do {
    if (Peek().IsWord("PRIMARY") && PeekNext().IsWord("KEY")) {
      ARROW_RETURN_NOT_OK(ParseTableKey(statement));
    } else if (Peek().IsWord("WATERMARK") && PeekNext().IsWord("FOR")) {
      ARROW_RETURN_NOT_OK(ParseWatermark(statement));
    } else {
      ARROW_RETURN_NOT_OK(ParseColumnDefinition(statement));
    }
  } while (AcceptSymbol(","));
  return ExpectSymbol(")");
}

/// name type [NOT NULL | NULL] [PRIMARY KEY]
Status Parser::ParseColumnDefinition(Statement* statement) {
  ColumnDefinition column;
  column.span = Peek().span;
  ARROW_ASSIGN_OR_RAISE(column.name, ParseName("a column"));
  ARROW_ASSIGN_OR_RAISE(column.type, ParseType());
  while (true) {
    if (Peek().IsWord("NOT") && PeekNext().IsWord("NULL")) {
      Take();
      Take();
      column.not_null = true;
    } else if (Peek().IsWord("PRIMARY") && PeekNext().IsWord("KEY")) {
      ARROW_RETURN_NOT_OK(TakePrimaryKey(statement));
      SkipNotEnforced();
      statement->primary_key = {column.name};
    } else if (!AcceptWord("NULL")) {
      break;
    }
  }
  if (PeekIsOneOf({"UNIQUE", "DEFAULT", "CHECK", "REFERENCES"})) {
    return Unsupported(Peek(), "constraints and defaults of columns are not supported");
  }
  statement->definitions.push_back(std::move(column));
  return Status::OK();
}

/// PRIMARY KEY (column, …)
Status Parser::ParseTableKey(Statement* statement) {
  ARROW_RETURN_NOT_OK(TakePrimaryKey(statement));
  ARROW_ASSIGN_OR_RAISE(statement->primary_key, ParseNameList("a column"));
  SkipNotEnforced();
  return Status::OK();
}

/// PRIMARY KEY, once in a statement.
Status Parser::TakePrimaryKey(Statement* statement) {
  const int64_t begin = Take().span.begin;
  Take();
  if (!statement->primary_key.empty()) {
    return WithSpan(Error(ErrorKind::kSyntax,
                          "there is one primary key; one of several columns is PRIMARY KEY (a, b)"),
                    SpanFrom(begin));
  }
  statement->primary_key_span = SpanFrom(begin);
  return Status::OK();
}

/// [NOT ENFORCED], as other systems want it behind a key.
void Parser::SkipNotEnforced() {
  if (!Peek().IsWord("NOT") || !PeekNext().IsWord("ENFORCED")) return;
  Take();
  Take();
}

/// WATERMARK FOR column [AS column [- length]]
Status Parser::ParseWatermark(Statement* statement) {
  const Token first = Take();
  Take();
  if (statement->watermark.has_value()) return Unexpected("one WATERMARK");
  WatermarkClause watermark;
  ARROW_ASSIGN_OR_RAISE(watermark.column, ParseName("the column of the event time"));
  if (AcceptWord("AS")) {
    const Token named = Peek();
    ARROW_ASSIGN_OR_RAISE(const std::string column, ParseName("the column of the event time"));
    if (!EqualsIgnoringCase(column, watermark.column)) {
      return Unsupported(named, fmt::format("a watermark follows its own column: WATERMARK FOR {0} "
                                            "AS {0} - INTERVAL '5' SECOND",
                                            watermark.column));
    }
    if (AcceptSymbol("-")) {
      ARROW_ASSIGN_OR_RAISE(watermark.delay_micros, ParseDuration("INTERVAL '5' SECOND", 0));
    }
  }
  watermark.span = SpanFrom(first.span.begin);
  statement->watermark = std::move(watermark);
  return Status::OK();
}

/// WITH (key = value, …), at most one in a statement.
Status Parser::ParseStreamOptions(Statement* statement) {
  if (statement->with.has_value()) return Unexpected("one WITH");
  const int64_t begin = Take().span.begin;
  StreamOptions options;
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  do {
    if (Peek().IsSymbol(")")) break;  // a comma after the last one
    const Token first = Peek();
    ARROW_ASSIGN_OR_RAISE(const std::string key, ParseDotted("an option"));
    const TextSpan span = SpanFrom(first.span.begin);
    ARROW_RETURN_NOT_OK(ExpectSymbol("="));
    ARROW_ASSIGN_OR_RAISE(std::string value, ParseStreamOptionValue());
    const std::string name = LowerCase(key);
    if (!options.values.emplace(name, std::move(value)).second) {
      return WithSpan(Error(ErrorKind::kSyntax, "option given twice: {}", name), span);
    }
    options.spans[name] = span;
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  options.span = SpanFrom(begin);
  statement->with = std::move(options);
  return Status::OK();
}

/// 'quoted', "quoted", word or word.word.word; any word.
Result<std::string> Parser::ParseDotted(std::string_view expected) {
  const bool is_quoted =
      Peek().kind == Token::Kind::kString || Peek().kind == Token::Kind::kQuotedName;
  if (is_quoted) return UnquotedText(Take());
  std::string text;
  do {
    if (Peek().kind != Token::Kind::kWord) return Unexpected(expected);
    text += (text.empty() ? "" : ".") + std::string(Take().text);
    while (Peek().IsSymbol("-") && PeekNext().kind == Token::Kind::kWord) {
      Take();
      text += "-" + std::string(Take().text);
    }
  } while (AcceptSymbol("."));
  return text;
}

/// A text, a number, a length of time or a word, as written.
Result<std::string> Parser::ParseStreamOptionValue() {
  const std::string sign = AcceptSymbol("-") ? "-" : "";
  const bool is_number =
      Peek().kind == Token::Kind::kNumber || Peek().kind == Token::Kind::kDuration;
  if (is_number) return sign + std::string(Take().text);
  if (!sign.empty()) return Unexpected("a number");
  if (Peek().IsWord("INTERVAL")) {
    ARROW_ASSIGN_OR_RAISE(const int64_t micros, ParseDuration("a value", 0));
    return fmt::format("{}us", micros);
  }
  return ParseDotted("a value");
}

/// EMIT CHANGES | EMIT FINAL | EMIT ON WINDOW CLOSE, once in a statement.
Status Parser::ParseEmit() {
  const int64_t begin = Take().span.begin;
  EmitClause emit;
  if (AcceptWord("ON")) {
    ARROW_RETURN_NOT_OK(ExpectWord("WINDOW"));
    ARROW_RETURN_NOT_OK(ExpectWord("CLOSE"));
    emit.is_final = true;
  } else if (!AcceptWord("CHANGES")) {
    ARROW_RETURN_NOT_OK(ExpectWord("FINAL"));
    emit.is_final = true;
  }
  emit.span = SpanFrom(begin);
  if (depth_ > 1 || emit_.has_value()) {
    return WithSpan(
        Error(ErrorKind::kSyntax, "EMIT stands once, at the end of the whole statement"),
        emit.span);
  }
  emit_ = emit;
  return Status::OK();
}

/// INTO name | 'uri', once in a statement.
Status Parser::ParseInto() {
  Take();
  IntoClause into;
  into.span = Peek().span;
  into.is_uri = Peek().kind == Token::Kind::kString;
  if (into.is_uri) {
    into.name = UnquotedText(Take());
  } else {
    ARROW_ASSIGN_OR_RAISE(into.name, ParseName("the name of a sink"));
  }
  if (depth_ > 1 || into_.has_value()) {
    return WithSpan(Error(ErrorKind::kSyntax, "INTO stands once, in the outermost query"),
                    into.span);
  }
  into_ = std::move(into);
  return Status::OK();
}

/// After a query that is a statement: INTO, WITH and EMIT in any order.
Status Parser::ParseQueryTail(Statement* statement) {
  while (true) {
    if (Peek().IsWord("WITH") && PeekNext().IsSymbol("(")) {
      ARROW_RETURN_NOT_OK(ParseStreamOptions(statement));
    } else if (StartsStreamClause() && Peek().IsWord("EMIT")) {
      ARROW_RETURN_NOT_OK(ParseEmit());
    } else if (StartsStreamClause() && Peek().IsWord("INTO")) {
      ARROW_RETURN_NOT_OK(ParseInto());
    } else {
      return Status::OK();
    }
  }
}

/// [WITHIN length | (before, after)] [GRACE PERIOD length] [ALLOW UNBOUNDED STATE] in any order,
/// before or after ON.
Status Parser::ParseJoinBounds(JoinBounds* bounds) {
  const int64_t begin = Peek().span.begin;
  while (StartsStreamClause()) {
    if (AcceptWord("WITHIN")) {
      if (bounds->within_micros.has_value()) return Unexpected("one WITHIN");
      ARROW_RETURN_NOT_OK(ParseWithin(bounds));
    } else if (AcceptWord("GRACE")) {
      Take();
      ARROW_ASSIGN_OR_RAISE(bounds->grace_micros, ParseDuration("a length of time", 0));
    } else if (AcceptWord("ALLOW")) {
      Take();
      ARROW_RETURN_NOT_OK(ExpectWord("STATE"));
      bounds->allow_unbounded = true;
    } else {
      return Status::OK();
    }
    bounds->span = SpanFrom(begin);
  }
  return Status::OK();
}

Status Parser::ParseWithin(JoinBounds* bounds) {
  if (!AcceptSymbol("(")) {
    ARROW_ASSIGN_OR_RAISE(const int64_t length, ParseDuration("a length of time", 0));
    bounds->within_micros.emplace(length, length);
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t before, ParseDuration("a length of time", 0));
  ARROW_RETURN_NOT_OK(ExpectSymbol(","));
  ARROW_ASSIGN_OR_RAISE(const int64_t after, ParseDuration("a length of time", 0));
  bounds->within_micros.emplace(before, after);
  return ExpectSymbol(")");
}

/// FOR SYSTEM_TIME AS OF time, after the name of a table.
Status Parser::ParseSystemTime(TableReference* table) {
  if (!Peek().IsWord("FOR") || !PeekNext().IsWord("SYSTEM_TIME")) return Status::OK();
  Take();
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("AS"));
  ARROW_RETURN_NOT_OK(ExpectWord("OF"));
  return ParseExpression().Value(&table->as_of);
}

}  // namespace headrace::sql
