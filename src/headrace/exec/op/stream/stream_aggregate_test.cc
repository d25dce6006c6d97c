// Stream aggregate against maps: updates, rows taken back, and state that is saved on some lanes
// and loaded on others.
#include "headrace/exec/op/stream/stream_aggregate.h"

#include <gtest/gtest.h>

#include <numeric>

#include "headrace/exec/op/aggregate/aggregate_reference.h"
#include "headrace/exec/op/stream/stream_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

StreamAggregateSpec AppendSpec(const TestTable& table, std::vector<int> keys, EmitPolicy emit) {
  return StreamAggregateSpec(table.schema, std::move(keys), AllCalls(*table.schema), emit,
                             ChangeMode::kAppend);
}

TEST(StreamAggregateTest, AtTheEndItAgreesWithMaps) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4), .batch_rows = 20, .seed = seed});
    const TestTable table = RandomKeyedTable(500, 30, world.rng);
    const std::vector<int> keys = seed % 2 == 0 ? std::vector<int>{0} : std::vector<int>{1, 0};
    const auto spec = AppendSpec(table, keys, EmitPolicy::kAtEnd);
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    for (const Batch& batch : SplitRows(table, world.rng, 50)) ASSERT_OK(drive.Push(batch));
    EXPECT_TRUE(drive.TakeOutputs().empty());
    ASSERT_OK(drive.Finish());
    ASSERT_EQ(SortedRows(CellsOf(drive.TakeOutputs())), Reference(table, keys));
  }
}

TEST(StreamAggregateTest, ChangesAddUpToTheGroups) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4),
                 .batch_rows = seed % 3 == 0 ? 4 : 1000,
                 .seed = seed});
    const TestTable table = RandomKeyedTable(400, 20, world.rng);
    const auto spec = AppendSpec(table, {0, 1}, EmitPolicy::kChanges);
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    Materialized result;
    Cells rows;
    for (const Batch& batch : SplitRows(table, world.rng, 60)) {
      ASSERT_OK(drive.Push(batch));
      for (const Batch& update : drive.TakeOutputs()) result.Apply(update);
      const Cells more = CellsOf(batch);
      rows.insert(rows.end(), more.begin(), more.end());
      Cells expected;
      for (const auto& [key, group] : GroupRows(rows, {0, 1})) {
        expected.push_back(key);
        const auto cells = group.All();
        expected.back().insert(expected.back().end(), cells.begin(), cells.end());
      }
      ASSERT_EQ(result.rows(), SortedRows(expected));
    }
    ASSERT_OK(drive.Finish());
    EXPECT_TRUE(drive.TakeOutputs().empty());
  }
}

// Rows come and are taken back again; groups without rows vanish.
TEST(StreamAggregateTest, RowsAreTakenBack) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4), .batch_rows = 50, .seed = seed});
    const TestTable table = RandomKeyedTable(300, 15, world.rng);
    const Cells cells = CellsOf(table.batch);
    const StreamAggregateSpec spec(table.schema, {1}, RemovableCalls(*table.schema),
                                   EmitPolicy::kChanges, ChangeMode::kRetract);
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    Materialized result;
    ReferenceGroups groups;
    std::vector<int64_t> present;
    int64_t next = 0;
    for (int64_t seq = 0; next < table.count() || !present.empty(); ++seq) {
      arrow::Int64Builder rows;
      arrow::Int8Builder changes;
      for (uint64_t i = 1 + world.rng.Below(20); i > 0; --i) {
        const bool adds = next < table.count() && world.rng.Below(5) < 3;
        if (!adds && present.empty()) continue;
        int64_t row = next;
        if (adds) {
          present.push_back(next++);
        } else {
          const auto at = static_cast<std::ptrdiff_t>(world.rng.Below(present.size()));
          row = present[static_cast<size_t>(at)];
          present.erase(present.begin() + at);
        }
        ASSERT_OK(rows.Append(row));
        ASSERT_OK(changes.Append(adds ? 1 : -1));
        const auto& of_row = cells[static_cast<size_t>(row)];
        groups[{of_row[1]}].Add(of_row, adds ? 1 : -1);
      }
      if (rows.length() == 0) continue;
      Batch batch = table.batch.Take(*rows.Finish().ValueOrDie(), Pool()).ValueOrDie();
      batch.set_change(changes.Finish().ValueOrDie());
      batch.set_ordinal({0, seq});
      ASSERT_OK(drive.Push(Disguise(batch, world.rng)));
      for (const Batch& update : drive.TakeOutputs()) result.Apply(update);
      Cells expected;
      for (const auto& [key, group] : groups) {
        if (group.empty()) continue;
        expected.push_back(key);
        const auto results = group.Removable();
        expected.back().insert(expected.back().end(), results.begin(), results.end());
      }
      ASSERT_EQ(result.rows(), SortedRows(expected));
    }
    EXPECT_TRUE(result.rows().empty());
    EXPECT_EQ(world.budget->used_bytes(), 0) << "groups without rows hold memory";
  }
}

TEST(StreamAggregateTest, AllStatesAreLoadedOnOtherLanes) {
  Rng rng(3);
  const TestTable table = RandomKeyedTable(800, 40, rng);
  const auto batches = SplitRows(table, rng, 50);
  for (const EmitPolicy emit : {EmitPolicy::kAtEnd, EmitPolicy::kChanges}) {
    const auto vfs = MakeMemoryVfs();
    const auto spec = AppendSpec(table, {0, 1}, emit);
    Materialized result;
    {
      World world({.lanes = 3});
      StreamDrive drive(world, spec, spec.keys);
      ASSERT_OK(drive.Open());
      for (size_t i = 0; i < batches.size() / 2; ++i) ASSERT_OK(drive.Push(batches[i]));
      for (const Batch& update : drive.TakeOutputs()) result.Apply(update);
      ASSERT_OK(drive.Save(*vfs));
    }
    World world({.lanes = 2});
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    ASSERT_OK(drive.Load(*vfs));
    for (size_t i = batches.size() / 2; i < batches.size(); ++i) ASSERT_OK(drive.Push(batches[i]));
    if (emit == EmitPolicy::kChanges) {
      for (const Batch& update : drive.TakeOutputs()) result.Apply(update);
      EXPECT_EQ(result.rows(), Reference(table, {0, 1}));
    } else {
      ASSERT_OK(drive.Finish());
      EXPECT_EQ(SortedRows(CellsOf(drive.TakeOutputs())), Reference(table, {0, 1}));
    }
  }
}

TEST(StreamAggregateTest, WithoutKeysThereIsOneRow) {
  Rng rng(4);
  const TestTable table = RandomKeyedTable(50, 5, rng);
  for (const bool has_rows : {true, false}) {
    TestTable rows = table;
    if (!has_rows) rows.batch = table.batch.Slice(0, 0);
    World world({.lanes = 3});
    const auto at_end = AppendSpec(table, {}, EmitPolicy::kAtEnd);
    StreamDrive drive(world, at_end, at_end.keys);
    ASSERT_OK(drive.Open());
    for (const Batch& batch : SplitRows(rows, rng, 20)) ASSERT_OK(drive.Push(batch));
    ASSERT_OK(drive.Finish());
    EXPECT_EQ(CellsOf(drive.TakeOutputs()), Reference(rows, {}));

    World other({.lanes = 3});
    const auto changes = AppendSpec(table, {}, EmitPolicy::kChanges);
    StreamDrive updates(other, changes, changes.keys);
    ASSERT_OK(updates.Open());
    for (const Batch& batch : SplitRows(rows, rng, 20)) ASSERT_OK(updates.Push(batch));
    ASSERT_OK(updates.Finish());
    Materialized result;
    for (const Batch& update : updates.TakeOutputs()) result.Apply(update);
    EXPECT_EQ(result.rows(), Reference(rows, {}));
  }
}

TEST(StreamAggregateTest, RefusesWhatItCannotDo) {
  Rng rng(1);
  const TestTable table = RandomKeyedTable(1, 1, rng);
  const StreamAggregateSpec retract(table.schema, {0}, AllCalls(*table.schema),
                                    EmitPolicy::kChanges, ChangeMode::kRetract);
  EXPECT_OK(retract.Check());
  const StreamAggregateSpec sketch(
      table.schema, {0}, {MakeCall(*table.schema, "approx_count_distinct", {"v"}, "about")},
      EmitPolicy::kChanges, ChangeMode::kRetract);
  EXPECT_ERROR(sketch.Check(), kUnsupported, "approx_count_distinct cannot take rows back");
  const StreamAggregateSpec upsert(table.schema, {0}, {}, EmitPolicy::kChanges,
                                   ChangeMode::kUpsert);
  EXPECT_ERROR(upsert.Check(), kUnsupported, "upserts");
}

TEST(StreamAggregateTest, SaysWhatABudgetIsTooSmallFor) {
  Rng rng(1);
  const TestTable table = RandomKeyedTable(5000, 5000, rng);
  World world({.budget_bytes = 100'000});
  const auto spec = AppendSpec(table, {0}, EmitPolicy::kAtEnd);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  Status status;
  for (const Batch& batch : SplitRows(table, rng, 100)) {
    status = drive.Push(batch);
    if (!status.ok()) break;
  }
  EXPECT_TRUE(IsError(status, ErrorKind::kMemoryLimit, "stream_aggregate wants"));
}

TEST(StreamAggregateTest, StateOfAnotherAggregationIsRefused) {
  Rng rng(1);
  const TestTable table = RandomKeyedTable(100, 10, rng);
  const auto vfs = MakeMemoryVfs();
  World world({});
  const auto spec = AppendSpec(table, {0}, EmitPolicy::kAtEnd);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Push(table.batch));
  ASSERT_OK(drive.Save(*vfs));
  World other({});
  const auto other_spec = AppendSpec(table, {1}, EmitPolicy::kAtEnd);
  StreamDrive loaded(other, other_spec, other_spec.keys);
  ASSERT_OK(loaded.Open());
  EXPECT_ERROR(loaded.Load(*vfs), kBadData, "another aggregation");
}

}  // namespace
}  // namespace headrace
