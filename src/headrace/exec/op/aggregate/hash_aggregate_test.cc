// Hash aggregate against maps: any lanes, keys, encodings, budgets and moments of reclaim.
#include "headrace/exec/op/aggregate/hash_aggregate.h"

#include <gtest/gtest.h>

#include <numeric>

#include "headrace/base/fault.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate/aggregate_reference.h"
#include "headrace/exec/op/test_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

struct Specs {
  Specs(const TestTable& table, std::vector<int> keys)
      : Specs(table, std::move(keys), GroupOrder::kUnspecified, AllCalls(*table.schema)) {}
  Specs(const TestTable& table, std::vector<int> keys, GroupOrder order,
        std::vector<FunctionCall> calls)
      : build(table.schema, keys, calls, order), output(table.schema, keys, calls, order) {}
  HashAggregateBuildSpec build;
  HashAggregateOutputSpec output;
};

Result<Cells> Aggregated(World& world, const TestTable& table, const Specs& specs,
                         int64_t batch_rows_max) {
  const auto batches = SplitRows(table, world.rng, batch_rows_max);
  ARROW_ASSIGN_OR_RAISE(auto groups, RunBreaker(world, specs.build, specs.output, batches));
  return CellsOf(groups);
}

Cells SortedRows(Cells cells) {
  std::sort(cells.begin(), cells.end());
  return cells;
}

const std::vector<std::vector<int>> kKeyChoices = {{0}, {1}, {0, 1}, {1, 0}, {}};

TEST(HashAggregateTest, AgreesWithMaps) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4),
                 .batch_rows = seed % 3 == 0 ? 3 : 1000,
                 .seed = seed,
                 .reclaims_permille = seed % 2 == 0 ? 0U : 40U});
    const auto rows = static_cast<int64_t>(world.rng.Below(2000));
    const TestTable table = RandomKeyedTable(rows, 1 + world.rng.Below(100), world.rng);
    const std::vector<int>& keys = kKeyChoices[seed % kKeyChoices.size()];
    ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, keys}, 1 + seed * 5));
    ASSERT_EQ(SortedRows(groups), Reference(table, keys));
  }
}

TEST(HashAggregateTest, TheOrderOfGroupsDoesNotDependOnLanes) {
  Rng rng(4);
  const TestTable table = RandomKeyedTable(3000, 500, rng);
  Cells expected;
  for (const int lanes : {1, 2, 4}) {
    for (const uint64_t reclaims : {0U, 30U}) {
      World world({.lanes = lanes, .seed = 9, .reclaims_permille = reclaims});
      ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, {0, 1}}, 100));
      if (expected.empty()) expected = groups;
      ASSERT_EQ(groups, expected);
    }
  }
}

TEST(HashAggregateTest, SpillsGroupsThatAreLargerThanTheBudget) {
  Rng rng(5);
  const TestTable table = RandomKeyedTable(150'000, 40'000, rng);
  for (const std::vector<int>& keys : std::vector<std::vector<int>>{{0}, {1, 0}}) {
    const Cells expected = Reference(table, keys);
    for (const int lanes : {1, 4}) {
      SCOPED_TRACE(lanes);
      World world({.lanes = lanes, .budget_bytes = 4 << 20, .seed = 31});
      ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, keys}, 4000));
      ASSERT_EQ(SortedRows(groups), expected);
      EXPECT_GT(world.metrics.spilled_bytes.load(), 1'000'000);
      EXPECT_LE(world.budget->peak_bytes(), 4 << 20);
    }
  }
}

// Keys of one key group, three rows each.
TestTable TableOfOneKeyGroup(Rng& rng) {
  TestTable table = RandomKeyedTable(30'000, 1000, rng);
  int64_t key = 0;
  const auto next_of_group_5 = [&](int64_t row) -> std::optional<int64_t> {
    if (row % 3 == 0) ++key;
    while (KeyGroupOf(HashInteger(static_cast<uint64_t>(key))) != 5) ++key;
    return key;
  };
  std::vector<ArrayPtr> columns = table.batch.columns();
  columns[0] = Int64s(table.count(), next_of_group_5);
  table.batch = table.batch.WithColumns(columns);
  return table;
}

// Lanes have many groups of the key group each, and some in common.
TEST(HashAggregateTest, JoinsLargeStoresOfLanes) {
  Rng rng(6);
  const TestTable table = TableOfOneKeyGroup(rng);
  const Cells expected = Reference(table, {0});
  for (const uint64_t reclaims : {0U, 2U, 20U}) {
    World world({.lanes = 3, .seed = 5, .reclaims_permille = reclaims});
    ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, {0}}, 100));
    ASSERT_EQ(SortedRows(groups), expected);
  }
}

// A key group that is larger than the budget is read in passes over parts of its hashes.
TEST(HashAggregateTest, ReadsAKeyGroupInPasses) {
  Rng rng(6);
  const TestTable table = TableOfOneKeyGroup(rng);
  for (const int lanes : {1, 3}) {
    World world({.lanes = lanes, .budget_bytes = 400 << 10, .seed = 32});
    ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, {0}}, 500));
    ASSERT_EQ(SortedRows(groups), Reference(table, {0}));
  }
}

// Nearly every row has a key of its own: rows are kept, and grouped at the end. Among them are null
// and the integer that has its hash; behind them, for a while, are rows of one key.
TestTable TableOfNewKeys(int64_t rows, int64_t rows_of_one_key, Rng& rng) {
  constexpr int64_t kTwinOfNull = 3185013502887027336;
  TestTable table = RandomKeyedTable(rows, 1000, rng);
  const auto key_of = [&](int64_t row) -> std::optional<int64_t> {
    if (row >= rows - rows_of_one_key) return 7;
    if (row % 997 == 5) return std::nullopt;
    return row % 1009 == 6 ? kTwinOfNull : row * 3;
  };
  std::vector<ArrayPtr> columns = table.batch.columns();
  columns[0] = Int64s(rows, key_of);
  table.batch = table.batch.WithColumns(columns);
  return table;
}

TEST(HashAggregateTest, KeepsRowsOfNewKeys) {
  Rng rng(7);
  for (const int64_t rows_of_one_key : {0, 60'000}) {
    const TestTable table = TableOfNewKeys(80'000, rows_of_one_key, rng);
    for (const std::vector<int>& keys : std::vector<std::vector<int>>{{0}, {0, 1}}) {
      const Cells expected = Reference(table, keys);
      Cells in_order;
      for (const int64_t budget_bytes : {int64_t{1} << 30, int64_t{2} << 20, int64_t{512} << 10}) {
        SCOPED_TRACE(budget_bytes);
        World world({.lanes = budget_bytes > 1 << 20 ? 1 : 3,
                     .batch_rows = 5000,
                     .budget_bytes = budget_bytes,
                     .seed = 33});
        ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(world, table, {table, keys}, 2000));
        if (in_order.empty()) in_order = groups;
        EXPECT_EQ(groups, in_order);
        ASSERT_EQ(SortedRows(groups), expected);
        EXPECT_LE(world.budget->peak_bytes(), budget_bytes);
      }
    }
  }
}

TEST(HashAggregateTest, SaysWhatABudgetIsTooSmallFor) {
  Rng rng(6);
  const TestTable table = RandomKeyedTable(1000, 1000, rng);
  World world({.budget_bytes = 2000});
  EXPECT_ERROR(Aggregated(world, table, {table, {0}}, 500), kMemoryLimit, "hash_aggregate wants");
}

TEST(HashAggregateTest, WithoutRowsOnlyTheTotalHasAGroup) {
  Rng rng(1);
  const TestTable table = RandomKeyedTable(0, 1, rng);
  World world({.lanes = 3});
  ASSERT_OK_AND_ASSIGN(Cells total, Aggregated(world, table, {table, {}}, 10));
  EXPECT_EQ(total, (Cells{{"0", "0", "NULL", "NULL", "NULL", "NULL"}}));
  World other({.lanes = 3});
  ASSERT_OK_AND_ASSIGN(Cells groups, Aggregated(other, table, {table, {0}}, 10));
  EXPECT_TRUE(groups.empty());
}

TEST(HashAggregateTest, TellsWhereGroupsAppearFirst) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world({.lanes = 1 + static_cast<int>(seed % 4), .seed = seed, .reclaims_permille = 30});
    const TestTable table = RandomKeyedTable(1000, seed % 2 == 0 ? 50 : 5000, world.rng);
    std::vector<FunctionCall> calls;
    if (seed % 3 > 0) calls = AllCalls(*table.schema);
    const Specs specs(table, {0}, GroupOrder::kFirstAppearance, calls);
    auto batches = SplitRows(table, world.rng, 60);
    // Positions follow from ordinals: the first row of each key in the order of batches.
    std::vector<std::string> expected;
    for (const Batch& batch : batches) {
      for (const auto& row : CellsOf(batch)) {
        const bool is_new = std::find(expected.begin(), expected.end(), row[0]) == expected.end();
        if (is_new) expected.push_back(row[0]);
      }
    }
    ASSERT_OK_AND_ASSIGN(auto output, RunBreaker(world, specs.build, specs.output, batches));
    Cells groups = CellsOf(output);
    std::sort(groups.begin(), groups.end(), [](const auto& left, const auto& right) {
      const size_t split = left.size() - 2;
      const auto place = [&](const auto& row) {
        return std::pair(std::stoll(row[split]), std::stoll(row[split + 1]));
      };
      return place(left) < place(right);
    });
    std::vector<std::string> order;
    for (const auto& group : groups) order.push_back(group[0]);
    ASSERT_EQ(order, expected);
  }
}

TEST(HashAggregateTest, FailuresOfTheDiskAreErrors) {
  Rng rng(8);
  const TestTable table = RandomKeyedTable(6000, 2000, rng);
  const auto run = [&]() -> Status {
    World world({.lanes = 2, .budget_bytes = 256 << 10, .seed = 21});
    return Aggregated(world, table, {table, {1}}, 300).status();
  };
  fault::Count("state_file");
  ASSERT_OK(run());
  const int64_t passages = fault::Disarm();
  ASSERT_GT(passages, 20);
  for (int64_t k = 1; k <= passages; k += 1 + passages / 25) {
    fault::Arm("state_file", k);
    const Status status = run();
    fault::Disarm();
    EXPECT_TRUE(IsError(status, ErrorKind::kIo, "fault point")) << k;
  }
}

TEST(HashAggregateTest, RefusesWhatItCannotDo) {
  const auto schema = arrow::schema(
      {arrow::field("tags", arrow::list(arrow::int64())), arrow::field("v", arrow::int64())});
  std::vector<FunctionCall> calls = {MakeCall(*schema, "count", {"v"}, "n")};
  EXPECT_OK(HashAggregateBuildSpec(schema, {1}, calls, GroupOrder::kUnspecified).Check());
  EXPECT_ERROR(HashAggregateBuildSpec(schema, {0}, calls, GroupOrder::kUnspecified).Check(),
               kUnsupported, "column tags cannot be a key");
  calls[0].distinct = true;
  EXPECT_ERROR(HashAggregateBuildSpec(schema, {1}, calls, GroupOrder::kUnspecified).Check(),
               kUnsupported, "count(DISTINCT");
}

TEST(HashAggregateTest, DescribesItsKeysAndCalls) {
  Rng rng(1);
  const TestTable table = RandomKeyedTable(0, 1, rng);
  EXPECT_EQ(Specs(table, {0, 1}).build.Describe(),
            "keys=[k, s], calls=[count(), count(v), sum_checked(v), mean(v), min(t), max(v)]");
}

}  // namespace
}  // namespace headrace
