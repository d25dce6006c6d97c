// Statements of streams as the parser reads them.
#include <gtest/gtest.h>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/sql/duration.h"
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

Statement ParsedStatement(std::string_view text) {
  Result<Statement> parsed = Parser(text).ParseStatement();
  EXPECT_TRUE(parsed.ok()) << text << "\n" << parsed.status().ToString();
  return parsed.ok() ? *std::move(parsed) : Statement();
}

void ExpectRefused(std::string_view text, std::string_view message) {
  const Result<Statement> parsed = Parser(text).ParseStatement();
  ASSERT_FALSE(parsed.ok()) << text;
  EXPECT_NE(parsed.status().message().find(message), std::string::npos)
      << parsed.status().message();
}

TEST(StreamParser, Stream) {
  const Statement stream = ParsedStatement(
      "CREATE STREAM trades (id BIGINT NOT NULL, user STRING, px DECIMAL(18,2), ts TIMESTAMP, tags "
      "ARRAY(STRING), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (connector = 'file', "
      "'bootstrap.servers' = \"a:9\", datasource.path = x-y.jsonl, watch = TRUE, n = -5, gap = "
      "5s)");
  EXPECT_EQ(stream.kind, Statement::Kind::kCreateStream);
  ASSERT_EQ(stream.definitions.size(), 5);
  EXPECT_TRUE(stream.definitions[0].not_null);
  EXPECT_FALSE(stream.definitions[1].not_null);
  EXPECT_TRUE(stream.definitions[4].type->Equals(arrow::list(arrow::utf8())));
  ASSERT_TRUE(stream.watermark.has_value());
  EXPECT_EQ(stream.watermark->column, "ts");
  EXPECT_EQ(stream.watermark->delay_micros, 5'000'000);
  const OptionMap expected = {{"connector", "file"},
                              {"bootstrap.servers", "a:9"},
                              {"datasource.path", "x-y.jsonl"},
                              {"watch", "TRUE"},
                              {"n", "-5"},
                              {"gap", "5s"}};
  EXPECT_EQ(stream.with->values, expected);
}

TEST(StreamParser, Keys) {
  EXPECT_EQ(ParsedStatement("CREATE TABLE t (a INT PRIMARY KEY, b INT) WITH (connector = 'x')")
                .primary_key,
            std::vector<std::string>{"a"});
  const std::vector<std::string> both = {"b", "a"};
  EXPECT_EQ(
      ParsedStatement("CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a) NOT ENFORCED)").primary_key,
      both);
  const Statement marked = ParsedStatement("CREATE TABLE t AS SELECT a AS k PRIMARY KEY, b FROM s");
  EXPECT_TRUE(marked.query->select->items[0].is_key);
  EXPECT_EQ(marked.query->select->items[0].name, "k");
  EXPECT_FALSE(marked.query->select->items[1].is_key);
  EXPECT_TRUE(ParsedStatement("SELECT a PRIMARY KEY FROM s").query->select->items[0].is_key);
  ExpectRefused("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", "one primary key");
}

TEST(StreamParser, ClausesStandInAnyOrder) {
  for (const std::string_view text :
       {"CREATE SINK o WITH (connector = 'x') AS SELECT k, count(*) FROM s GROUP BY k WINDOW "
        "TUMBLING (ts, 1m) HAVING count(*) > 1 LIMIT 5 EMIT FINAL",
        "CREATE SINK o AS SELECT k, count(*) FROM s WINDOW TUMBLING (ts, 60s) GROUP BY k HAVING "
        "count(*) > 1 EMIT ON WINDOW CLOSE LIMIT 5 WITH (connector = 'x')",
        "CREATE SINK o AS SELECT k, count(*) FROM s HAVING count(*) > 1 GROUP BY k LIMIT 5 WINDOW "
        "TUMBLING (ts, INTERVAL '1' MINUTE) WITH (connector = 'x') EMIT FINAL"}) {
    const Statement sink = ParsedStatement(text);
    const Select& select = *sink.query->select;
    ASSERT_NE(select.time_window, nullptr) << text;
    EXPECT_EQ(select.time_window->size_micros, 60'000'000);
    EXPECT_EQ(select.group_by.size(), 1);
    EXPECT_NE(select.having, nullptr);
    EXPECT_NE(sink.query->limit, nullptr);
    EXPECT_TRUE(sink.emit.has_value() && sink.emit->is_final);
    EXPECT_TRUE(sink.with.has_value());
  }
}

WindowClause WindowOf(const std::string& clause) {
  const Statement parsed = ParsedStatement("SELECT count(*) FROM s WINDOW " + clause);
  return *parsed.query->select->time_window;
}

TEST(StreamParser, Windows) {
  using Kind = WindowClause::Kind;
  EXPECT_EQ(WindowOf("TUMBLING (5 MINUTES)").size_micros, 300'000'000);
  EXPECT_EQ(WindowOf("TUMBLING (30)").size_micros, 30'000'000);
  EXPECT_EQ(WindowOf("TUMBLING (SIZE 1 HOUR)").time, nullptr);
  EXPECT_EQ(WindowOf("TUMBLING (t.ts, 100ms)").time->path.size(), 2);
  const WindowClause sliding = WindowOf("SLIDING (ts, 10m, 5m)");
  EXPECT_EQ(sliding.kind, Kind::kSliding);
  EXPECT_EQ(sliding.size_micros, 600'000'000);
  EXPECT_EQ(sliding.step_micros, 300'000'000);
  EXPECT_EQ(WindowOf("HOPPING (SIZE 10m, ADVANCE BY 5m)").step_micros, 300'000'000);
  const WindowClause session = WindowOf("SESSION (ts, INTERVAL '30' SECOND, user_id)");
  EXPECT_EQ(session.kind, Kind::kSession);
  EXPECT_EQ(session.gap_micros, 30'000'000);
  EXPECT_EQ(session.partition_by.size(), 1);
  const WindowClause cumulate = WindowOf("CUMULATE (ts, 10m, 1h)");
  EXPECT_EQ(cumulate.step_micros, 600'000'000);
  EXPECT_EQ(cumulate.size_micros, 3'600'000'000);
  ExpectRefused("SELECT 1 FROM s WINDOW SLIDING (ts, 5m, 10m)", "other way round");
  ExpectRefused("SELECT 1 FROM s WINDOW TUMBLING (ts, INTERVAL '1' MONTH)", "a fixed length");
  ExpectRefused("SELECT 1 FROM s WINDOW TUMBLING (ts, 0s)", "above zero");
  ExpectRefused("SELECT 1 FROM s WINDOW TUMBLING (ts)", "expected ,");
}

TEST(StreamParser, WindowFunctionsOfFrom) {
  for (const std::string_view text :
       {"SELECT 1 FROM TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' "
        "MINUTE)) AS w WHERE a",
        "SELECT 1 FROM HOP(s, ts, 5m, 10m) w WHERE a"}) {
    const Statement parsed = ParsedStatement(text);
    const TableReference& table = *parsed.query->select->from;
    EXPECT_EQ(table.name, "s");
    EXPECT_EQ(table.alias, "w");
    ASSERT_NE(table.window, nullptr);
    EXPECT_EQ(table.window->size_micros, 600'000'000);
    EXPECT_EQ(table.window->step_micros, 300'000'000);
  }
  const Statement session =
      ParsedStatement("SELECT 1 FROM SESSION(TABLE s PARTITION BY a, b, DESCRIPTOR(ts), 10s)");
  EXPECT_EQ(session.query->select->from->window->partition_by.size(), 2);
  const Statement plain = ParsedStatement("SELECT 1 FROM SESSION(s PARTITION BY a, b, ts, 10s)");
  EXPECT_EQ(plain.query->select->from->window->partition_by.size(), 2);
  ASSERT_NE(plain.query->select->from->window->time, nullptr);
  EXPECT_EQ(plain.query->select->from->window->time->path, std::vector<std::string>{"ts"});
  const Statement untimed = ParsedStatement("SELECT 1 FROM SESSION(s PARTITION BY a, 10s)");
  EXPECT_EQ(untimed.query->select->from->window->partition_by.size(), 1);
  EXPECT_EQ(
      ParsedStatement("SELECT 1 FROM TUMBLE((SELECT * FROM s), ts, 10s)").query->select->from->kind,
      TableReference::Kind::kQuery);
}

TEST(StreamParser, BoundsOfJoins) {
  const auto bounds = [](const std::string& text) {
    return ParsedStatement("SELECT 1 FROM a JOIN b " + text).query->select->joins[0].bounds;
  };
  const std::pair<int64_t, int64_t> ten = {600'000'000, 600'000'000};
  EXPECT_EQ(bounds("ON a.k = b.k WITHIN INTERVAL '10' MINUTE").within_micros, ten);
  EXPECT_EQ(bounds("WITHIN 10m ON a.k = b.k").within_micros, ten);
  EXPECT_EQ(bounds("AS x WITHIN 10 MINUTES GRACE PERIOD 5s ON a.k = b.k").grace_micros, 5'000'000);
  const std::pair<int64_t, int64_t> uneven = {0 + 1'000'000, 3'600'000'000};
  EXPECT_EQ(bounds("ON a.k = b.k WITHIN (1s, 1h)").within_micros, uneven);
  const auto later = std::pair<int64_t, int64_t>(0, 1'000'000);
  EXPECT_EQ(bounds("ON a.k = b.k WITHIN (0s, INTERVAL '1' SECOND)").within_micros, later);
  EXPECT_EQ(bounds("WITHIN 5s GRACE PERIOD 0 SECONDS ON a.k = b.k").grace_micros, 0);
  EXPECT_TRUE(bounds("ON a.k = b.k ALLOW UNBOUNDED STATE").allow_unbounded);
  const Statement versioned =
      ParsedStatement("SELECT 1 FROM a JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON a.k = r.k");
  EXPECT_NE(versioned.query->select->joins[0].right.as_of, nullptr);
  EXPECT_EQ(versioned.query->select->joins[0].right.alias, "r");
}

TEST(StreamParser, RowBuffers) {
  const Statement parsed = ParsedStatement(
      "SELECT avg(x) OVER (ROWS WINDOW BUFFER 100 ROWS PARTITION BY k EMIT EVERY RECORD EXPIRE "
      "AFTER NEVER) FROM s");
  const UnboundWindow& window = *parsed.query->select->items[0].expression->window;
  EXPECT_EQ(window.partition_by.size(), 1);
  ASSERT_TRUE(window.frame.has_value());
  EXPECT_EQ(window.frame->unit, FrameUnit::kRows);
  EXPECT_EQ(window.frame->start.kind, FrameBound::Kind::kUnboundedPreceding);
  EXPECT_EQ(window.frame->end.kind, FrameBound::Kind::kUnboundedFollowing);
  EXPECT_EQ(window.buffer, (RowBuffer{100, false, std::nullopt}));
  const Statement full = ParsedStatement(
      "SELECT avg(x) OVER (ROWS WINDOW BUFFER 9 ROWS ORDER BY ts ROWS BETWEEN 2 PRECEDING AND "
      "CURRENT ROW EMIT ON BUFFER FULL EXPIRE AFTER INTERVAL '5' MINUTE INACTIVITY) FROM s");
  const UnboundWindow& last = *full.query->select->items[0].expression->window;
  EXPECT_EQ(last.buffer, (RowBuffer{9, true, 300'000'000}));
  EXPECT_EQ(last.frame->start.kind, FrameBound::Kind::kPreceding);
  ExpectRefused("SELECT avg(x) OVER (ROWS WINDOW BUFFER 0 ROWS) FROM s", "1 to 1000000 rows");
  ExpectRefused("SELECT avg(x) OVER (ROWS WINDOW BUFFER 9 ROWS EMIT FINAL) FROM s", "EVERY");
}

TEST(StreamParser, LengthsOfWindows) {
  const auto window = [](const std::string& text) {
    const auto parsed =
        ParsedStatement("SELECT count(*) FROM s WINDOW " + text).query->select->time_window;
    return std::vector<int64_t>{parsed->size_micros / 1'000'000, parsed->step_micros / 1'000'000,
                                parsed->gap_micros / 1'000'000, parsed->offset_micros / 1'000'000};
  };
  EXPECT_EQ(window("TUMBLING (ts, '5m')"), (std::vector<int64_t>{300, 0, 0, 0}));
  EXPECT_EQ(window("TUMBLING (1m, 10s)"), (std::vector<int64_t>{60, 0, 0, 10}));
  EXPECT_EQ(window("TUMBLING (ts, OFFSET 10s, SIZE 1m)"), (std::vector<int64_t>{60, 0, 0, 10}));
  EXPECT_EQ(window("SLIDING (ts, 5m, 1m, 30s)"), (std::vector<int64_t>{300, 60, 0, 30}));
  EXPECT_EQ(window("SLIDING (ts, SIZE 5m, ADVANCE BY 1m)"), (std::vector<int64_t>{300, 60, 0, 0}));
  EXPECT_EQ(window("CUMULATE (ts, 1m, 5m)"), (std::vector<int64_t>{300, 60, 0, 0}));
  EXPECT_EQ(window("SESSION (ts, GAP => '30s', k)"), (std::vector<int64_t>{0, 0, 30, 0}));
  ExpectRefused("SELECT count(*) FROM s WINDOW SLIDING (ts, 5m)", "the step of the windows");
  ExpectRefused("SELECT count(*) FROM s WINDOW TUMBLING (ts, SIZE 5m, SIZE 1m)", "once");
}

TEST(StreamParser, IntoAndInsert) {
  for (const std::string_view text :
       {"SELECT a INTO o FROM s WITH (connector = 'x')",
        "SELECT a FROM s INTO o WITH (connector = 'x')",
        "SELECT a FROM s EMIT CHANGES INTO o WITH (connector = 'x')"}) {
    const Statement parsed = ParsedStatement(text);
    ASSERT_TRUE(parsed.into.has_value()) << text;
    EXPECT_EQ(parsed.into->name, "o");
    EXPECT_TRUE(parsed.with.has_value());
  }
  EXPECT_TRUE(ParsedStatement("SELECT a FROM s INTO 'file:///o.csv'").into->is_uri);
  EXPECT_EQ(ParsedStatement("INSERT INTO o SELECT a FROM s EMIT CHANGES").name, "o");
  ExpectRefused("SELECT a FROM (SELECT a FROM s EMIT FINAL)", "at the end of the whole statement");
}

TEST(StreamParser, WordsStayNames) {
  const Statement parsed = ParsedStatement(
      "SELECT stream, emit, status, metrics AS properties, sink within, changes final FROM source "
      "table, watermark tumbling WHERE session > hop AND key = 1 GROUP BY window_start, emit");
  EXPECT_EQ(parsed.query->select->items[4].name, "within");
  EXPECT_EQ(parsed.query->select->items[5].name, "final");
  EXPECT_FALSE(parsed.emit.has_value());
  EXPECT_EQ(
      ParsedStatement("SELECT 1 FROM s WINDOW w AS (ORDER BY a)").query->select->windows.size(), 1);
}

TEST(Durations, AreRead) {
  EXPECT_EQ(ReadDuration("30"), 30'000'000);
  EXPECT_EQ(ReadDuration("5s"), 5'000'000);
  EXPECT_EQ(ReadDuration("100ms"), 100'000);
  EXPECT_EQ(ReadDuration("1h 30m"), 5'400'000'000);
  EXPECT_EQ(ReadDuration("2 hours"), 7'200'000'000);
  EXPECT_EQ(ReadDuration("INTERVAL '5' MINUTE"), 300'000'000);
  EXPECT_EQ(ReadDuration("1.5s"), 1'500'000);
  EXPECT_EQ(ReadDuration("1w"), 604'800'000'000);
  for (const char* text :
       {"", "s", "5 parsecs", "-5s", "1e400s", "99999999999999w", "1..5s", "0.1us"}) {
    EXPECT_EQ(ReadDuration(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace headrace::sql
