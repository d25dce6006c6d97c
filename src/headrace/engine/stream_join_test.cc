// Joins of two streams through a whole session: what bounds them, and that any number of lanes
// gives what nested loops give.
#include <gtest/gtest.h>

#include <algorithm>

#include "arrow/api.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

using IntRows = std::vector<std::vector<int64_t>>;  // −1: null

constexpr int64_t kDelay = 20;

/// Columns <prefix>k, <prefix>ts, <prefix>v; times are at most kDelay out of order.
IntRows RandomStreamRows(Rng& rng, int64_t count) {
  IntRows rows;
  for (int64_t row = 0; row < count; ++row) {
    rows.push_back({static_cast<int64_t>(rng.Below(6)),
                    kDelay + row * 2 - static_cast<int64_t>(rng.Below(kDelay)), row});
  }
  return rows;
}

SchemaPtr SchemaOf(const std::string& prefix) {
  return arrow::schema({arrow::field(prefix + "k", arrow::int64()),
                        arrow::field(prefix + "ts", arrow::timestamp(arrow::TimeUnit::MICRO)),
                        arrow::field(prefix + "v", arrow::int64())});
}

PlanPtr StreamOf(const std::string& prefix, const IntRows& rows, int64_t rows_per_split,
                 bool has_time = true) {
  std::vector<ArrayPtr> columns;
  for (size_t column = 0; column < 3; ++column) {
    arrow::Int64Builder builder;
    for (const auto& row : rows) EXPECT_OK(builder.Append(row[column]));
    columns.push_back(builder.Finish().ValueOrDie());
  }
  columns[1] = columns[1]->View(arrow::timestamp(arrow::TimeUnit::MICRO)).ValueOrDie();
  MemoryTableOptions options;
  options.boundedness = Boundedness::kUnbounded;
  options.rows_per_split = rows_per_split;
  const auto batch = arrow::RecordBatch::Make(SchemaOf(prefix), columns[0]->length(), columns);
  auto table = MemoryTable::Make(SchemaOf(prefix), {batch}, options).ValueOrDie();
  if (!has_time) return PlanScan(table).ValueOrDie();
  return PlanScan(table, EventTime{1, kDelay}).ValueOrDie();
}

UnboundPtr Col(const std::string& name) { return Unbound::Column({name}); }
UnboundPtr Call(const std::string& name, std::vector<UnboundPtr> args) {
  return Unbound::Call(name, std::move(args));
}
UnboundPtr Micros(int64_t micros) {
  return Unbound::Literal(std::make_shared<arrow::DurationScalar>(micros, arrow::TimeUnit::MICRO));
}

ExpressionPtr BoundCondition(const UnboundPtr& condition) {
  Scope scope;
  for (const char* prefix : {"l", "r"}) {
    const SchemaPtr schema = SchemaOf(prefix);
    for (const auto& field : schema->fields()) scope.Add("", field->name(), field->type());
  }
  return Bind(*condition, scope, Dialect::kSql).ValueOrDie();
}

UnboundPtr SameKey() { return Call("=", {Col("lk"), Col("rk")}); }
/// rts BETWEEN lts + lower AND lts + upper.
UnboundPtr Within(int64_t lower, int64_t upper) {
  return Call("and", {Call(">=", {Col("rts"), Call("+", {Col("lts"), Micros(lower)})}),
                      Call("<=", {Col("rts"), Call("+", {Col("lts"), Micros(upper)})})});
}

Result<IntRows> JoinedRowsOf(const PlanPtr& plan, const Settings& settings) {
  ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session->Run(plan));
  IntRows rows;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, cursor.Next());
    if (batch == nullptr) return rows;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      rows.emplace_back();
      for (int column : {2, 5}) {
        const auto& values = static_cast<const arrow::Int64Array&>(*batch->column(column));
        rows.back().push_back(values.IsNull(row) ? -1 : values.Value(row));
      }
    }
  }
}

IntRows Expected(const IntRows& left, const IntRows& right, JoinKind kind, int64_t lower,
                 int64_t upper) {
  IntRows pairs;
  std::vector<bool> matched(right.size(), false);
  for (const auto& l : left) {
    bool any = false;
    for (size_t i = 0; i < right.size(); ++i) {
      const int64_t difference = right[i][1] - l[1];
      if (l[0] != right[i][0] || difference < lower || difference > upper) continue;
      pairs.push_back({l[2], right[i][2]});
      matched[i] = any = true;
    }
    if (!any && (kind == JoinKind::kLeft || kind == JoinKind::kFull)) pairs.push_back({l[2], -1});
  }
  for (size_t i = 0; i < right.size(); ++i) {
    const bool keeps = kind == JoinKind::kRight || kind == JoinKind::kFull;
    if (keeps && !matched[i]) pairs.push_back({-1, right[i][2]});
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

TEST(StreamJoinTest, AgreesWithNestedLoopsOnAnyLanes) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Rng rng(seed);
    const IntRows left = RandomStreamRows(rng, static_cast<int64_t>(rng.Below(400)));
    const IntRows right = RandomStreamRows(rng, static_cast<int64_t>(rng.Below(400)));
    const auto kind = static_cast<JoinKind>(rng.Below(4));
    const int64_t lower = static_cast<int64_t>(rng.Below(40)) - 20;
    const int64_t upper = lower + static_cast<int64_t>(rng.Below(20));
    Settings settings;
    settings.threads = 1 + static_cast<int>(rng.Below(4));
    settings.batch_rows = std::vector<int64_t>{1, 7, 1000}[rng.Below(3)];
    settings.deterministic = rng.Below(2) == 0;
    settings.seed = seed;
    settings.memory_limit = int64_t{1} << 30;
    // Rows of a split come in order: one split keeps them at most kDelay out of order.
    const PlanPtr plan = PlanJoin(StreamOf("l", left, 0), StreamOf("r", right, 0), kind,
                                  BoundCondition(Call("and", {SameKey(), Within(lower, upper)})))
                             .ValueOrDie();
    SCOPED_TRACE(fmt::format("seed {} threads {}", seed, settings.threads));
    ASSERT_OK_AND_ASSIGN(const PlanPtr optimized, Optimize(plan));
    ASSERT_OK_AND_ASSIGN(IntRows rows, JoinedRowsOf(optimized, settings));
    std::sort(rows.begin(), rows.end());
    ASSERT_EQ(rows, Expected(left, right, kind, lower, upper)) << Explain(*optimized);
  }
}

Result<PlanPtr> Joined(const UnboundPtr& condition, JoinOptions options = {},
                       JoinKind kind = JoinKind::kInner) {
  return PlanJoin(StreamOf("l", {}, 0), StreamOf("r", {}, 0), kind, BoundCondition(condition),
                  options);
}

TEST(StreamJoinTest, BoundsAreReadOffTheCondition) {
  const auto explained = [](const UnboundPtr& condition, JoinOptions options = {}) {
    const std::string text = Explain(*Joined(condition, options).ValueOrDie());
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(explained(Call("and", {SameKey(), Within(-3, 4)})),
            "interval_join inner on lk = rk, rts - lts from -3 us to 4 us");
  // The other way round, strict, and with a rest.
  const auto later = Call("<", {Col("lts"), Col("rts")});
  const auto soon = Call(">", {Call("+", {Micros(10), Col("lts")}), Col("rts")});
  const auto rest = Call("<", {Col("lv"), Col("rv")});
  EXPECT_EQ(explained(Call("and", {SameKey(), later, soon, rest})),
            "interval_join inner on lk = rk, rts - lts from 1 us to 9 us and (lv < rv)");
  EXPECT_EQ(explained(Call("and", {SameKey(), Call("=", {Col("lts"), Col("rts")})})),
            "interval_join inner on lk = rk, lts = rts, rts - lts from 0 us to 0 us");
  JoinOptions options;
  options.grace_micros = 5;
  EXPECT_EQ(explained(Call("and", {SameKey(), Within(0, 60)}), options),
            "interval_join inner on lk = rk, rts - lts from 0 us to 60 us grace 5 us");
  JoinOptions unbounded;
  unbounded.allow_unbounded_state = true;
  EXPECT_EQ(explained(Call("and", {SameKey(), later}), unbounded),
            "interval_join inner on lk = rk, rts - lts from 1 us unbounded state");
  EXPECT_EQ(explained(SameKey(), unbounded),
            "interval_join inner on lk = rk, rts - lts unbounded state");
}

TEST(StreamJoinTest, SaysHowToBoundIt) {
  EXPECT_ERROR(Joined(SameKey()), kUnsupported, "WITHIN INTERVAL '10' MINUTE");
  EXPECT_ERROR(Joined(Call("and", {SameKey(), Call("<", {Col("lts"), Col("rts")})})), kUnsupported,
               "ALLOW UNBOUNDED STATE");
  EXPECT_ERROR(Joined(Within(0, 1)), kUnsupported, "a.id = b.id");
  EXPECT_ERROR(Joined(Call("and", {SameKey(), Within(0, 1)}), {}, JoinKind::kSemi), kUnsupported,
               "inner, left, right or full");
  EXPECT_ERROR(PlanJoin(StreamOf("l", {}, 0), StreamOf("r", {}, 0, /*has_time=*/false),
                        JoinKind::kInner, BoundCondition(Call("and", {SameKey(), Within(0, 1)}))),
               kUnsupported, "the right one has none");
}

}  // namespace
}  // namespace headrace
