// The validator: one file per rule, where it stands and what it says.
#include "headrace/sql/lint/lint.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace headrace::sql {
namespace {

const char* const kPrelude =
    "CREATE STREAM s (k STRING, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts) WITH (connector = "
    "'generator', columns = 'k key(3), v integer(0, 9), ts event_time(0, 1)');\n"
    "CREATE STREAM q (k STRING, ts TIMESTAMP) WITH (connector = 'generator', columns = 'k key(3), "
    "ts "
    "event_time(0, 1)');\n"
    "CREATE TABLE t (k STRING PRIMARY KEY, tier STRING) WITH (connector = 'generator', columns = "
    "'k "
    "key(3), tier key(2)');\n";

/// "line:column severity code", a line each, of what stands behind the prelude's three lines.
std::string Found(const std::string& text) {
  std::string found;
  for (const Diagnostic& diagnostic : Lint(kPrelude + text)) {
    found +=
        fmt::format("{}:{} {} {}\n", diagnostic.line - 3, diagnostic.column,
                    diagnostic.severity == Severity::kError ? "error" : "warning", diagnostic.code);
  }
  return found;
}

TEST(Lint, CleanFiles) {
  EXPECT_EQ(Found(""), "");
  EXPECT_EQ(
      Found("CREATE SINK o WITH (connector = 'stdout') AS SELECT s.k, t.tier FROM s JOIN t ON "
            "s.k = t.k AND t.tier = 'gold' WHERE s.k LIKE 'a%'"),
      "");
  EXPECT_EQ(Found("SELECT k, count(*) FROM s GROUP BY k WINDOW TUMBLING (1m) EMIT FINAL"), "");
}

TEST(Lint, JoinsOfStreams) {
  EXPECT_NE(Found("SELECT s.k FROM s JOIN q ON s.k = q.k").find("1:19 "), std::string::npos);
  EXPECT_NE(Found("SELECT s.k FROM s JOIN q ON s.k = q.k").find("stream-join-without-bound"),
            std::string::npos);
  for (const char* bounded :
       {"SELECT s.k FROM s JOIN q ON s.k = q.k WITHIN 10m",
        "SELECT s.k FROM s JOIN q ON s.k = q.k AND q.ts BETWEEN s.ts AND s.ts "
        "+ INTERVAL '1' HOUR",
        "SELECT s.k FROM s JOIN q ON s.k = q.k ALLOW UNBOUNDED STATE"}) {
    EXPECT_EQ(Found(bounded).find("stream-join-without-bound"), std::string::npos) << bounded;
  }
  // Through a view, a subquery and WITH.
  const std::string views =
      "CREATE VIEW w AS SELECT * FROM q;\nWITH x AS (SELECT * FROM w) SELECT s.k FROM s JOIN "
      "(SELECT * "
      "FROM x) y ON s.k = y.k";
  EXPECT_NE(Found(views).find("2:47 "), std::string::npos) << Found(views);
  EXPECT_NE(Found(views).find("stream-join-without-bound"), std::string::npos);
}

TEST(Lint, Watermarks) {
  EXPECT_EQ(Found("SELECT k, count(*) FROM q GROUP BY k WINDOW TUMBLING (ts, 1m)"),
            "1:45 warning missing-watermark\n");
}

TEST(Lint, OrderAndEmit) {
  EXPECT_EQ(Found("SELECT k FROM s ORDER BY k"), "1:26 error order-by-without-limit\n");
  EXPECT_EQ(Found("SELECT k, count(*) FROM s GROUP BY k EMIT FINAL"),
            "1:38 warning emit-final-without-window\n");
}

TEST(Lint, Conditions) {
  EXPECT_EQ(Found("SELECT k FROM s WHERE k LIKE '%x'"), "1:30 warning leading-wildcard\n");
  EXPECT_EQ(Found("SELECT k FROM s WHERE sum(v) > 1"), "1:23 error aggregate-in-where\n");
  EXPECT_NE(Found("SELECT k FROM s WHERE k NOT IN (SELECT k FROM t)").find("not-in-with-nulls"),
            std::string::npos);
  EXPECT_NE(Found("SELECT s.k FROM s JOIN t ON t.tier = 'gold'").find("join-without-key"),
            std::string::npos);
}

TEST(Lint, WhatIsKept) {
  EXPECT_EQ(Found("SELECT DISTINCT k FROM s"), "1:1 warning distinct-keeps-all\n");
  EXPECT_NE(Found("SELECT k FROM s UNION SELECT k FROM q").find("warning distinct-keeps-all"),
            std::string::npos);
  EXPECT_EQ(Found("SELECT k FROM s UNION ALL SELECT k FROM q"), "");
  EXPECT_EQ(Found("SELECT DISTINCT k FROM t"), "");
  EXPECT_EQ(Found("SELECT count(*) FROM s"), "1:8 warning total-of-stream\n");
  EXPECT_EQ(Found("SELECT count(*) FROM s EMIT FINAL"), "1:24 warning emit-final-without-window\n");
  EXPECT_EQ(Found("CREATE TABLE u (k STRING PRIMARY KEY) WITH (connector = 'generator', columns = "
                  "'k key(3)', retention = '40 days')"),
            "1:92 warning long-retention\n");
}

TEST(Lint, DeepSubqueries) {
  const std::string deep =
      "SELECT k FROM s WHERE k IN (SELECT k FROM t WHERE k IN (SELECT k FROM t WHERE k IN (SELECT "
      "k FROM t WHERE k IN (SELECT k FROM t))))";
  EXPECT_NE(Found(deep).find("deep-subquery"), std::string::npos);
}

TEST(Lint, Names) {
  EXPECT_EQ(Found("SELECT kk FROM s"), "1:8 error unknown-name\n");
  EXPECT_EQ(Found("SELECT uper(k) FROM s"), "1:8 error unknown-name\n");
  EXPECT_EQ(Found("CREATE TABLE u (k STRING)"), "1:14 error table-without-key\n");
  EXPECT_EQ(Found("CREATE STREAM u WITH (connector = 'generater')"), "1:17 error unknown-name\n");
  EXPECT_EQ(Found("CREATE STREAM u WITH (connector = 'generator', colums = 'k key(3)')"),
            "1:17 error invalid\n");
}

TEST(Lint, EveryStatementIsLookedAt) {
  EXPECT_EQ(
      Found("CREATE STREAM u WITH (conector = 'x');\nSELECT a FROM u;\nSELEC 1;\nSELECT z FROM "
            "s"),
      "1:17 error invalid\n3:1 error syntax\n4:8 error unknown-name\n");
}

TEST(Lint, AnnotationsThatAreFollowedAreSilent) {
  EXPECT_TRUE(Lint("-- @application: enrichment\n-- @version: 2\n-- @sla.latency.p99: 100ms\n"
                   "-- @deployment.region: eu\n-- @data_retention: 7d\n-- @depends_on: a, b\n\n"
                   "-- @description: one\nCREATE VIEW v AS SELECT 1 AS x;\n"
                   "-- @description: two\nCREATE VIEW w AS SELECT 1 AS x")
                  .empty());
}

/// The one warning about "-- @…", and its hint.
std::string Warned(const std::string& annotation) {
  const std::vector<Diagnostic> found = Lint("CREATE VIEW v AS SELECT 1 AS x;\n\n-- " + annotation +
                                             "\nCREATE VIEW w AS SELECT 1 AS x");
  if (found.size() != 1 || found[0].severity != Severity::kWarning || found[0].line != 3) return "";
  return found[0].code + ": " + found[0].message + " / " + found[0].hint;
}

TEST(Lint, AnnotationsThatNobodyFollows) {
  for (const char* name :
       {"job_mode: adaptive:4", "batch_size: 10", "num_partitions: 8", "partition-count: 2",
        "partitioning_strategy: hash", "sticky-partition-id: 1", "metric: trades_total",
        "metric_type: counter", "metric_help: x", "metric_labels: a, b", "metric_field: amount",
        "metric_condition: amount > 1", "metric_sample_rate: 0.5", "metric_buckets: [1, 2]",
        "observability.metrics.enabled: true", "observability.tracing.enabled: true",
        "observability.profiling.enabled: dev", "observability.error_reporting.enabled: true"}) {
    const std::string warned = Warned(std::string("@") + name);
    EXPECT_TRUE(warned.starts_with("annotation-ignored: nothing here follows @")) << name << warned;
    EXPECT_FALSE(warned.ends_with("/ ")) << name << " has no hint";
  }
  EXPECT_EQ(Warned("@batchsize 10"),
            "unknown-annotation: no annotation is called @batchsize; it is read as a comment / did "
            "you mean @batch_size?");
  EXPECT_EQ(Warned("@zzzzzzzz"),
            "unknown-annotation: no annotation is called @zzzzzzzz; it is read as a comment / ");
  EXPECT_EQ(Warned("@version:"),
            "annotation-ignored: @version has no value / write -- @version: value");
  EXPECT_TRUE(
      Warned("@name: other").starts_with("annotation-ignored: @name does not name the job"));
  const std::vector<Diagnostic> twice =
      Lint("-- @app: one\n-- @name: two\n\nCREATE VIEW v AS SELECT 1 AS x");
  ASSERT_EQ(twice.size(), 1);
  EXPECT_EQ(twice[0].line, 2);
}

TEST(Lint, TextAndJson) {
  const std::string text = "SELECT\n  nope\nFROM 'x\"y.csv'";
  const std::vector<Diagnostic> found = Lint(text);
  ASSERT_EQ(found.size(), 1);
  EXPECT_TRUE(HasErrors(found));
  const std::string shown = LintText(found, text, "a.sql");
  EXPECT_NE(shown.find("a.sql:3:6: error: "), std::string::npos) << shown;
  EXPECT_NE(shown.find("  line 3: FROM 'x\"y.csv'\n               ^\n"), std::string::npos)
      << shown;
  EXPECT_TRUE(shown.ends_with("a.sql: 1 error, 0 warnings\n"));
  const std::string json = LintJson(found, "a.sql");
  EXPECT_NE(json.find("\"line\": 3, \"column\": 6}"), std::string::npos) << json;
  EXPECT_NE(json.find("x\\\"y.csv"), std::string::npos);
}

}  // namespace
}  // namespace headrace::sql
