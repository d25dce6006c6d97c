// Proofs of the seams between rooms, each through a whole session: joins under back-pressure, as-of
// joins that wait for the side behind, tables whose rows change, orders at any number of lanes.
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "arrow/api.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/query_run.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

Settings LanesOf(int threads, int64_t batch_rows = 1024) {
  Settings settings;
  settings.threads = threads;
  settings.batch_rows = batch_rows;
  settings.memory_limit = int64_t{1} << 30;
  return settings;
}

Settings Deterministic(uint64_t seed, int threads) {
  Settings settings = LanesOf(threads);
  settings.deterministic = true;
  settings.seed = seed;
  return settings;
}

SchemaPtr Int64Schema(const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  for (const std::string& name : names) fields.push_back(arrow::field(name, arrow::int64()));
  return arrow::schema(fields);
}

ArrayPtr Int64s(int64_t count, const std::function<int64_t(int64_t)>& value) {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < count; ++row) EXPECT_TRUE(builder.Append(value(row)).ok());
  return builder.Finish().ValueOrDie();
}

PlanPtr Table(const SchemaPtr& schema, std::vector<ArrayPtr> columns,
              MemoryTableOptions options = {}) {
  const int64_t rows = columns[0]->length();
  auto batch = arrow::RecordBatch::Make(schema, rows, std::move(columns));
  auto table = MemoryTable::Make(schema, {batch}, std::move(options)).ValueOrDie();
  return PlanScan(table).ValueOrDie();
}

ExpressionPtr ColumnOf(const PlanPtr& plan, int index) {
  const auto& field = plan->schema()->field(index);
  return Expression::Column(index, field->name(), field->type());
}

/// All values of all int64 columns, row by row.
Result<std::vector<std::vector<int64_t>>> AllRows(Cursor cursor) {
  std::vector<std::vector<int64_t>> rows;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) return rows;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::vector<int64_t> cells;
      for (const auto& column : batch->columns()) {
        const auto& values = static_cast<const arrow::Int64Array&>(*column);
        cells.push_back(values.IsNull(row) ? -1 : values.Value(row));
      }
      rows.push_back(std::move(cells));
    }
  }
}

/// One left row that matches `matches` right rows, between rows that match none.
PlanPtr OneRowMatches(int64_t matches) {
  PlanPtr left = Table(Int64Schema({"k", "l"}), {Int64s(3, [](int64_t row) { return row; }),
                                                 Int64s(3, [](int64_t row) { return row; })});
  PlanPtr right =
      Table(Int64Schema({"rk", "r"}), {Int64s(matches, [](int64_t) { return 1; }),
                                       Int64s(matches, [](int64_t row) { return row; })});
  Scope scope;
  for (const char* name : {"k", "l", "rk", "r"}) scope.Add("", name, arrow::int64());
  auto condition = Bind(*Unbound::Call("=", {Unbound::Column({"k"}), Unbound::Column({"rk"})}),
                        scope, Dialect::kSql)
                       .ValueOrDie();
  return PlanJoin(left, right, JoinKind::kLeft, condition).ValueOrDie();
}

class JoinExplosionTest : public ::testing::TestWithParam<Settings> {};

TEST_P(JoinExplosionTest, AMillionMatchesOfOneRowComeInOrderAndInBatches) {
  constexpr int64_t kMatches = 1'000'000;
  auto session = Session::Make(GetParam()).ValueOrDie();
  Cursor cursor = session->Run(OneRowMatches(kMatches)).ValueOrDie();
  int64_t rows = 0;
  int64_t next_match = 0;
  while (true) {
    auto result = cursor.Next();
    ASSERT_TRUE(result.ok()) << result.status();
    const auto& batch = *result;
    if (batch == nullptr) break;
    ASSERT_LE(batch->num_rows(), kBatchRowsMax);
    const auto& left = static_cast<const arrow::Int64Array&>(*batch->column(1));
    const auto& right = static_cast<const arrow::Int64Array&>(*batch->column(3));
    for (int64_t row = 0; row < batch->num_rows(); ++row, ++rows) {
      if (left.Value(row) != 1) {
        ASSERT_TRUE(right.IsNull(row));
      } else {
        ASSERT_EQ(right.Value(row), next_match++);
      }
    }
  }
  EXPECT_EQ(rows, kMatches + 2);
  EXPECT_EQ(next_match, kMatches);
}

INSTANTIATE_TEST_SUITE_P(Worlds, JoinExplosionTest,
                         ::testing::Values(LanesOf(1), LanesOf(2), LanesOf(4), Deterministic(1, 1),
                                           Deterministic(2, 4)));

TEST(JoinExplosionTest, DroppingTheCursorEarlyEndsTheQuery) {
  auto session = Session::Make(LanesOf(1)).ValueOrDie();
  {
    Cursor cursor = session->Run(OneRowMatches(1'000'000)).ValueOrDie();
    ASSERT_TRUE(cursor.Next().ok());
  }
  auto rows = AllRows(session->Run(OneRowMatches(10)).ValueOrDie());
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 12U);
}

TEST(AsofSeamTest, TheSideAheadWaitsInsteadOfBeingBuffered) {
  // All left times are after a million right rows, so the right side must be drained row by row.
  constexpr int64_t kAhead = 1'000'000;
  const Ordering by_time = {SortKey{0}};
  for (const Settings& settings : {LanesOf(1), LanesOf(2), Deterministic(7, 2)}) {
    MemoryTableOptions options;
    options.ordering = by_time;
    PlanPtr left = Table(Int64Schema({"t", "l"}),
                         {Int64s(1000, [](int64_t row) { return kAhead + row; }),
                          Int64s(1000, [](int64_t row) { return row; })},
                         options);
    PlanPtr right = Table(Int64Schema({"t", "r"}),
                          {Int64s(kAhead + 500, [](int64_t row) { return row; }),
                           Int64s(kAhead + 500, [](int64_t row) { return 10 * row; })},
                          options);
    for (bool swapped : {false, true}) {
      SCOPED_TRACE(fmt::format("{} lanes, deterministic {}, swapped {}", settings.threads,
                               settings.deterministic, swapped));
      PlanPtr plan =
          PlanAsofJoin(swapped ? right : left, swapped ? left : right, 0, 0, {}).ValueOrDie();
      Settings small = settings;
      small.memory_limit = 4 << 20;
      auto session = Session::Make(small).ValueOrDie();
      Cursor cursor = session->Run(plan).ValueOrDie();
      int64_t rows = 0;
      while (true) {
        auto batch = cursor.Next();
        ASSERT_TRUE(batch.ok()) << batch.status();
        if (*batch == nullptr) break;
        const auto& t = static_cast<const arrow::Int64Array&>(*(*batch)->column(0));
        const auto& r = static_cast<const arrow::Int64Array&>(*(*batch)->column(3));
        for (int64_t row = 0; row < (*batch)->num_rows(); ++row, ++rows) {
          if (swapped) {
            const int64_t expected = t.Value(row) - kAhead;
            ASSERT_EQ(r.IsNull(row) ? -1 : r.Value(row), expected < 0 ? -1 : expected);
          } else {
            ASSERT_EQ(r.Value(row), 10 * std::min(t.Value(row), kAhead + 499));
          }
        }
      }
      EXPECT_EQ(rows, swapped ? kAhead + 500 : 1000) << cursor.Profile();
      // A million rows of 16 bytes are 16 MB; under 4 MiB a batch and a queue hold 256 KiB.
      EXPECT_LT(cursor.metrics().peak_memory_bytes, 3 << 20);
    }
  }
}

std::shared_ptr<arrow::RecordBatch> Tiers(
    const SchemaPtr& schema, const std::vector<std::pair<int64_t, const char*>>& rows) {
  arrow::Int64Builder ids;
  arrow::StringBuilder tiers;
  for (const auto& [id, tier] : rows) {
    EXPECT_TRUE(ids.Append(id).ok() && tiers.Append(tier).ok());
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()),
                                  {ids.Finish().ValueOrDie(), tiers.Finish().ValueOrDie()});
}

PlanPtr CountByTier(SourcePtr source) {
  PlanPtr scan = PlanScan(std::move(source)).ValueOrDie();
  auto call =
      Bind(*Unbound::Call("count", {Unbound::Star()}), Scope(*scan->schema()), Dialect::kSql)
          .ValueOrDie();
  AggregateOptions options;
  options.emit = EmitPolicy::kChanges;
  return PlanAggregate(scan, {{ColumnOf(scan, 1), "tier"}}, {{call, "n"}}, nullptr, options)
      .ValueOrDie();
}

TEST(ChangesSeamTest, AnUpdateMovesARowFromItsOldGroupToItsNewOne) {
  auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("tier", arrow::utf8())});
  for (int threads : {1, 2, 4}) {
    auto table = KeyedTable::Make("users", schema, {0}).ValueOrDie();
    ASSERT_TRUE(table->Upsert(*Tiers(schema, {{1, "gold"}, {2, "gold"}, {3, "silver"}})).ok());
    auto session = Session::Make(LanesOf(threads)).ValueOrDie();
    Cursor cursor = session->Run(CountByTier(table->Stream())).ValueOrDie();
    ASSERT_TRUE(table->Upsert(*Tiers(schema, {{2, "silver"}, {4, "bronze"}})).ok());
    auto gone = Tiers(schema, {{4, ""}})->SelectColumns({0}).ValueOrDie();
    ASSERT_TRUE(table->Delete(*gone).ok());
    table->CloseChanges();
    std::map<std::string, int64_t> counts;
    while (true) {
      auto result = cursor.Next();
      ASSERT_TRUE(result.ok()) << result.status();
      if (*result == nullptr) break;
      const auto& tier = static_cast<const arrow::StringArray&>(*(*result)->column(0));
      const auto& n = static_cast<const arrow::Int64Array&>(*(*result)->column(1));
      const auto& change = static_cast<const arrow::Int8Array&>(*(*result)->column(2));
      for (int64_t row = 0; row < tier.length(); ++row) {
        const std::string group = tier.GetString(row);
        if (change.Value(row) > 0) {
          ASSERT_TRUE(counts.emplace(group, n.Value(row)).second) << group << " was not taken back";
        } else {
          ASSERT_EQ(counts[group], n.Value(row)) << "the row taken back is not the one there is";
          counts.erase(group);
        }
      }
    }
    // gold lost row 2, silver won it, bronze has vanished.
    EXPECT_EQ(counts, (std::map<std::string, int64_t>{{"gold", 1}, {"silver", 2}}));
  }
}

TEST(OrderSeamTest, RowsComeInTheSameOrderAtAnyNumberOfLanes) {
  constexpr int64_t kRows = 20'000;
  std::vector<std::vector<int64_t>> expected;
  for (int64_t row = 0; row < kRows; ++row) {
    if (row % 3 != 0) expected.push_back({row, row % 7});
  }
  std::vector<Settings> worlds;
  for (int threads : {1, 2, 4}) {
    for (int64_t batch_rows : {int64_t{1}, int64_t{1024}}) {
      worlds.push_back(LanesOf(threads, batch_rows));
    }
  }
  for (uint64_t seed = 0; seed < 5; ++seed) worlds.push_back(Deterministic(seed, 3));
  for (const Settings& settings : worlds) {
    MemoryTableOptions options;
    options.rows_per_split = 777;
    PlanPtr scan = Table(Int64Schema({"a", "b"}),
                         {Int64s(kRows, [](int64_t row) { return row; }),
                          Int64s(kRows, [](int64_t row) { return row % 7; })},
                         options);
    auto predicate =
        Bind(*Unbound::Call("<>",
                            {Unbound::Call("%", {Unbound::Column({"a"}),
                                                 Unbound::Literal(arrow::MakeScalar(int64_t{3}))}),
                             Unbound::Literal(arrow::MakeScalar(int64_t{0}))}),
             Scope(*scan->schema()), Dialect::kSql)
            .ValueOrDie();
    auto session = Session::Make(settings).ValueOrDie();
    auto rows = AllRows(session->Run(PlanFilter(scan, predicate).ValueOrDie()).ValueOrDie());
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(*rows, expected) << settings.threads << " lanes, " << settings.batch_rows;
  }
}

// A cancelled query takes its files, reservations and buffers with it while lanes still let go of
// their tasks; cut off at any moment, before, within and after spilling.
TEST(CancelSeamTest, SpillingQueriesCutOffAnywhereLeaveNothing) {
  constexpr int64_t kRows = 400'000;
  Settings settings = LanesOf(2);
  settings.memory_limit = int64_t{4} << 20;
  settings.temp_dir = fmt::format("{}headrace_cancel_seam.{}", ::testing::TempDir(), getpid());
  std::filesystem::create_directories(settings.temp_dir);
  MemoryTableOptions options;
  options.rows_per_split = 20'000;
  const PlanPtr scan = Table(Int64Schema({"a", "b"}),
                             {Int64s(kRows, [](int64_t row) { return (row * 7919) % kRows; }),
                              Int64s(kRows, [](int64_t row) { return row; })},
                             options);
  const ExpressionPtr key = ColumnOf(scan, 0);
  const PlanPtr sort = PlanSort(scan, {{key}}).ValueOrDie();
  const PlanPtr groups = PlanAggregate(scan, {{key, "a"}}, {{key, "a"}}).ValueOrDie();
  auto session = Session::Make(settings).ValueOrDie();
  const int64_t start = SystemClock().MonotonicMicros();
  EXPECT_EQ(AllRows(session->Run(sort).ValueOrDie()).ValueOrDie().size(), size_t{kRows});
  const int64_t whole_micros = SystemClock().MonotonicMicros() - start;
  Rng rng(1);
  int64_t spilled = 0;
  for (int round = 0; round < 40; ++round) {
    Cursor cursor = session->Run(round % 2 == 0 ? sort : groups).ValueOrDie();
    const auto delay = std::chrono::microseconds(rng.Below(static_cast<uint64_t>(whole_micros)));
    std::thread canceller([&] {
      std::this_thread::sleep_for(delay);
      cursor.Cancel();
    });
    while (true) {
      auto batch = cursor.Next();
      if (batch.ok() && *batch != nullptr) continue;
      EXPECT_TRUE(batch.ok() || KindOf(batch.status()) == ErrorKind::kCancelled) << batch.status();
      break;
    }
    canceller.join();
    spilled += cursor.metrics().spilled_bytes;
  }
  EXPECT_GT(spilled, 0);
  EXPECT_TRUE(std::filesystem::is_empty(settings.temp_dir));
  EXPECT_EQ(session->pool()->bytes_allocated(), 0);
  EXPECT_EQ(AllRows(session->Run(sort).ValueOrDie()).ValueOrDie().size(), size_t{kRows});
  std::filesystem::remove_all(settings.temp_dir);
}

TEST(LimitSeamTest, LimitEndsTheQueryAndTheSessionLives) {
  for (const Settings& settings : {LanesOf(1), LanesOf(4), Deterministic(3, 4)}) {
    auto session = Session::Make(settings).ValueOrDie();
    MemoryTableOptions options;
    options.rows_per_split = 1000;
    PlanPtr scan =
        Table(Int64Schema({"a"}), {Int64s(100'000, [](int64_t row) { return row; })}, options);
    for (int64_t count : {0, 1, 10, 1500}) {
      auto rows = AllRows(session->Run(PlanLimit(scan, count, 5).ValueOrDie()).ValueOrDie());
      ASSERT_TRUE(rows.ok()) << rows.status();
      ASSERT_EQ(static_cast<int64_t>(rows->size()), count);
      for (int64_t row = 0; row < count; ++row)
        EXPECT_EQ((*rows)[static_cast<size_t>(row)][0], row + 5);
    }
  }
}

// A query is asked for memory because another one wants it, and cannot write what it lets go of: it
// says so, whatever it has left.
TEST(SpillFaultTest, AQueryThatLosesRowsToAnotherFails) {
  constexpr int64_t kRows = 20'000;
  MemoryTableOptions options;
  options.rows_per_split = 1'000;
  const PlanPtr table =
      Table(Int64Schema({"k"}), {Int64s(kRows, [&](int64_t row) { return row * 7919 % kRows; })},
            options);
  const ExpressionPtr key = ColumnOf(table, 0);
  const PlanPtr sort = PlanSort(table, {{key}}).ValueOrDie();
  const PlanPtr groups = PlanAggregate(table, {{key, "k"}}, {{key, "k"}}).ValueOrDie();
  int64_t failed = 0;
  for (const PlanPtr& plan : {sort, groups}) {
    for (int steps = 0; steps < 200; steps += 7) {
      SCOPED_TRACE(steps);
      auto session = Session::Make(Deterministic(1, 2)).ValueOrDie();
      const auto run = QueryRun::Make(session, plan).ValueOrDie();
      ASSERT_TRUE(run->Start().ok());
      for (int step = 0; step < steps; ++step) run->Step();
      fault::Arm("state_file.write", 1);
      const Status reclaimed = run->query().ReclaimAll(kRows * 100).status();
      fault::Disarm();
      int64_t rows = 0;
      Status status;
      while (true) {
        const auto batch = run->NextBatch();
        status = batch.status();
        if (!batch.ok() || *batch == nullptr) break;
        rows += (*batch)->num_rows();
      }
      failed += reclaimed.ok() ? 0 : 1;
      EXPECT_EQ(status.ToString(), reclaimed.ToString());
      if (status.ok()) {
        EXPECT_EQ(rows, kRows);
      }
    }
  }
  EXPECT_GT(failed, 10);
}

}  // namespace
}  // namespace headrace
