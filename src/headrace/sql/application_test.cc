// Files of statements: their annotations, and what they become when they are bound.
#include <gtest/gtest.h>

#include "arrow/type.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/plan/builder.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {
namespace {

Result<SourcePtr> Empty(const std::string& name, const SchemaPtr& schema, Boundedness boundedness) {
  MemoryTableOptions options;
  options.name = name;
  options.boundedness = boundedness;
  return MemoryTable::Make(schema, {}, std::move(options));
}

class ApplicationTest : public testing::Test {
 protected:
  void SetUp() override {
    Settings settings;
    settings.deterministic = true;
    session_ = Session::Make(settings).ValueOrDie();
    makers_.open_source = [this](const StreamDefinition& stream) {
      opened_.push_back(stream);
      return Empty(stream.name, stream.schema,
                   stream.feeds_table ? Boundedness::kBounded : Boundedness::kUnbounded);
    };
    makers_.make_table = [](const TableDefinition& table) {
      return Empty(table.name, table.schema, Boundedness::kBounded);
    };
  }

  Result<Application> Bind(const std::string& text) {
    return BindApplication(*session_, text, makers_);
  }
  Application Bound(const std::string& text) {
    Result<Application> bound = Bind(text);
    EXPECT_TRUE(bound.ok()) << bound.status().message();
    return bound.ok() ? *std::move(bound) : Application();
  }

  const std::string trades_ =
      "CREATE STREAM trades (id BIGINT, user_id STRING, amount DECIMAL(18,2), ts TIMESTAMP, "
      "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (connector = 'file', path = "
      "'t.jsonl');\n";
  const std::string users_ =
      "CREATE TABLE users (user_id STRING PRIMARY KEY, tier STRING) WITH (connector = 'file', path "
      "= 'u.jsonl', retention = '2 hours');\n";

  std::shared_ptr<Session> session_;
  ApplicationMakers makers_;
  std::vector<StreamDefinition> opened_;
};

TEST(Annotations, AreOfTheFileOrOfAStatement) {
  const Result<Application> parsed = ParseApplication(
      "-- @application: enrichment\n-- @phase prod\n-- plain words\n--@odd: 1\n\n"
      "-- @job_mode: simple\nSELECT 1;\n\n"
      "-- @metric: trades_total\n--   @metric_labels: a, b\nSELECT 2; -- @late: x\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_EQ(parsed->annotations.size(), 3);
  EXPECT_EQ(parsed->annotations[0].name, "application");
  EXPECT_EQ(parsed->annotations[0].value, "enrichment");
  EXPECT_EQ(parsed->annotations[1].value, "prod");
  EXPECT_EQ(parsed->annotations[2].name, "odd");
  ASSERT_EQ(parsed->statements.size(), 2);
  ASSERT_EQ(parsed->statements[0].annotations.size(), 1);
  EXPECT_EQ(parsed->statements[0].annotations[0].name, "job_mode");
  EXPECT_EQ(parsed->statements[0].line, 7);
  ASSERT_EQ(parsed->statements[1].annotations.size(), 2);
  EXPECT_EQ(parsed->statements[1].annotations[1].value, "a, b");
  EXPECT_EQ(parsed->statements[1].text, "SELECT 2");
}

TEST_F(ApplicationTest, StreamsAndTables) {
  const Application bound = Bound(trades_ + users_);
  ASSERT_EQ(bound.streams.size(), 1);
  EXPECT_EQ(bound.streams[0].connector, "file");
  EXPECT_EQ(bound.streams[0].options, (OptionMap{{"path", "t.jsonl"}}));
  ASSERT_TRUE(bound.streams[0].watermark.has_value());
  EXPECT_EQ(bound.streams[0].watermark->delay_micros, 5'000'000);
  ASSERT_EQ(bound.tables.size(), 1);
  EXPECT_EQ(bound.tables[0].key, std::vector<int>{0});
  EXPECT_EQ(bound.tables[0].engine_options, (OptionMap{{"retention", "2 hours"}}));
  ASSERT_EQ(bound.queries.size(), 1);
  EXPECT_EQ(bound.queries[0].sink.table, 0);
  EXPECT_TRUE(opened_[1].feeds_table);
  EXPECT_EQ(session_->StreamNames(), std::vector<std::string>{"trades"});
}

TEST_F(ApplicationTest, QueriesKnowWhatTheyRead) {
  const Application bound = Bound(
      trades_ + users_ +
      "CREATE VIEW big AS SELECT * FROM trades WHERE amount > 100;"
      "CREATE SINK o WITH (connector = 'file', path = 'o.jsonl', dlq.path = 'd') AS SELECT b.id, "
      "u.tier FROM big b, (SELECT * FROM users) u WHERE b.id IN (SELECT 1)");
  ASSERT_EQ(bound.queries.size(), 2);
  const StreamQuery& query = bound.queries[1];
  EXPECT_EQ(query.name, "o");
  EXPECT_EQ(query.sink.options, (OptionMap{{"path", "o.jsonl"}}));
  EXPECT_EQ(query.sink.engine_options, (OptionMap{{"dlq.path", "d"}}));
  EXPECT_EQ(query.streams, std::vector<std::string>{"trades"});
  EXPECT_EQ(query.tables, std::vector<size_t>{0});
  EXPECT_EQ(query.emit, EmitMode::kFinal);
}

TEST_F(ApplicationTest, QueriesIntoOneSinkAreOne) {
  const Application bound =
      Bound(trades_ +
            "CREATE SINK o (id BIGINT, what STRING) WITH (connector = 'file', path = 'o.jsonl');"
            "INSERT INTO o SELECT id, 'small' FROM trades WHERE amount < 5;"
            "INSERT INTO o (what, id) SELECT 'big', CAST(id AS INT) FROM trades WHERE amount > 5;"
            "SELECT id, 'other' FROM trades INTO o");
  ASSERT_EQ(bound.queries.size(), 1);
  EXPECT_EQ(bound.queries[0].plan->schema()->ToString(), "id: int64\nwhat: string");
  const Result<Application> wrong = Bind(
      "CREATE SINK p (id BIGINT) WITH (connector = 'file', path = 'p'); INSERT INTO p SELECT 1, 2");
  EXPECT_ERROR(wrong.status(), kTypeMismatch, "expected 1 columns to insert into p, got 2");
  EXPECT_ERROR(Bind("INSERT INTO oo SELECT 1").status(), kUnknownName, "no sink, stream or table");
}

TEST_F(ApplicationTest, KeysOfTables) {
  const Application bound = Bound(
      trades_ +
      "CREATE TABLE a AS SELECT user_id, count(*) AS n FROM trades GROUP BY user_id;"
      "CREATE MATERIALIZED VIEW b AS SELECT id AS k PRIMARY KEY, amount FROM trades;"
      "CREATE TABLE c (x BIGINT, y STRING, PRIMARY KEY (y, x));"
      "INSERT INTO c SELECT id, user_id FROM trades;"
      "SELECT user_id, max(amount) AS m FROM trades GROUP BY 1 INTO 'file://out.csv?format=csv'");
  ASSERT_EQ(bound.tables.size(), 3);
  EXPECT_EQ(bound.tables[0].key, std::vector<int>{0});
  EXPECT_EQ(bound.tables[1].key, std::vector<int>{0});
  EXPECT_EQ(bound.tables[2].key, (std::vector<int>{1, 0}));
  ASSERT_EQ(bound.queries.size(), 4);
  EXPECT_EQ(bound.queries[0].emit, EmitMode::kChanges);
  EXPECT_EQ(bound.queries[1].emit, EmitMode::kFinal);
  EXPECT_EQ(bound.queries[3].key, std::vector<int>{0});
  EXPECT_EQ(bound.queries[3].sink.connector, "file");
  EXPECT_EQ(bound.queries[3].sink.options, (OptionMap{{"path", "out.csv"}, {"format", "csv"}}));
  EXPECT_ERROR(Bind(trades_ + "CREATE TABLE d AS SELECT count(*) AS n FROM trades GROUP BY user_id")
                   .status(),
               kInvalidArgument, "\"trades\" is there already");
  EXPECT_ERROR(Bind("CREATE TABLE d AS SELECT count(*) AS n FROM trades GROUP BY user_id").status(),
               kInvalidArgument, "table d needs a PRIMARY KEY");
}

TEST_F(ApplicationTest, DerivedStreams) {
  const Application bound =
      Bound(trades_ +
            "CREATE STREAM big AS SELECT id, ts FROM trades WHERE amount > 9;"
            "CREATE STREAM unread (n) AS SELECT id FROM big;"
            "CREATE STREAM written AS SELECT id FROM big WITH (connector = 'file', path = 'w')");
  ASSERT_EQ(bound.queries.size(), 2);
  EXPECT_EQ(bound.queries[0].name, "written");
  EXPECT_EQ(bound.queries[1].name, "unread");
  EXPECT_EQ(bound.queries[1].sink.connector, "");
  EXPECT_EQ(bound.queries[1].plan->schema()->ToString(), "n: int64");
  EXPECT_EQ(bound.queries[1].streams, std::vector<std::string>{"trades"});
}

TEST_F(ApplicationTest, SourcesNamedInTheirQuery) {
  makers_.open_source = [this](const StreamDefinition& stream) {
    opened_.push_back(stream);
    return Empty(stream.name, arrow::schema({arrow::field("a", arrow::int64())}),
                 Boundedness::kUnbounded);
  };
  const Application bound = Bound(
      "CREATE STREAM o AS SELECT a FROM src WITH ('src.type' = 'file_source', 'src.path' = 'in', "
      "'o.type' = 'file_sink', 'o.path' = 'out')");
  ASSERT_EQ(opened_.size(), 1);
  EXPECT_EQ(opened_[0].name, "src");
  EXPECT_EQ(opened_[0].connector, "file");
  EXPECT_EQ(opened_[0].options, (OptionMap{{"path", "in"}}));
  ASSERT_EQ(bound.queries.size(), 1);
  EXPECT_EQ(bound.queries[0].sink.connector, "file");
  EXPECT_EQ(bound.queries[0].sink.options, (OptionMap{{"path", "out"}}));
}

TEST_F(ApplicationTest, Windows) {
  const Application bound = Bound(
      trades_ +
      "SELECT user_id, _window_start, _window_end, count(*) AS n FROM trades GROUP BY user_id "
      "WINDOW "
      "TUMBLING (1m) EMIT FINAL;"
      "SELECT user_id, window_end - window_start AS d, sum(amount) AS s FROM TUMBLE(trades, ts, "
      "1m) "
      "GROUP BY user_id, window_start, window_end;"
      "SELECT _window_end, count(*) AS n FROM trades WINDOW SESSION (ts, 10s, user_id) HAVING "
      "count(*) > 1 EMIT CHANGES;"
      "SELECT t._event_time, _timestamp FROM trades t;"
      "SELECT id, _window_start, _window_end, count(*) AS n FROM trades GROUP BY id "
      "WINDOW CUMULATE (1m, 5m) EMIT CHANGES");
  ASSERT_EQ(bound.queries.size(), 5);
  EXPECT_EQ(bound.queries[0].key, (std::vector<int>{0, 1}));
  EXPECT_EQ(bound.queries[0].emit, EmitMode::kFinal);
  EXPECT_EQ(bound.queries[0].plan->schema()->field_names(),
            (std::vector<std::string>{"user_id", "_window_start", "_window_end", "n"}));
  EXPECT_NE(Explain(*bound.queries[1].plan).find("window_aggregate"), std::string::npos);
  EXPECT_EQ(bound.queries[2].emit, EmitMode::kChanges);
  EXPECT_EQ(bound.queries[3].plan->schema()->num_fields(), 2);
  EXPECT_EQ(bound.queries[4].key, (std::vector<int>{0, 2})) << "the windows of a row share a start";
  EXPECT_ERROR(Bind("SELECT id FROM trades WINDOW TUMBLING (1m)").status(), kInvalidArgument,
               "must be one of the groups");
  EXPECT_ERROR(Bind("SELECT 1 FROM users WINDOW TUMBLING (1m)").status(), kUnknownName, "users");
  EXPECT_ERROR(
      Bind("SELECT count(*) FROM trades WHERE _window_start IS NULL WINDOW TUMBLING (1m)").status(),
      kUnknownName, "_window_start");
}

TEST_F(ApplicationTest, OptionsOfTime) {
  const Application bound = Bound(
      "CREATE STREAM s (a BIGINT, at TIMESTAMP, mark BOOLEAN) WITH (connector = 'file', path = "
      "'x', "
      "event.time.field = at, watermark.max_out_of_orderness = '30s', watermark.idle_timeout = 1m, "
      "late.data.strategy = update, allowed.lateness = '10 minutes', watermark.punctuation = "
      "mark)");
  const StreamDefinition& stream = bound.streams[0];
  EXPECT_EQ(stream.options, (OptionMap{{"path", "x"}}));
  EXPECT_EQ(stream.watermark->delay_micros, 30'000'000);
  EXPECT_EQ(stream.late, LatePolicy::kUpdate);
  EXPECT_EQ(stream.lateness_micros, 600'000'000);
  const StreamDef entry = *session_->FindStream("S");
  EXPECT_EQ(entry.event_time->column, 1);
  EXPECT_EQ(entry.event_time->punctuation, 2);
  EXPECT_EQ(entry.event_time->idle_micros, 60'000'000);
  EXPECT_ERROR(
      Bind("CREATE STREAM z (a BIGINT, WATERMARK FOR b) WITH (connector = 'file')").status(),
      kUnknownName, "the watermark names no column: \"b\"");
  EXPECT_ERROR(
      Bind("CREATE STREAM z (a BIGINT, WATERMARK FOR a) WITH (connector = 'file')").status(),
      kInvalidArgument, "is a TIMESTAMP");
  EXPECT_ERROR(Bind("CREATE STREAM z (a BIGINT) WITH (path = 'x')").status(), kInvalidArgument,
               "needs a connector");
}

TEST_F(ApplicationTest, ErrorsCarryCarets) {
  const Result<Application> bound = Bind(trades_ + "\nSELECT nope FROM trades");
  EXPECT_ERROR(bound.status(), kUnknownName,
               "  line 3: SELECT nope FROM trades\n                 ^");
}

}  // namespace
}  // namespace headrace::sql
