// Expressions as the parser reads them, and texts that no one should write.
#include "headrace/sql/parser.h"

#include <vector>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/sql/sql.h"

namespace headrace::sql {
namespace {

/// An expression in prefix form: (+ a (* 2 b)).
std::string Prefix(const Unbound& expression) {
  const auto list = [](std::string head, const std::vector<UnboundPtr>& parts) {
    for (const UnboundPtr& part : parts) head += " " + Prefix(*part);
    return "(" + head + ")";
  };
  switch (expression.kind) {
    case Unbound::Kind::kColumn: {
      std::string path;
      for (const std::string& name : expression.path) path += (path.empty() ? "" : ".") + name;
      return path;
    }
    case Unbound::Kind::kLiteral:
      return expression.literal->ToString();
    case Unbound::Kind::kCast:
      return list((expression.try_cast ? "try_cast " : "cast ") + expression.type->ToString(),
                  expression.args);
    case Unbound::Kind::kStar:
      return "*";
    default:
      return list(expression.name, expression.args);
  }
}

std::string Parsed(std::string_view text) {
  const Result<UnboundPtr> parsed = ParseExpression(text);
  return parsed.ok() ? Prefix(**parsed) : parsed.status().message();
}

TEST(Expressions, Precedence) {
  EXPECT_EQ(Parsed("a + 2 * b - c"), "(- (+ a (* 2 b)) c)");
  EXPECT_EQ(Parsed("a OR b AND NOT c = 1 + 2 || d"), "(or a (and b (not (= c (|| (+ 1 2) d)))))");
  EXPECT_EQ(Parsed("a // b % c / d"), "(/ (% (// a b) c) d)");
  EXPECT_EQ(Parsed("-a::int + (b)"), "(+ (- (cast int32 a)) b)");
  EXPECT_EQ(Parsed("NOT NOT a"), "(not (not a))");
  EXPECT_EQ(Parsed("a and b and c or d or e"), "(or (and a b c) d e)");
}

TEST(Expressions, Comparisons) {
  EXPECT_EQ(Parsed("a == b"), "(= a b)");
  EXPECT_EQ(Parsed("a != b"), "(<> a b)");
  EXPECT_EQ(Parsed("a IS NULL = b IS NOT NULL"), "(is_not_null (= (is_null a) b))");
  EXPECT_EQ(Parsed("a BETWEEN 1 AND 2 AND b"), "(and (and (>= a 1) (<= a 2)) b)");
  EXPECT_EQ(Parsed("a NOT BETWEEN 1 AND 2"), "(not (and (>= a 1) (<= a 2)))");
  EXPECT_EQ(Parsed("a IN (1, b + 1)"), "(or (= a 1) (= a (+ b 1)))");
  EXPECT_EQ(Parsed("a NOT IN ('x')"), "(not (= a x))");
  EXPECT_EQ(Parsed("a + 1 IS NOT NULL"), "(is_not_null (+ a 1))");
  EXPECT_EQ(Parsed("a NOT LIKE 'x%' ESCAPE '!'"), "(not (like a x% !))");
  EXPECT_EQ(Parsed("a ILIKE b"), "(ilike a b)");
  EXPECT_EQ(Parsed("a IS NOT DISTINCT FROM b"), "(is_not_distinct_from a b)");
  EXPECT_EQ(Parsed("a = b IS DISTINCT FROM c"), "(is_distinct_from (= a b) c)");
  EXPECT_EQ(Parsed("a IS NOT TRUE"), "(not (coalesce a false))");
  EXPECT_EQ(Parsed("a > ALL (SELECT 1)"), "(> all a)");
  EXPECT_EQ(Parsed("a NOT IN (SELECT 1)"), "(not (= any a))");
  EXPECT_EQ(Parsed("NOT EXISTS (SELECT 1)"), "(not (exists))");
}

TEST(Expressions, Literals) {
  const auto type = [](std::string_view text) {
    return ParseExpression(text).ValueOrDie()->literal->type->ToString();
  };
  EXPECT_EQ(type("9223372036854775807"), "int64");
  EXPECT_EQ(type("-9223372036854775808"), "int64");
  EXPECT_EQ(type("9223372036854775808"), "decimal128(19, 0)");
  EXPECT_EQ(type("1.50"), "decimal128(3, 2)");
  EXPECT_EQ(type(".5"), "decimal128(1, 1)");
  EXPECT_EQ(type("1e3"), "double");
  EXPECT_EQ(type("'it''s'"), "string");
  EXPECT_EQ(type("NULL"), "null");
  EXPECT_EQ(type("x'00ff'"), "binary");
  EXPECT_EQ(type("DATE '2024-02-29'"), "date32[day]");
  EXPECT_EQ(type("TIMESTAMP '2024-02-29 01:02:03.5'"), "timestamp[us]");
  EXPECT_EQ(Parsed("'it''s'"), "it's");
  EXPECT_EQ(Parsed("- 5 + -1.5"), "(+ -5 -1.5)");
  EXPECT_EQ(Parsed("true"), "true");
  EXPECT_EQ(type("INTERVAL '1' DAY"), "duration[us]");
  EXPECT_EQ(type("INTERVAL 3 MONTHS"), "month_day_nano_interval");
  EXPECT_EQ(type("INTERVAL '1 year 2 days 03:04:05.5'"), "month_day_nano_interval");
  EXPECT_EQ(type("1_000"), "int64");
  EXPECT_EQ(Parsed("[1, a]"), "(list_value 1 a)");
  EXPECT_EQ(Parsed("{'x': 1, y: a}"), "(struct_pack 1 a)");
  EXPECT_EQ(Parsed("MAP {'k': 1}"), "(map (list_value k) (list_value 1))");
  EXPECT_EQ(Parsed("a[1][2:]"), "(list_slice (list_extract a 1) 2 -1)");
}

TEST(Expressions, Case) {
  EXPECT_EQ(Parsed("CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END"), "(case a 1 b 2 3)");
  EXPECT_EQ(Parsed("case a when 1 then 'x' end"), "(case (= a 1) x)");
}

TEST(Expressions, Casts) {
  EXPECT_EQ(Parsed("CAST(a AS DECIMAL(10, 2))"), "(cast decimal128(10, 2) a)");
  EXPECT_EQ(Parsed("TRY_CAST(a AS double precision)"), "(try_cast double a)");
  EXPECT_EQ(Parsed("a::bigint[]::text"), "(cast string (cast list<item: int64> a))");
  EXPECT_EQ(Parsed("a::timestamp with time zone").substr(0, 18), "(cast timestamp[us");
  EXPECT_EQ(Parsed("try_cast + 1"), "(+ try_cast 1)");
}

TEST(Expressions, Calls) {
  EXPECT_EQ(Parsed("count(*)"), "(count *)");
  EXPECT_EQ(Parsed("f(a, t.b, g())"), "(f a t.b (g))");
  EXPECT_EQ(Parsed("a.b.c"), "a.b.c");
  EXPECT_EQ(Parsed("EXTRACT(YEAR FROM a)"), "(date_part year a)");
  EXPECT_EQ(Parsed("SUBSTRING(a FROM 2 FOR 3)"), "(substring a 2 3)");
  EXPECT_EQ(Parsed("substring(a, 2)"), "(substring a 2)");
  EXPECT_EQ(Parsed("POSITION('x' IN a)"), "(strpos a x)");
  EXPECT_EQ(Parsed("TRIM(LEADING 'x' FROM a)"), "(ltrim a x)");
  EXPECT_EQ(Parsed("TRIM(a)"), "(TRIM a)");
  EXPECT_EQ(Parsed("left(a, 2)"), "(left a 2)");
  EXPECT_EQ(Parsed("a ^ 2 ** -b"), "(** (** a 2) (- b))");
  EXPECT_EQ(Parsed("percentile_cont(0.5) WITHIN GROUP (ORDER BY a)"), "(quantile_cont a 0.5)");
  const UnboundPtr call =
      ParseExpression("lag(a) OVER (PARTITION BY b, c ORDER BY d DESC, e NULLS FIRST)")
          .ValueOrDie();
  ASSERT_NE(call->window, nullptr);
  EXPECT_EQ(call->window->partition_by.size(), 2);
  ASSERT_EQ(call->window->order_by.size(), 2);
  EXPECT_TRUE(call->window->order_by[0].descending);
  EXPECT_EQ(call->window->order_by[0].nulls, NullPlacement::kLast);
  EXPECT_EQ(call->window->order_by[1].nulls, NullPlacement::kFirst);
}

TEST(Expressions, SpansPointIntoTheText) {
  const UnboundPtr sum = ParseExpression("a + upper( b )").ValueOrDie();
  EXPECT_EQ(sum->span.begin, 0);
  EXPECT_EQ(sum->span.end, 14);
  EXPECT_EQ(sum->args[1]->span.begin, 4);
  EXPECT_EQ(sum->args[1]->args[0]->span.begin, 11);
}

std::string Repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

TEST(Limits, DeepTextsAreRefused) {
  const int kDeep = 100'000;
  EXPECT_ERROR(ParseExpression(Repeated("(", kDeep)), kSyntax, "nests deeper than 200 levels");
  EXPECT_ERROR(ParseExpression(Repeated("NOT ", kDeep) + "a"), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression(Repeated("- ", kDeep) + "a"), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression(Repeated("f(", kDeep)), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression(Repeated("case ", kDeep)), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression("a" + Repeated(" + a", kDeep)), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression("a" + Repeated(" IS NULL", kDeep)), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression("a" + Repeated("::int", kDeep)), kSyntax, "nests deeper");
  EXPECT_ERROR(ParseExpression("a::int" + Repeated("[]", kDeep)), kSyntax, "fewer []");
  EXPECT_ERROR(Parser(Repeated("SELECT * FROM (", kDeep)).ParseStatement(), kSyntax,
               "nests deeper");
}

TEST(Limits, LongConjunctionsAreFlat) {
  EXPECT_OK(ParseExpression("a" + Repeated(" AND a", 10'000)));
  EXPECT_OK(ParseExpression("a IN (1" + Repeated(", 1", 10'000) + ")"));
}

TEST(Limits, RepeatedOperandsDoNotExplode) {
  std::string text = "a";
  for (int i = 0; i < 60; ++i) text = "(" + text + ") BETWEEN 1 AND 2";
  EXPECT_ERROR(ParseExpression(text), kSyntax, "the expressions have more than 1000000 parts");
}

constexpr std::string_view kStatements[] = {
    "SELECT a, -b AS c, t.*, count(*) FROM 'x.csv' AS t LEFT JOIN \"u\" ON t.a = u.a AND b < 1.5 "
    "WHERE a IN (1, 2) AND b NOT BETWEEN 1 AND 2 OR c IS NOT NULL GROUP BY 1, a HAVING sum(a) > "
    "3e1 "
    "ORDER BY a DESC NULLS FIRST, 2 LIMIT 10 OFFSET 5;",
    "SELECT CASE a WHEN 1 THEN 'it''s' ELSE x'00' END, CAST(a AS DECIMAL(10, 2)), b::TIMESTAMP(3) "
    "WITH TIME ZONE, TRY_CAST(c AS int[]), DATE '2024-01-31' FROM (SELECT * FROM t) q",
    "SELECT lag(a, 1) OVER (PARTITION BY b ORDER BY c) FROM t ASOF JOIN u ON t.x >= u.x -- end",
    "COPY (SELECT 1 || 'a') TO 'out.parquet' WITH (FORMAT parquet, level -3, header)",
    "EXPLAIN ANALYZE SELECT /* note */ 1 // 2 % 3 != 4",
    "WITH a (x) AS (VALUES (1), (2)), b AS NOT MATERIALIZED (FROM a) SELECT DISTINCT ON (x) * "
    "EXCLUDE (y) REPLACE (1 AS x), sum(DISTINCT x ORDER BY y) FILTER (WHERE z) OVER w FROM a "
    "NATURAL LEFT "
    "JOIN b, unnest([1]) u (v) CROSS JOIN c FULL JOIN d USING (x) WHERE EXISTS (SELECT 1) AND x > "
    "ANY (SELECT y) WINDOW w AS (PARTITION BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE "
    "TIES) QUALIFY row_number() OVER w = 1 UNION ALL BY NAME SELECT ? INTERSECT SELECT $a ORDER BY "
    "ALL LIMIT 10",
    "CREATE OR REPLACE TEMP TABLE IF NOT EXISTS t (a INT, b STRUCT(x INT, y MAP(VARCHAR, INT[])))",
    "CREATE VIEW v (a, b) AS SELECT a.b.c, INTERVAL '1' DAY, {'a': 1}.a[1:2]",
    "INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL)",
    "DROP VIEW IF EXISTS v",
};

std::vector<std::string> TokensOf(std::string_view text) {
  std::vector<std::string> tokens;
  Lexer lexer(text);
  for (Token token = lexer.Next(); token.kind != Token::Kind::kEnd; token = lexer.Next()) {
    tokens.emplace_back(token.text);
  }
  return tokens;
}

std::string Joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token + " ";
  return text;
}

/// Every outcome is fine but a crash; errors say something.
void TryToParse(const std::string& text) {
  const auto parsed = Parser(text).ParseStatement();
  if (!parsed.ok()) {
    EXPECT_FALSE(parsed.status().message().empty()) << text;
  }
  (void)ParseExpression(text);
  (void)SplitScript(text);
}

TEST(Robustness, StatementsParse) {
  for (const std::string_view statement : kStatements) {
    Parameters parameters;
    parameters.positional.push_back(std::make_shared<arrow::Int64Scalar>(1));
    parameters.named.emplace("a", std::make_shared<arrow::Int64Scalar>(2));
    EXPECT_OK(Parser(statement, &parameters).ParseStatement());
  }
}

TEST(Robustness, EveryTokenLeftOut) {
  for (const std::string_view statement : kStatements) {
    const std::vector<std::string> tokens = TokensOf(statement);
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::vector<std::string> fewer = tokens;
      fewer.erase(fewer.begin() + static_cast<int64_t>(i));
      TryToParse(Joined(fewer));
    }
  }
}

TEST(Robustness, EveryTruncation) {
  for (const std::string_view statement : kStatements) {
    for (size_t length = 0; length < statement.size(); ++length) {
      TryToParse(std::string(statement.substr(0, length)));
    }
  }
}

TEST(Robustness, TokensOfAllStatementsShuffled) {
  std::vector<std::string> pool;
  for (const std::string_view statement : kStatements) {
    for (std::string& token : TokensOf(statement)) pool.push_back(std::move(token));
  }
  constexpr uint64_t kSeed = 20240131;
  Rng rng(kSeed);
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> tokens = TokensOf(kStatements[rng.Below(std::size(kStatements))]);
    for (uint64_t edits = 1 + rng.Below(4); edits > 0; --edits) {
      const size_t place = rng.Below(tokens.size());
      tokens[place] = pool[rng.Below(pool.size())];
    }
    TryToParse(Joined(tokens));
  }
}

TEST(Robustness, RandomBytes) {
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text(kStatements[rng.Below(std::size(kStatements))]);
    for (uint64_t edits = 1 + rng.Below(5); edits > 0; --edits) {
      text[rng.Below(text.size())] = static_cast<char>(rng.Below(256));
    }
    TryToParse(text);
  }
}

}  // namespace
}  // namespace headrace::sql
