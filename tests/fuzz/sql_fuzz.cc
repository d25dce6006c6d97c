// The lexer, the parser and the splitting of scripts on any bytes.
#include <string_view>

#include "file_case.h"
#include "fuzz.h"
#include "headrace/sql/lexer.h"
#include "headrace/sql/parser.h"
#include "headrace/sql/sql.h"

namespace headrace::fuzz {
namespace {

/// Tokens stand behind each other within the text, and each is its piece of it.
void CheckTokens(std::string_view text) {
  sql::Lexer lexer(text);
  int64_t end = 0;
  while (true) {
    const sql::Token token = lexer.Next();
    if (token.kind == sql::Token::Kind::kError) {
      Expect(!lexer.status().ok(), "an error token has a status");
      Expect(lexer.Next().kind == sql::Token::Kind::kEnd, "the end follows an error");
      return;
    }
    Expect(token.span.begin >= end && token.span.end <= static_cast<int64_t>(text.size()),
           "tokens in order, within the text");
    end = token.span.end;
    if (token.kind == sql::Token::Kind::kEnd) return;
    Expect(token.span.begin < token.span.end, "tokens are not empty");
    Expect(token.text == text.substr(static_cast<size_t>(token.span.begin), token.text.size()),
           "a token's text is its piece of the whole");
  }
}

void CheckError(const Status& status, std::string_view text) {
  if (status.ok()) return;
  ExpectPresentable(status);
  const auto span = SpanOf(status);
  if (!span) return;
  Expect(0 <= span->begin && span->begin <= span->end &&
             span->end <= static_cast<int64_t>(text.size()),
         "the span of an error lies within the text");
}

void CheckStatements(std::string_view script) {
  const auto statements = sql::SplitStatements(script);
  CheckError(statements.status(), script);
  if (!statements.ok()) return;
  for (const std::string& statement : *statements) {
    Expect(script.find(statement) != std::string_view::npos,
           "a statement is a piece of the script");
    const Status parsed = sql::Parser(statement).ParseStatement().status();
    CheckError(parsed, statement);
    Expect(parsed.ok() || !IsSeed(script), "seeds are valid: " + parsed.message());
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  return {
      "SELECT * FROM t",
      "SELECT a, b AS \"the b\", t.c FROM 'flights.csv' AS t WHERE a > 1 AND NOT b IS "
      "NULL",
      "SELECT a, count(*), sum(b) FROM t GROUP BY a HAVING count(*) > 1 ORDER BY 2 DESC "
      "NULLS LAST, a LIMIT 10 OFFSET 5;",
      "SELECT * FROM a JOIN b ON a.k = b.k LEFT JOIN c ON b.k = c.k AND a.t >= c.t",
      "SELECT * FROM trades ASOF JOIN quotes ON trades.sym = quotes.sym AND trades.t >= quotes.t",
      "SELECT lag(x, 2) OVER (PARTITION BY k ORDER BY t) FROM (SELECT * FROM t) AS u",
      "SELECT CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END, CASE a WHEN 1 THEN 'x' END",
      "SELECT CAST(a AS DECIMAL(10, 2)), TRY_CAST(b AS TIMESTAMP WITH TIME ZONE), c::BIGINT[]",
      "SELECT a BETWEEN 1 AND 2, b IN (1, 2, NULL), c NOT IN ('x'), -1.5e10, x'00ff', 'it''s'",
      "SELECT DATE '2013-01-01', TIMESTAMP '2013-01-01 05:00:00', TIME '05:00', TRUE, NULL",
      "SELECT a + b * c / d % e - f // g || h, a <> b, a != b, a <= b, (((a)))",
      "COPY (SELECT 1 AS a) TO 'x.csv' (FORMAT csv, DELIMITER ';', HEADER false)",
      "EXPLAIN ANALYZE SELECT 1; -- a comment\n/* another ; */ SELECT ';';;",
      "SELECT a FROM t -- no end",
      "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY b MEASURES FINAL LAST(x.c) AS l "
      "ALL ROWS PER MATCH AFTER MATCH SKIP TO FIRST y PATTERN (^ x+? (y | {- z -}){2,3} $) "
      "WITHIN INTERVAL '5' MINUTE SUBSET u = (x, y) DEFINE y AS c > PREV(c, 2)) AS m",
      "SELECT * FROM s WHERE a + 1 > coalesce(b, 2) AND starts_with(c, 'x')",
  };
}

std::vector<std::string> Tokens() {
  return {"SELECT ",
          " FROM ",
          " WHERE ",
          " GROUP BY ",
          " HAVING ",
          " ORDER BY ",
          " LIMIT ",
          " OFFSET ",
          " JOIN ",
          " LEFT ",
          " ASOF ",
          " ON ",
          " AS ",
          " AND ",
          " OR ",
          " NOT ",
          " IS NULL",
          " BETWEEN ",
          " IN (",
          " CASE ",
          " WHEN ",
          " THEN ",
          " ELSE ",
          " END ",
          "CAST(",
          " AS DECIMAL(38, 38))",
          "TRY_CAST(",
          "::",
          "[]",
          "COPY ",
          " TO ",
          "EXPLAIN ",
          "DISTINCT ",
          "OVER (",
          "PARTITION BY ",
          "count(*)",
          "DATE '",
          "x'",
          "'",
          "''",
          "\"",
          "(",
          ")",
          "((((((((((((((((",
          "NOT NOT NOT NOT ",
          "- - - - - ",
          ",",
          ";",
          "--",
          "/*",
          "*/",
          ".",
          "*",
          "9223372036854775808",
          "1e999",
          "1e-999",
          "\xC3\xA9",
          "\xFF",
          "NULL",
          "//",
          "||"};
}

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::CheckTokens(text);
  fuzz::CheckStatements(text);
  fuzz::CheckError(sql::ParseExpression(text).status(), text);
  return 0;
}
