// Sort against std::stable_sort: any lanes, batches, encodings, budgets and moments of reclaim.
#include "headrace/exec/op/sort/sort.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "arrow/array/builder_nested.h"
#include "headrace/base/fault.h"
#include "headrace/exec/op/test_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

TestTable RandomTable(int64_t count, Rng& rng) {
  const auto fields = arrow::FieldVector{
      arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()),
      arrow::field("row", arrow::int64()), arrow::field("tags", arrow::list(arrow::int64()))};
  arrow::ListBuilder tags(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  for (int64_t row = 0; row < count; ++row) {
    EXPECT_OK(tags.Append());
    for (uint64_t i = rng.Below(3); i > 0; --i) {
      EXPECT_OK(static_cast<arrow::Int64Builder*>(tags.value_builder())->Append(row));
    }
  }
  const auto sometimes = [&](int64_t value) -> std::optional<int64_t> {
    return rng.Below(10) == 0 ? std::nullopt : std::optional<int64_t>(value);
  };
  std::vector<ArrayPtr> columns = {
      Int64s(count, [&](int64_t) { return sometimes(static_cast<int64_t>(rng.Below(20)) - 10); }),
      Texts(count,
            [&](int64_t) -> std::optional<std::string> {
              if (rng.Below(10) == 0) return std::nullopt;
              return std::string(rng.Below(12), static_cast<char>('a' + rng.Below(3)));
            }),
      Int64s(count, [](int64_t row) { return row; }), tags.Finish().ValueOrDie()};
  return {arrow::schema(fields), Batch(std::move(columns), count)};
}

// A table whose keys are told apart by what stands far behind in them.
TestTable LongTexts(int64_t count, Rng& rng) {
  const std::string start(100, 'x');
  std::vector<ArrayPtr> columns = {Texts(count,
                                         [&](int64_t) -> std::optional<std::string> {
                                           return (rng.Below(4) == 0 ? "" : start) +
                                                  std::to_string(rng.Below(5000));
                                         }),
                                   Int64s(count, [](int64_t row) { return row; })};
  const auto schema =
      arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::int64())});
  return {schema, Batch(std::move(columns), count)};
}

// Rows that rise, with ties, and with nulls at the end; now and then some far out of order.
TestTable RisingTable(int64_t count, int64_t disorder, Rng& rng) {
  int64_t value = 0;
  std::vector<ArrayPtr> columns = {
      Int64s(count,
             [&](int64_t row) -> std::optional<int64_t> {
               if (row > count - count / 20) return std::nullopt;
               if (disorder > 0 && row % disorder == 0) return -row;
               return value += static_cast<int64_t>(rng.Below(3));
             }),
      Texts(count, [](int64_t row) { return std::to_string(row / 3 + 1'000'000); }),
      Int64s(count, [](int64_t row) { return row; })};
  const auto schema =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()),
                     arrow::field("row", arrow::int64())});
  return {schema, Batch(std::move(columns), count)};
}

// −1, 0, 1: the order of two cells of column `key.column`.
int Compare(const TestTable& table, const SortKey& key, int64_t a, int64_t b) {
  const arrow::Array& cells = *table.batch.column(key.column);
  if (cells.IsNull(a) || cells.IsNull(b)) {
    if (cells.IsNull(a) == cells.IsNull(b)) return 0;
    return cells.IsNull(a) == (key.nulls == NullPlacement::kFirst) ? -1 : 1;
  }
  int order;
  if (cells.type_id() == arrow::Type::STRING) {
    const auto& texts = static_cast<const arrow::StringArray&>(cells);
    order = texts.GetView(a).compare(texts.GetView(b));
  } else {
    const auto& numbers = static_cast<const arrow::Int64Array&>(cells);
    order = numbers.Value(a) < numbers.Value(b) ? -1 : numbers.Value(a) > numbers.Value(b);
  }
  order = order < 0 ? -1 : order > 0;
  return key.descending ? -order : order;
}

Cells SortReference(const TestTable& table, const Ordering& keys) {
  std::vector<int64_t> rows(static_cast<size_t>(table.count()));
  for (size_t row = 0; row < rows.size(); ++row) rows[row] = static_cast<int64_t>(row);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    for (const SortKey& key : keys) {
      if (const int order = Compare(table, key, a, b)) return order < 0;
    }
    return false;
  });
  const Cells cells = CellsOf(table.batch);
  Cells sorted;
  for (int64_t row : rows) sorted.push_back(cells[static_cast<size_t>(row)]);
  return sorted;
}

Ordering RandomKeys(Rng& rng) {
  Ordering keys;
  for (int column : {0, 1}) {
    if (rng.Below(4) == 0) continue;
    keys.push_back({column, rng.Below(2) == 0,
                    rng.Below(2) == 0 ? NullPlacement::kFirst : NullPlacement::kLast});
  }
  if (rng.Below(2) == 0) std::reverse(keys.begin(), keys.end());
  return keys;
}

Result<Cells> Sorted(World& world, const TestTable& table, const Ordering& keys,
                     int64_t batch_rows_max, std::optional<int64_t> rows_wanted = std::nullopt) {
  const SortBuildSpec build(table.schema, keys, rows_wanted);
  const SortOutputSpec output(table.schema, keys);
  const auto batches = SplitRows(table, world.rng, batch_rows_max);
  ARROW_ASSIGN_OR_RAISE(auto sorted, RunBreaker(world, build, output, batches));
  return CellsOf(sorted);
}

TEST(SortTest, AgreesWithAStableSort) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4),
                 .batch_rows = seed % 3 == 0 ? 7 : 1000,
                 .seed = seed,
                 .reclaims_permille = seed % 2 == 0 ? 0U : 100U});
    const TestTable table = RandomTable(static_cast<int64_t>(world.rng.Below(1500)), world.rng);
    const Ordering keys = RandomKeys(world.rng);
    ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, keys, 1 + seed * 5));
    ASSERT_EQ(sorted, SortReference(table, keys));
  }
}

// Also with spills in between, and with as many rows wanted as there are, and more.
TEST(SortTest, GivesTheFirstRowsThatAreWanted) {
  int64_t dropped = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 3),
                 .seed = seed,
                 .reclaims_permille = seed % 4 == 0 ? 30U : 0U});
    const TestTable table = RandomTable(static_cast<int64_t>(world.rng.Below(12'000)), world.rng);
    const Ordering keys = RandomKeys(world.rng);
    const auto wanted = 1 + static_cast<int64_t>(world.rng.Below(seed % 5 == 0 ? 14'000 : 300));
    ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, keys, 700, wanted));
    const auto count = static_cast<size_t>(std::min(wanted, table.count()));
    ASSERT_GE(sorted.size(), count);
    dropped += table.count() - static_cast<int64_t>(sorted.size());
    sorted.resize(count);
    Cells expected = SortReference(table, keys);
    expected.resize(count);
    ASSERT_EQ(sorted, expected);
  }
  EXPECT_GT(dropped, 100'000);
}

// More rows than a buffer keeps: a bound that all lanes share lets most of the others go.
TEST(SortTest, BoundsManyWantedRows) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 3),
                 .budget_bytes = seed % 2 == 0 ? 64 << 20 : 6 << 20,
                 .seed = seed,
                 .reclaims_permille = seed % 4 == 0 ? 30U : 0U});
    const TestTable table =
        seed % 3 == 0 ? RisingTable(120'000, 0, world.rng) : LongTexts(120'000, world.rng);
    const int64_t wanted = 33'000;
    ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, {{0}}, 4000, wanted));
    ASSERT_GE(sorted.size(), static_cast<size_t>(wanted));
    if (seed % 2 == 1) {
      EXPECT_LT(sorted.size(), static_cast<size_t>(100'000));
    }
    sorted.resize(static_cast<size_t>(wanted));
    Cells expected = SortReference(table, {{0}});
    expected.resize(static_cast<size_t>(wanted));
    ASSERT_EQ(sorted, expected);
  }
}

// Parts in memory, put in order by several lanes; in half of the runs some are spilled before they
// are begun.
TEST(SortTest, LanesShareThePartsThatAreInMemory) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 3), .budget_bytes = 32 << 20, .seed = seed});
    const TestTable table = RandomTable(30'000, world.rng);
    const Ordering keys = RandomKeys(world.rng);
    const SortBuildSpec build(table.schema, keys);
    const SortOutputSpec output(table.schema, keys);
    const auto global = build.MakeGlobal();
    {
      Lanes lanes(world, build, global);
      ASSERT_OK(RunBuild(world, lanes, SplitRows(table, world.rng, 3000)));
    }
    EXPECT_GT(global->num_parts(), 8);
    Lanes lanes(world, output, global);
    ASSERT_OK(lanes.Open());
    std::vector<std::vector<Batch>> parts(static_cast<size_t>(global->num_parts()));
    std::vector<int64_t> order;  // parts are begun in some order near to their own
    for (int64_t part = 0; part < global->num_parts(); ++part) order.push_back(part);
    for (size_t i = 1; i < order.size(); ++i) {
      if (world.rng.Below(3) == 0) std::swap(order[i - 1], order[i]);
    }
    for (size_t i = 0; i < order.size(); ++i) {
      if (seed % 2 == 0 && i == order.size() / 2) {
        ASSERT_OK_AND_ASSIGN(const int64_t freed, global->Reclaim(1000));
        EXPECT_GT(freed, 0);
      }
      Batch input({}, 1);
      input.set_ordinal({order[i], 0});
      const size_t lane = world.rng.Below(lanes.operators().size());
      ASSERT_OK(lanes.Repeat(
          lane, [&](Operator& op, Out& out) { return op.Push(0, input, out); },
          &parts[static_cast<size_t>(order[i])]));
    }
    Cells sorted;
    for (const std::vector<Batch>& part : parts) {
      const Cells cells = CellsOf(part);
      sorted.insert(sorted.end(), cells.begin(), cells.end());
    }
    ASSERT_EQ(sorted, SortReference(table, keys));
    EXPECT_EQ(world.metrics.spilled_runs.load() > 0, seed % 2 == 0);
  }
}

// Rows that are equal in the first key are in one part, be they few or most rows, in memory or on
// disk.
TEST(SortTest, PartsHaveAllRowsOfAKey) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    const bool spills = seed % 2 == 0;
    World world({.lanes = 1 + static_cast<int>(seed % 3),
                 .budget_bytes = spills ? 4 << 20 : 32 << 20,
                 .seed = seed});
    const int64_t rows = spills ? 60'000 : 30'000;
    const TestTable table =
        seed % 4 < 2 ? RandomTable(rows, world.rng) : LongTexts(rows, world.rng);
    Ordering keys = {{0, seed % 3 == 0, NullPlacement::kFirst}, {1}};
    if (seed % 8 == 1) std::swap(keys[0].column, keys[1].column);
    const SortBuildSpec build(table.schema, keys, std::nullopt, 1);
    const SortOutputSpec output(table.schema, keys);
    const auto global = build.MakeGlobal();
    {
      Lanes lanes(world, build, global);
      ASSERT_OK(RunBuild(world, lanes, SplitRows(table, world.rng, 3000)));
    }
    EXPECT_GT(global->num_parts(), 1);
    Lanes lanes(world, output, global);
    ASSERT_OK_AND_ASSIGN(const std::vector<Batch> sorted, RunOutput(world, lanes));
    ASSERT_EQ(CellsOf(sorted), SortReference(table, keys));
    std::map<std::string, int64_t> part_of;
    for (const Batch& batch : sorted) {
      for (int64_t row = 0; row < batch.num_rows(); ++row) {
        const auto cell = batch.column(keys[0].column)->GetScalar(row).ValueOrDie()->ToString();
        const int64_t part = part_of.try_emplace(cell, batch.ordinal().split).first->second;
        ASSERT_EQ(batch.ordinal().split, part) << cell;
      }
    }
  }
}

// Most rows were spilled when the parts are cut. Lanes begin parts out of order; every block is
// read from its file once.
TEST(SortTest, LanesShareThePartsThatAreOnDisk) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 3), .budget_bytes = 4 << 20, .seed = seed});
    const TestTable table =
        seed % 4 == 0 ? LongTexts(180'000, world.rng) : RandomTable(180'000, world.rng);
    const Ordering keys = seed % 4 == 0 ? Ordering{{0}} : RandomKeys(world.rng);
    const SortBuildSpec build(table.schema, keys);
    const SortOutputSpec output(table.schema, keys);
    const auto global = build.MakeGlobal();
    {
      Lanes lanes(world, build, global);
      ASSERT_OK(RunBuild(world, lanes, SplitRows(table, world.rng, 500)));
    }
    EXPECT_GT(world.metrics.spilled_runs.load(), 1);
    EXPECT_GT(global->num_parts(), 8);
    Lanes lanes(world, output, global);
    const int64_t before = LocalBytesRead();
    ASSERT_OK_AND_ASSIGN(auto sorted, RunOutput(world, lanes));
    ASSERT_EQ(CellsOf(sorted), SortReference(table, keys));
    EXPECT_LE(LocalBytesRead() - before, world.metrics.spilled_bytes.load() * 21 / 20);
    EXPECT_LE(world.budget->peak_bytes(), 4 << 20);
  }
}

TEST(SortTest, TakesRunsThatComeInOrder) {
  const std::vector<Ordering> orderings = {
      {{0}}, {{1}}, {{0}, {1}}, {{2}, {1, true, NullPlacement::kFirst}}, {{1}, {2}}};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 3),
                 .budget_bytes = seed % 4 == 0 ? 1 << 20 : 64 << 20,
                 .seed = seed,
                 .reclaims_permille = seed % 5 == 0 ? 100U : 0U});
    const int64_t disorder = seed % 2 == 0 ? 0 : 1 + static_cast<int64_t>(world.rng.Below(9000));
    const TestTable table = RisingTable(40'000, disorder, world.rng);
    const Ordering& keys = orderings[seed % orderings.size()];
    ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, keys, 4000));
    ASSERT_EQ(sorted, SortReference(table, keys));
  }
}

TEST(SortTest, RowsInOrderAreNotCopied) {
  World world({.lanes = 2, .seed = 4});
  const TestTable table = RisingTable(200'000, 0, world.rng);
  const auto address = [](const Batch& batch) {
    return batch.column(0)->data()->buffers[1]->address();
  };
  const SortBuildSpec build(table.schema, {{0}});
  const SortOutputSpec output(table.schema, {{0}});
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 20; ++i) {
    std::vector<ArrayPtr> columns;
    const Batch slice = table.batch.Slice(i * 10'000, 10'000);
    for (const ArrayPtr& column : slice.columns()) {
      ASSERT_OK_AND_ASSIGN(ArrayPtr own, arrow::Concatenate({column}, Pool()));
      columns.push_back(std::move(own));
    }
    batches.emplace_back(std::move(columns), 10'000);
    batches.back().set_ordinal({i, 0});
  }
  std::set<uint64_t> given;
  for (const Batch& batch : batches) given.insert(address(batch));
  ASSERT_OK_AND_ASSIGN(auto sorted, RunBreaker(world, build, output, batches));
  EXPECT_EQ(CellsOf(sorted), SortReference(table, {{0}}));
  for (const Batch& batch : sorted) EXPECT_TRUE(given.contains(address(batch)));
}

TEST(SortTest, SpillsDataThatIsLargerThanItsBudget) {
  for (const int lanes : {1, 2, 4}) {
    SCOPED_TRACE(lanes);
    World world({.lanes = lanes, .budget_bytes = 1 << 20, .seed = 77});
    Rng rng(5);
    const TestTable table = RandomTable(60'000, rng);
    const Ordering keys = {{1, true, NullPlacement::kFirst}, {0}};
    ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, keys, 500));
    ASSERT_EQ(sorted, SortReference(table, keys));
    EXPECT_GT(world.metrics.spilled_runs.load(), 1);
    EXPECT_GT(world.metrics.spilled_bytes.load(), 100'000);
    EXPECT_LE(world.budget->peak_bytes(), 1 << 20);
  }
}

// More runs than one merge may read, and buffers for a few of them only.
TEST(SortTest, MergesInSeveralPasses) {
  World world({.lanes = 2, .budget_bytes = 200'000, .seed = 3});
  Rng rng(6);
  const TestTable table = RandomTable(60'000, rng);
  ASSERT_OK_AND_ASSIGN(Cells sorted, Sorted(world, table, {{0}}, 200));
  ASSERT_EQ(sorted, SortReference(table, {{0}}));
  EXPECT_GT(world.metrics.spilled_runs.load(), kMergeFanInMax);
  EXPECT_GT(world.metrics.passes.load(), 1);
}

TEST(SortTest, SaysWhatABudgetIsTooSmallFor) {
  World world({.budget_bytes = 1000});
  Rng rng(6);
  const TestTable table = RandomTable(500, rng);
  EXPECT_ERROR(Sorted(world, table, {{0}}, 400), kMemoryLimit, "sort wants");
}

TEST(SortTest, SortsRowsWithoutColumns) {
  World world({.lanes = 2, .reclaims_permille = 300});
  const TestTable table{arrow::schema(arrow::FieldVector{}), Batch({}, 100)};
  const SortBuildSpec build(table.schema, {});
  const SortOutputSpec output(table.schema, {});
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 10; ++i) {
    batches.push_back(Batch({}, 10));
    batches.back().set_ordinal({0, i});
  }
  ASSERT_OK_AND_ASSIGN(auto sorted, RunBreaker(world, build, output, batches));
  int64_t rows = 0;
  for (const Batch& batch : sorted) rows += batch.num_rows();
  EXPECT_EQ(rows, 100);
}

TEST(SortTest, ASmallPartOfALargeBatchIsCopied) {
  World world({.budget_bytes = 1 << 20});
  const ArrayPtr large = Int64s(60'000, [](int64_t row) { return row; });
  const auto schema = arrow::schema({arrow::field("x", arrow::int64())});
  const SortBuildSpec build(schema, {{0}});
  const auto global = build.MakeGlobal();
  const int64_t before = Pool()->bytes_allocated();
  Lanes lanes(world, build, global);
  ASSERT_OK(lanes.Open());
  std::vector<Batch> none;
  for (int64_t i = 0; i < 50; ++i) {
    // A buffer of its own each time, of which one row is kept.
    Batch batch({Int64s(60'000, [](int64_t row) { return row; })}, 60'000);
    batch = batch.Slice(i, 1);
    batch.set_ordinal({0, i});
    ASSERT_OK(
        lanes.Repeat(0, [&](Operator& op, Out& out) { return op.Push(0, batch, out); }, &none));
  }
  EXPECT_LT(Pool()->bytes_allocated() - before, 1 << 20);
}

// Every failure of the disk ends in an error, and nothing is left behind (World checks it).
void CheckFailures(int64_t rows, int64_t batch_rows_max, int64_t budget_bytes, int64_t tries) {
  Rng rng(8);
  const TestTable table = RandomTable(rows, rng);
  const auto run = [&]() -> Status {
    World world({.lanes = 2, .budget_bytes = budget_bytes, .seed = 21});
    return Sorted(world, table, {{1}, {0}}, batch_rows_max).status();
  };
  fault::Count("state_file");
  ASSERT_OK(run());
  const int64_t passages = fault::Disarm();
  ASSERT_GT(passages, 20);
  for (int64_t k = 1; k <= passages; k += 1 + passages / tries) {
    fault::Arm("state_file", k);
    const Status status = run();
    fault::Disarm();
    EXPECT_TRUE(IsError(status, ErrorKind::kIo, "fault point")) << k;
  }
}

TEST(SortTest, FailuresOfTheDiskAreErrors) { CheckFailures(4000, 100, 150'000, 60); }

TEST(SortTest, FailuresOfTheDiskAreErrorsOfAllLanes) { CheckFailures(20'000, 500, 1 << 20, 20); }

TEST(SortTest, RefusesKeysWithoutOrder) {
  const auto schema = arrow::schema({arrow::field("tags", arrow::list(arrow::int64()))});
  EXPECT_ERROR(SortBuildSpec(schema, {{0}}).Check(), kUnsupported, "tags");
  World world({});
  const SortBuildSpec build(schema, {{0}});
  Lanes lanes(world, build, build.MakeGlobal());
  EXPECT_ERROR(lanes.Open(), kUnsupported, "tags");
}

TEST(SortTest, DescribesItsKeys) {
  const auto schema =
      arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())});
  EXPECT_EQ(SortBuildSpec(schema, {{1, true, NullPlacement::kFirst}, {0}}).Describe(),
            "keys=[b DESC NULLS FIRST, a ASC NULLS LAST]");
  EXPECT_EQ(SortBuildSpec(schema, {{0}}, 7).Describe(), "keys=[a ASC NULLS LAST], first=7");
}

}  // namespace
}  // namespace headrace
