// MATCH_RECOGNIZE (…) behind a table.
#include "headrace/plan/match_clause.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

/// Where the parenthesis that is open before `place` closes; npos: nowhere.
size_t EndOfParentheses(std::string_view text, size_t place) {
  for (int depth = 1; place < text.size(); ++place) {
    const char c = text[place];
    if (c == '"') {
      place = text.find('"', place + 1);
      if (place == std::string_view::npos) return place;
    }
    if (c == '(') ++depth;
    if (c == ')' && --depth == 0) return place;
  }
  return std::string_view::npos;
}

}  // namespace

/// MATCH_RECOGNIZE ([PARTITION BY …] [ORDER BY …] [MEASURES …] [rows] [AFTER MATCH SKIP …]
/// PATTERN (…) [WITHIN …] [SUBSET …] [DEFINE …])
Status Parser::ParseMatchRecognize(TableReference* table) {
  auto clause = std::make_shared<MatchClause>();
  const int64_t begin = Take().span.begin;
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  if (AcceptWord("PARTITION")) {
    ARROW_RETURN_NOT_OK(ExpectWord("BY"));
    ARROW_ASSIGN_OR_RAISE(clause->partition_by, ParseExpressionList());
  }
  if (Peek().IsWord("ORDER")) {
    ARROW_ASSIGN_OR_RAISE(clause->order_by, ParseOrderBy());
  }
  const bool around = std::exchange(in_match_, true);
  const Status status = ParseMatchTerms(clause.get());
  in_match_ = around;
  ARROW_RETURN_NOT_OK(status);
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  clause->span = SpanFrom(begin);
  table->match_alias = table->alias.empty() ? table->name : table->alias;
  table->match = std::move(clause);
  return ParseTableAlias(table);
}

Status Parser::ParseMatchTerms(MatchClause* clause) {
  if (AcceptWord("MEASURES")) ARROW_RETURN_NOT_OK(ParseMeasures(clause));
  ARROW_RETURN_NOT_OK(ParseMatchRows(clause));
  if (AcceptWord("AFTER")) ARROW_RETURN_NOT_OK(ParseMatchSkip(clause));
  if (PeekIsOneOf({"INITIAL", "SEEK"})) {
    return Unsupported(Peek(), "INITIAL and SEEK are of windows over a pattern, not of tables");
  }
  ARROW_RETURN_NOT_OK(ParsePattern(clause));
  if (AcceptWord("WITHIN")) ARROW_RETURN_NOT_OK(ParseMatchSpan(clause));
  if (AcceptWord("SUBSET")) ARROW_RETURN_NOT_OK(ParseSubsets(clause));
  return AcceptWord("DEFINE") ? ParseDefinitions(clause) : Status::OK();
}

/// expression AS name, …
Status Parser::ParseMeasures(MatchClause* clause) {
  do {
    NamedUnboundExpression& measure = clause->measures.emplace_back();
    ARROW_ASSIGN_OR_RAISE(measure.expression, ParseExpression());
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    ARROW_ASSIGN_OR_RAISE(measure.name, ParseName("the name of a measure"));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// ONE ROW PER MATCH | ALL ROWS PER MATCH [SHOW EMPTY MATCHES | OMIT EMPTY MATCHES |
/// WITH UNMATCHED ROWS]
Status Parser::ParseMatchRows(MatchClause* clause) {
  const bool is_one = Peek().IsWord("ONE");
  if (!is_one && !Peek().IsWord("ALL")) return Status::OK();
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord(is_one ? "ROW" : "ROWS"));
  ARROW_RETURN_NOT_OK(ExpectWord("PER"));
  ARROW_RETURN_NOT_OK(ExpectWord("MATCH"));
  if (is_one) return Status::OK();
  clause->rows = MatchRows::kAll;
  if (AcceptWord("WITH")) {
    clause->rows = MatchRows::kAllWithUnmatched;
    ARROW_RETURN_NOT_OK(ExpectWord("UNMATCHED"));
    return ExpectWord("ROWS");
  }
  if (!PeekIsOneOf({"SHOW", "OMIT"})) return Status::OK();
  if (Take().IsWord("OMIT")) clause->rows = MatchRows::kAllOmitEmpty;
  ARROW_RETURN_NOT_OK(ExpectWord("EMPTY"));
  return ExpectWord("MATCHES");
}

/// MATCH SKIP PAST LAST ROW | TO NEXT ROW | TO [FIRST | LAST] variable
Status Parser::ParseMatchSkip(MatchClause* clause) {
  ARROW_RETURN_NOT_OK(ExpectWord("MATCH"));
  ARROW_RETURN_NOT_OK(ExpectWord("SKIP"));
  if (AcceptWord("PAST")) {
    ARROW_RETURN_NOT_OK(ExpectWord("LAST"));
    return ExpectWord("ROW");
  }
  ARROW_RETURN_NOT_OK(ExpectWord("TO"));
  if (Peek().IsWord("NEXT") && PeekNext().IsWord("ROW")) {
    Take();
    Take();
    clause->skip = MatchSkip::Kind::kToNextRow;
    return Status::OK();
  }
  const bool has_end = PeekIsOneOf({"FIRST", "LAST"}) && !PeekNext().IsWord("PATTERN");
  const bool is_first = has_end && Peek().IsWord("FIRST");
  if (has_end) Take();
  clause->skip = is_first ? MatchSkip::Kind::kToFirst : MatchSkip::Kind::kToLast;
  return ParseName("a variable of the pattern").Value(&clause->skip_variable);
}

/// The text in parentheses has a syntax of its own.
Status Parser::ParsePattern(MatchClause* clause) {
  ARROW_RETURN_NOT_OK(ExpectWord("PATTERN"));
  if (!Peek().IsSymbol("(")) return Unexpected("(");
  const auto begin = static_cast<size_t>(Peek().span.end);
  const size_t end = EndOfParentheses(text_, begin);
  if (end == std::string_view::npos) {
    return WithSpan(Error(ErrorKind::kSyntax, "expected a closing ) behind the pattern"),
                    Peek().span);
  }
  clause->pattern = text_.substr(begin, end - begin);
  clause->pattern_begin = static_cast<int64_t>(begin);
  lexer_.SkipTo(static_cast<int64_t>(end));
  current_ = lexer_.Next();
  following_ = lexer_.Next();
  return ExpectSymbol(")");
}

/// n ROWS | INTERVAL '…' unit | n
Status Parser::ParseMatchSpan(MatchClause* clause) {
  const bool is_number = Peek().kind == Token::Kind::kNumber;
  const bool is_rows = is_number && PeekNext().IsWord("ROWS");
  const bool is_plain = is_number && (PeekNext().kind != Token::Kind::kWord ||
                                      PeekNext().IsWord("SUBSET") || PeekNext().IsWord("DEFINE"));
  if (!is_rows && !is_plain) {
    ARROW_ASSIGN_OR_RAISE(clause->span_micros, ParseDuration("INTERVAL '10' MINUTE or 10 ROWS", 0));
    return Status::OK();
  }
  const Token number = Peek();
  ARROW_ASSIGN_OR_RAISE(const int64_t count, ParseRowCount("a whole number"));
  if (is_plain) {
    clause->span_units = count;
    return Status::OK();
  }
  Take();
  if (count < 1) return Unsupported(number, "a match has at least one row");
  clause->rows_max = count;
  return Status::OK();
}

/// name = (variable, …), …
Status Parser::ParseSubsets(MatchClause* clause) {
  do {
    auto& [name, parts] = clause->subsets.emplace_back();
    ARROW_ASSIGN_OR_RAISE(name, ParseName("the name of a subset"));
    ARROW_RETURN_NOT_OK(ExpectSymbol("="));
    ARROW_ASSIGN_OR_RAISE(parts, ParseNameList("a variable of the pattern"));
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// variable AS predicate, …
Status Parser::ParseDefinitions(MatchClause* clause) {
  do {
    NamedUnboundExpression& definition = clause->definitions.emplace_back();
    ARROW_ASSIGN_OR_RAISE(definition.name, ParseName("a variable of the pattern"));
    ARROW_RETURN_NOT_OK(ExpectWord("AS"));
    ARROW_ASSIGN_OR_RAISE(definition.expression, ParseExpression());
  } while (AcceptSymbol(","));
  return Status::OK();
}

/// RUNNING or FINAL before a call of MATCH_RECOGNIZE: a call of these names around it.
Result<Parser::Term> Parser::ParseMatchCall() {
  const Token word = Take();
  ARROW_ASSIGN_OR_RAISE(const Term call, ParseFunction());
  return MakeCall(LowerCase(word.text), {call}, SpanFrom(word.span.begin));
}

Result<UnboundPtr> Parser::ParseWholeMatchExpression() {
  in_match_ = true;
  return ParseWholeExpression();
}

}  // namespace headrace::sql
