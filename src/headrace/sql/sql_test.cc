// Statements against a session: what plans they make and how errors read.
#include "headrace/sql/sql.h"

#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/limits.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"

namespace headrace::sql {
namespace {

SourcePtr Table(const std::string& name, arrow::FieldVector fields,
                Boundedness boundedness = Boundedness::kBounded) {
  MemoryTableOptions options;
  options.name = name;
  options.boundedness = boundedness;
  return MemoryTable::Make(arrow::schema(std::move(fields)), {}, options).ValueOrDie();
}

class Sql : public testing::Test {
 protected:
  void SetUp() override {
    Settings settings;
    settings.deterministic = true;
    settings.memory_limit = int64_t{64} << 20;
    session_ = Session::Make(settings).ValueOrDie();
    const auto time = arrow::timestamp(arrow::TimeUnit::MICRO);
    Register("f",
             {arrow::field("dep_delay", arrow::int64()), arrow::field("arr_delay", arrow::int64()),
              arrow::field("carrier", arrow::utf8()), arrow::field("time", time),
              arrow::field("status", arrow::utf8())});
    Register("planes", {arrow::field("carrier", arrow::utf8()),
                        arrow::field("seats", arrow::int32()), arrow::field("time", time)});
  }

  void Register(const std::string& name, arrow::FieldVector fields) {
    ASSERT_OK(session_->Register(name, Table(name, std::move(fields))));
  }

  /// The plan of `text`, or the message of its error after "error kind: ".
  std::string Plan(std::string_view text, const ExtraTables& tables = {}) {
    const Result<BoundStatement> bound = Bind(*session_, text, tables);
    if (bound.ok()) return Explain(*bound->plan);
    return std::string("error ") + InfoOf(KindOf(bound.status())).name + ": " +
           bound.status().message();
  }
  std::string Optimized(std::string_view text, const ExtraTables& tables = {}) {
    return Explain(*Optimize(Bind(*session_, text, tables).ValueOrDie().plan).ValueOrDie());
  }

  std::shared_ptr<Session> session_;
};

TEST_F(Sql, Select) {
  EXPECT_EQ(Plan("SELECT dep_delay AS d, upper(carrier) FROM f WHERE arr_delay > 5 LIMIT 3"),
            "limit 3\n"
            "  project dep_delay AS d, upper(carrier)\n"
            "    filter (arr_delay > 5)\n"
            "      scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, SelectWithoutTable) {
  EXPECT_EQ(Plan("select 1 + 1 as two;"),
            "project (1 + 1) AS two\n"
            "  scan one row []\n");
}

TEST_F(Sql, Stars) {
  EXPECT_EQ(Plan("SELECT *, p.* FROM planes p"),
            "project carrier, seats, time, carrier, seats, time\n"
            "  scan planes [carrier, seats, time]\n");
  EXPECT_EQ(Plan("SELECT q.* FROM planes p"),
            "error unknown_name: unknown table \"q\"\n"
            "  line 1: SELECT q.* FROM planes p\n"
            "                 ^");
}

TEST_F(Sql, NamesIgnoreCaseAndKeepTheSpellingOfTheTable) {
  EXPECT_EQ(
      Bind(*session_, "SELECT DEP_DELAY FROM F").ValueOrDie().plan->schema()->field(0)->name(),
      "dep_delay");
}

TEST_F(Sql, WordsThatAreNoKeywordsAreNames) {
  EXPECT_EQ(Plan("SELECT status, time date FROM f timestamp WHERE timestamp.status = 'x'"),
            "project status, time AS date\n"
            "  filter (status = 'x')\n"
            "    scan f [dep_delay, arr_delay, carrier, time, status]\n");
  EXPECT_EQ(Plan("SELECT \"time\" AS \"two words\" FROM \"f\""),
            "project time AS two words\n"
            "  scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, GroupBy) {
  EXPECT_EQ(Plan("SELECT carrier, sum(dep_delay) / count(*) AS mean FROM f GROUP BY carrier "
                 "HAVING count(*) > 3 ORDER BY mean DESC, max(arr_delay)"),
            "project carrier, mean\n"
            "  sort mean DESC NULLS LAST, max(arr_delay) ASC NULLS LAST\n"
            "    project carrier, (sum(dep_delay) / count(*)) AS mean, max(arr_delay)\n"
            "      filter (count(*) > 3)\n"
            "        project carrier, sum(dep_delay), count(*), max(arr_delay)\n"
            "          aggregate sum(dep_delay), count(*), max(arr_delay) by carrier\n"
            "            scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, GroupByPositionsAliasesAndExpressions) {
  const std::string expected = Plan("SELECT dep_delay // 10 AS tens FROM f GROUP BY 1");
  EXPECT_EQ(expected,
            "project tens\n"
            "  project (dep_delay // 10) AS tens\n"
            "    aggregate by (dep_delay // 10)\n"
            "      project (dep_delay // 10)\n"
            "        scan f [dep_delay, arr_delay, carrier, time, status]\n");
  EXPECT_EQ(Plan("SELECT dep_delay // 10 AS tens FROM f GROUP BY tens"),
            "project tens\n"
            "  project (dep_delay // 10) AS tens\n"
            "    aggregate by (dep_delay // 10)\n"
            "      project (dep_delay // 10)\n"
            "        scan f [dep_delay, arr_delay, carrier, time, status]\n");
  EXPECT_EQ(Plan("SELECT carrier FROM f GROUP BY 2"),
            "error invalid_argument: GROUP BY takes a position between 1 and 1, got 2\n"
            "  line 1: SELECT carrier FROM f GROUP BY 2\n"
            "                                         ^");
}

TEST_F(Sql, OrderByColumnsThatAreNotSelected) {
  EXPECT_EQ(Plan("SELECT carrier FROM f ORDER BY dep_delay DESC NULLS FIRST, 1"),
            "project carrier\n"
            "  sort dep_delay DESC NULLS FIRST, carrier ASC NULLS LAST\n"
            "    project carrier, dep_delay\n"
            "      scan f [dep_delay, arr_delay, carrier, time, status]\n");
  EXPECT_EQ(Plan("SELECT -dep_delay AS arr_delay FROM f ORDER BY arr_delay"),
            "sort arr_delay ASC NULLS LAST\n"
            "  project (-dep_delay) AS arr_delay\n"
            "    scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, Joins) {
  EXPECT_EQ(Plan("SELECT f.carrier, seats FROM f LEFT OUTER JOIN planes p "
                 "ON p.carrier = f.carrier AND p.seats > f.dep_delay"),
            "project carrier, seats\n"
            "  join left on carrier = carrier and (CAST(seats AS BIGINT) > dep_delay)\n"
            "    scan f [dep_delay, arr_delay, carrier, time, status]\n"
            "    scan planes [carrier, seats, time]\n");
  EXPECT_EQ(Plan("SELECT carrier FROM f JOIN planes ON f.carrier = planes.carrier").substr(0, 20),
            "error unknown_name: ");
}

TEST_F(Sql, AsofJoins) {
  EXPECT_EQ(Plan("SELECT seats FROM f ASOF LEFT JOIN planes p ON f.time >= p.time AND "
                 "f.carrier = p.carrier"),
            "project seats\n"
            "  asof_join on time >= time, carrier = carrier\n"
            "    sort time ASC NULLS LAST\n"
            "      scan f [dep_delay, arr_delay, carrier, time, status]\n"
            "    sort time ASC NULLS LAST\n"
            "      filter (carrier IS NOT NULL)\n"
            "        scan planes [carrier, seats, time]\n");
  EXPECT_EQ(Plan("SELECT seats FROM f ASOF JOIN planes p ON f.time > p.time").substr(0, 50),
            "project seats\n  filter (time IS NOT NULL)\n    asof");
  EXPECT_EQ(Plan("SELECT seats FROM f ASOF JOIN planes p ON f.time = p.time").substr(0, 62),
            "error unsupported: an as-of join needs an inequality between t");
}

TEST_F(Sql, DerivedTables) {
  EXPECT_EQ(Plan("SELECT d.n FROM (SELECT count(*) AS n FROM f) AS d WHERE n > 1"),
            "project n\n"
            "  filter (n > 1)\n"
            "    project count(*) AS n\n"
            "      project count(*)\n"
            "        aggregate count(*)\n"
            "          scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, Windows) {
  EXPECT_EQ(Plan("SELECT lag(dep_delay, 1) OVER (PARTITION BY carrier ORDER BY time) AS before "
                 "FROM f"),
            "project lag(dep_delay, 1) OVER (PARTITION BY carrier ORDER BY time NULLS LAST) AS "
            "before\n"
            "  window lag(dep_delay, 1) AS lag(dep_delay, 1) OVER (PARTITION BY carrier ORDER BY "
            "time NULLS LAST) by carrier\n"
            "    sort carrier ASC NULLS LAST, time ASC NULLS LAST\n"
            "      scan f [dep_delay, arr_delay, carrier, time, status]\n");
  EXPECT_EQ(Plan("SELECT sum(dep_delay) OVER () AS s FROM f"),
            "project sum(dep_delay) OVER () AS s\n"
            "  framed_window sum(dep_delay) AS sum(dep_delay) OVER ()\n"
            "    scan f [dep_delay, arr_delay, carrier, time, status]\n");
}

TEST_F(Sql, EndlessInputIsAggregatedInChanges) {
  const SourcePtr stream = Table("s", {arrow::field("k", arrow::int64())}, Boundedness::kUnbounded);
  const ExtraTables tables = {{"s", PlanScan(stream).ValueOrDie()}};
  EXPECT_EQ(Plan("SELECT k, count(*) FROM S GROUP BY k", tables),
            "project k, count(*)\n"
            "  project k, count(*)\n"
            "    aggregate count(*) by k emit changes\n"
            "      scan s [k]\n");
  EXPECT_EQ(Plan("SELECT k FROM s ORDER BY k", tables).substr(0, 19), "error unsupported: ");
}

TEST_F(Sql, Optimizes) {
  EXPECT_EQ(Optimized("SELECT carrier, count(*) AS n FROM f WHERE dep_delay >= 10 GROUP BY carrier "
                      "ORDER BY n DESC LIMIT 2"),
            "limit 2\n"
            "  sort n DESC NULLS LAST\n"
            "    project carrier, count(*) AS n\n"
            "      aggregate count(*) by carrier\n"
            "        project carrier\n"
            "          filter (dep_delay >= 10)\n"
            "            scan f [dep_delay, carrier] where dep_delay >= 10\n");
  EXPECT_EQ(Optimized("SELECT count(*) FROM f"),
            "project 0 AS count(*)\n"
            "  scan one row []\n");
}

TEST_F(Sql, Copy) {
  ASSERT_OK_AND_ASSIGN(const BoundStatement copy,
                       Bind(*session_,
                            "COPY (SELECT 1) TO '/tmp/it''s.csv' (FORMAT CSV, HEADER, "
                            "delimiter ';', max_rows -5)"));
  EXPECT_EQ(copy.kind, BoundStatement::Kind::kCopy);
  EXPECT_EQ(copy.path, "/tmp/it's.csv");
  EXPECT_EQ(
      copy.options,
      (OptionMap{{"format", "csv"}, {"header", "true"}, {"delimiter", ";"}, {"max_rows", "-5"}}));
  EXPECT_EQ(Plan("COPY (SELECT 1) TO 'x' (a 1, A 2)"),
            "error syntax: option given twice: a\n"
            "  line 1: COPY (SELECT 1) TO 'x' (a 1, A 2)\n"
            "                                       ^");
}

TEST_F(Sql, ExplainStatements) {
  ASSERT_OK_AND_ASSIGN(const BoundStatement bound,
                       Bind(*session_, "EXPLAIN ANALYZE SELECT * FROM f"));
  EXPECT_EQ(bound.kind, BoundStatement::Kind::kExplain);
  EXPECT_TRUE(bound.analyze);
}

TEST_F(Sql, UnknownColumnsComeWithACaret) {
  const std::string message = Plan("SELECT dpe_delay\nFROM f");
  EXPECT_TRUE(message.starts_with("error unknown_name: ")) << message;
  EXPECT_NE(message.find("dep_delay"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("\n  line 1: SELECT dpe_delay\n                 ^")) << message;
}

TEST_F(Sql, CaretsKnowLinesTabsAndCharacters) {
  EXPECT_EQ(Plan("SELECT 1\n\t, 'äö', , FROM f"),
            "error syntax: expected an expression, got ,\n"
            "  line 2:  , 'äö', , FROM f\n"
            "                   ^");
  EXPECT_EQ(Plan("SELECT 1 ! 2"),
            "error syntax: unexpected character: !\n"
            "  line 1: SELECT 1 ! 2\n"
            "                   ^");
  const std::string wide(200, 'x');
  const std::string message = Plan("SELECT '" + wide + "' ! '" + wide + "'");
  EXPECT_EQ(message, "error syntax: unexpected character: !\n  line 1: ..." + std::string(58, 'x') +
                         "' ! '" + std::string(27, 'x') + "...\n" + std::string(73, ' ') + "^");
}

TEST_F(Sql, LinesCountFromTheStatementsPlaceInItsScript) {
  ASSERT_OK_AND_ASSIGN(const auto statements,
                       SplitScript("-- one\nSELECT 1;\n\nSELECT\n x FROM f;"));
  ASSERT_EQ(statements.size(), 2);
  const Status status = Bind(*session_, statements[1].text, {}, statements[1].line).status();
  EXPECT_ERROR(status, kUnknownName, "line 5:  x FROM f");
}

TEST_F(Sql, ErrorsSayWhatWasExpected) {
  const std::pair<const char*, const char*> kCases[] = {
      {"",
       "error syntax: expected SELECT, WITH, VALUES, COPY, CREATE, "
       "INSERT, UPDATE, DELETE, TRUNCATE, DROP, "},
      {"SELEC 1", "error syntax: a statement does not begin with SELEC; did you mean SELECT?"},
      {"1 + 1",
       "error syntax: expected SELECT, WITH, VALUES, COPY, CREATE, "
       "INSERT, UPDATE, DELETE, TRUNCATE, DROP, "},
      {"SELECT 1 1", "error syntax: expected the end of the query, got 1"},
      {"SELECT FROM f", "error syntax: expected an expression, got FROM"},
      {"SELECT (1", "error syntax: expected ), got the end of the query"},
      {"SELECT 'abc", "error syntax: expected a closing ': this ' has none"},
      {"SELECT 1 /* x", "error syntax: expected */, got the end of the query"},
      {"SELECT 1a", "error syntax: expected a number, got 1a"},
      {"SELECT * FROM f WHERE", "error syntax: expected an expression, got the end"},
      {"SELECT * FROM f LIMIT x", "error unknown_name: there is no column \"x\""},
      {"SELECT * FROM f LIMIT -1", "error invalid_argument: LIMIT takes a whole number"},
      {"SELECT CASE 1 END", "error syntax: expected WHEN, got END"},
      {"SELECT CASE WHEN 1 = 1 THEN 2", "error syntax: expected WHEN, ELSE or END, got"},
      {"SELECT CAST(1 AS)", "error syntax: expected a type, got )"},
      {"SELECT CAST(1 AS number)", "error unknown_name: "},
      {"SELECT 1 < 2 < 3", "error syntax: comparisons do not chain"},
      {"SELECT DATE '2024-13-01'", "error syntax: expected a literal such as DATE '2024-01-31'"},
      {"SELECT x'0g'", "error syntax: expected pairs of hexadecimal digits, got x'0g'"},
      {"SELECT 1e999", "error overflow: expected a number within the range of DOUBLE, got 1e999"},
      {"SELECT 1234567890123456789012345678901234567890", "error overflow: "},
      {"SELECT * FROM nowhere", "error unknown_name: "},
      {"SELECT * FROM flights.csv",
       "error unsupported: tables have plain names; a file goes in "
       "quotes: FROM 'flights.csv'"},
      {"SELECT * FROM read_cvs('x')",
       "error unknown_name: there is no table function \"read_cvs\"; did you mean \"read_csv\"?"},
      {"SELECT * FROM f POSITIONAL JOIN planes", "error unsupported: POSITIONAL joins"},
      {"SELECT (SELECT 1, 2)", "error type_mismatch: a subquery in an expression gives one column"},
      {"UPDATE f SET a = 1", "error unknown_name: there is no column \"a\""},
      {"DROP TABLE nothere", "error unknown_name: no table is named"},
      {"INSERT INTO nothere VALUES (1)", "error unknown_name: no table is named"},
      {"SELECT ?", "error invalid_argument: the query has a parameter 1, and 0 values are given"},
      {"SELECT $x", "error invalid_argument: no value is given for the parameter $x"},
      {"EXPLAIN DROP TABLE f", "error unsupported: EXPLAIN takes a query, not DROP"},
      {"SELECT *", "error invalid_argument: * needs a table (FROM)"},
      {"SELECT nosuch(1)", "error unknown_name: "},
      {"SELECT carrier + 1 FROM f", "error type_mismatch: "},
      {"SELECT sum(*) FROM f", "error syntax: "},
      {"SELECT upper(*) FROM f", "error syntax: "},
      {"SELECT carrier FROM f WHERE sum(dep_delay) > 1",
       "error invalid_argument: an aggregate "
       "cannot stand in a filter (WHERE)"},
      {"SELECT carrier, count(*) FROM f", "error invalid_argument: a column beside aggregates"},
      {"SELECT 1 FROM f WHERE dep_delay", "error type_mismatch: a filter takes a BOOLEAN"},
      {"SELECT 1 AS a, 2 AS a ORDER BY a", "error unknown_name: several columns are called \"a\""},
      {"SELECT '\xff'", "error syntax: expected a query in UTF-8, got other bytes"},
      {"SELECT * FROM 'no/such/file.csv'", "error not_found: "},
      {"SELECT * FROM 'x.csv' (null 'NA', null 2)", "error syntax: option given twice: null"},
      {"COPY 1 TO 'x.csv'", "error syntax: expected a table or ( and a query, got 1"},
      {"EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'",
       "error unsupported: EXPLAIN ANALYZE takes a query"},
  };
  for (const auto& [text, expected] : kCases) {
    EXPECT_TRUE(Plan(text).starts_with(expected)) << text << "\n" << Plan(text);
  }
}

TEST_F(Sql, LongTextsAreRefused) {
  const std::string text(static_cast<size_t>(kQueryTextBytesMax) + 1, ' ');
  EXPECT_ERROR(Bind(*session_, text), kSyntax, "expected a query of at most");
}

TEST_F(Sql, DeepTextsBind) {
  std::string expression = "dep_delay";
  for (int i = 0; i < 90; ++i) expression = "(" + expression + " + 1)";
  std::string query = "SELECT " + expression + " AS dep_delay FROM f";
  for (int i = 0; i < 90; ++i) query = "SELECT dep_delay FROM (" + query + ") q";
  ASSERT_OK_AND_ASSIGN(const BoundStatement bound, Bind(*session_, query));
  EXPECT_OK(Optimize(bound.plan));
}

TEST_F(Sql, ExtraTablesArePlans) {
  const ExtraTables tables = {
      {"late", Bind(*session_, "SELECT * FROM f WHERE dep_delay > 60").ValueOrDie().plan}};
  EXPECT_EQ(Optimized("SELECT count(*) FROM late", tables),
            "aggregate count(*)\n"
            "  project\n"
            "    filter (dep_delay > 60)\n"
            "      scan f [dep_delay] where dep_delay > 60\n");
}

TEST_F(Sql, ExtraTablesAreSuggested) {
  const SourcePtr orders = Table("orders", {arrow::field("k", arrow::int64())});
  const ExtraTables tables = {{"orders", PlanScan(orders).ValueOrDie()}};
  EXPECT_TRUE(Plan("SELECT k FROM Orders", tables).starts_with("project k"));
  EXPECT_TRUE(Plan("SELECT k FROM ordres", tables)
                  .starts_with("error unknown_name: no table is named \"ordres\"; did you mean "
                               "orders?"));
}

TEST_F(Sql, WideResultsAreRefused) {
  std::string query = "SELECT * FROM f";
  for (int i = 0; i < 20; ++i) query = "SELECT *, *, *, * FROM (" + query + ") q";
  EXPECT_ERROR(Bind(*session_, query), kUnsupported, "a query gives at most 65536 columns");
}

TEST(SplitStatements, AtSemicolonsOutsideLiterals) {
  ASSERT_OK_AND_ASSIGN(const auto texts,
                       SplitStatements("SELECT ';' -- a;b\n; ;/* ; /* ; */ */ SELECT \"a;b\";"));
  ASSERT_EQ(texts.size(), 2);
  EXPECT_EQ(texts[0], "SELECT ';' -- a;b\n");
  EXPECT_EQ(texts[1], "SELECT \"a;b\"");
  EXPECT_ERROR(SplitStatements("SELECT 1; SELECT 'x"), kSyntax, "expected a closing '");
}

}  // namespace
}  // namespace headrace::sql
