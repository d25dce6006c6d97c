// Stream aggregate against maps: windows that close, late rows, updates, rows taken back, and state
// that is saved on some lanes and loaded on others.
#include "headrace/exec/op/stream_aggregate.h"

#include <gtest/gtest.h>

#include <numeric>

#include "headrace/base/hash.h"
#include "headrace/exec/key/key_hash.h"
#include "headrace/exec/op/aggregate_reference.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

/// A stream aggregate on some lanes, fed as an exchange feeds it.
class StreamDrive {
 public:
  StreamDrive(World& world, const StreamAggregateSpec& spec)
      : world_(world), keys_(spec.keys), lanes_(world, spec, nullptr) {}

  Status Open() { return lanes_.Open(); }
  // Every lane gets the rows of its key groups, in their order.
  Status Push(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(Pool()));
    std::vector<ArrayPtr> keys;
    for (int key : keys_) keys.push_back(rows.column(key));
    std::vector<uint64_t> hashes;
    ARROW_RETURN_NOT_OK(HashKeys(keys, rows.num_rows(), Pool(), &hashes));
    for (int lane = 0; lane < world_.options.lanes; ++lane) {
      auto selected = std::make_shared<std::vector<uint32_t>>();
      for (uint32_t row = 0; row < hashes.size(); ++row) {
        const int owner = LaneOfKeyGroup(KeyGroupOf(hashes[row]), world_.options.lanes);
        if (owner == lane) selected->push_back(row);
      }
      if (selected->empty()) continue;
      Batch part = rows.WithSelection(selected);
      ARROW_RETURN_NOT_OK(lanes_.Repeat(
          static_cast<size_t>(lane), [&](Operator& op, Out& out) { return op.Push(0, part, out); },
          &outputs_));
    }
    return Status::OK();
  }
  Status Advance(int64_t micros) {
    return OnEveryLane([&](Operator& op, Out& out) { return op.Advance(0, {micros}, out); });
  }
  Status Finish() {
    return OnEveryLane([](Operator& op, Out& out) { return op.Finish(0, out); });
  }
  Status Save(Vfs& vfs) {
    ARROW_ASSIGN_OR_RAISE(auto writer, StateWriter::Make(vfs, "/state", Pool()));
    for (const auto& op : lanes_.operators()) ARROW_RETURN_NOT_OK(op->Save(*writer));
    return writer->Close(/*sync=*/true);
  }
  Status Load(Vfs& vfs) {
    ARROW_ASSIGN_OR_RAISE(auto reader, StateReader::Make(vfs, "/state", Pool()));
    for (const auto& op : lanes_.operators()) ARROW_RETURN_NOT_OK(op->Load(*reader));
    return Status::OK();
  }
  std::vector<Batch> TakeOutputs() { return std::exchange(outputs_, {}); }
  const std::vector<Watermark>& watermarks() const { return lanes_.watermarks(); }

 private:
  template <typename Call>
  Status OnEveryLane(Call call) {
    for (size_t lane = 0; lane < lanes_.operators().size(); ++lane) {
      ARROW_RETURN_NOT_OK(lanes_.Repeat(lane, call, &outputs_));
    }
    return Status::OK();
  }

  World& world_;
  const std::vector<int> keys_;
  Lanes lanes_;
  std::vector<Batch> outputs_;
};

Cells SortedRows(Cells cells) {
  std::sort(cells.begin(), cells.end());
  return cells;
}

// The rows that are left when updates are applied in order. Every −1 must take a row that is there.
class Materialized {
 public:
  void Apply(const Batch& batch) {
    const Cells cells = CellsOf(batch);
    const auto& changes = static_cast<const arrow::Int8Array&>(*batch.change());
    for (size_t row = 0; row < cells.size(); ++row) {
      if (changes.Value(static_cast<int64_t>(row)) > 0) {
        rows_.insert(cells[row]);
        continue;
      }
      const auto found = rows_.find(cells[row]);
      ASSERT_NE(found, rows_.end()) << "a row is taken back that is not there: " << cells[row][0];
      rows_.erase(found);
    }
  }
  Cells rows() const { return {rows_.begin(), rows_.end()}; }

 private:
  std::multiset<std::vector<std::string>> rows_;
};

StreamAggregateSpec AppendSpec(const TestTable& table, std::vector<int> keys, EmitPolicy emit) {
  return StreamAggregateSpec(table.schema, std::move(keys), AllCalls(*table.schema), emit,
                             std::nullopt, ChangeMode::kAppend);
}

TEST(StreamAggregateTest, AtTheEndItAgreesWithMaps) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world({.lanes = 1 + static_cast<int>(seed % 4), .batch_rows = 20, .seed = seed});
    const TestTable table = KeyedTable(500, 30, world.rng);
    const std::vector<int> keys = seed % 2 == 0 ? std::vector<int>{0} : std::vector<int>{1, 0};
    const auto spec = AppendSpec(table, keys, EmitPolicy::kAtEnd);
    StreamDrive drive(world, spec);
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
    const TestTable table = KeyedTable(400, 20, world.rng);
    const auto spec = AppendSpec(table, {0, 1}, EmitPolicy::kChanges);
    StreamDrive drive(world, spec);
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
    const TestTable table = KeyedTable(300, 15, world.rng);
    const Cells cells = CellsOf(table.batch);
    const StreamAggregateSpec spec(table.schema, {1}, RemovableCalls(*table.schema),
                                   EmitPolicy::kChanges, std::nullopt, ChangeMode::kRetract);
    StreamDrive drive(world, spec);
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

/// Rows (window start, key, value): windows of 10 seconds, starts roughly ascending.
TestTable WindowTable(int64_t count, Rng& rng, arrow::TimeUnit::type unit) {
  const int64_t per_second = unit == arrow::TimeUnit::SECOND ? 1 : 1'000'000'000;
  const ArrayPtr raw = Int64s(count, [&](int64_t row) -> std::optional<int64_t> {
    if (rng.Below(50) == 0) return std::nullopt;
    const int64_t window = row / 20 - static_cast<int64_t>(rng.Below(4));
    return window * 10 * per_second;
  });
  const TypePtr type = arrow::timestamp(unit);
  const ArrayPtr starts = raw->View(type).ValueOrDie();
  const ArrayPtr keys = Int64s(count, [&](int64_t) { return static_cast<int64_t>(rng.Below(5)); });
  const auto schema =
      arrow::schema({arrow::field("start", type), arrow::field("k", arrow::int64())});
  return {schema, Batch({starts, keys}, count)};
}

/// What a count per (start, k) gives when windows close at watermarks.
class WindowModel {
 public:
  static constexpr int64_t kSize = 10'000'000;

  void Push(const Batch& batch, int64_t micros_per_unit_or_less) {
    const Cells cells = CellsOf(batch);
    const Batch rows = batch.Compact(Pool()).ValueOrDie();
    const ArrayPtr starts = rows.column(0);
    for (size_t row = 0; row < cells.size(); ++row) {
      int64_t deadline = Watermark::kEnd;
      if (starts->IsValid(static_cast<int64_t>(row))) {
        const int64_t start =
            static_cast<const arrow::TimestampArray&>(*starts).Value(static_cast<int64_t>(row));
        deadline =
            (micros_per_unit_or_less > 0 ? start * micros_per_unit_or_less : start / 1000) + kSize;
      }
      if (deadline <= watermark_ && deadline != Watermark::kEnd) {
        ++late;
      } else {
        ++open_[{deadline, cells[row]}];
      }
    }
  }
  Cells Advance(int64_t watermark) {
    watermark_ = std::max(watermark_, watermark);
    return Close(
        [&](int64_t deadline) { return deadline <= watermark_ && deadline != Watermark::kEnd; });
  }
  Cells Finish() {
    return Close([](int64_t) { return true; });
  }
  int64_t late = 0;

 private:
  template <typename IsClosed>
  Cells Close(IsClosed is_closed) {
    Cells closed;
    for (auto it = open_.begin(); it != open_.end();) {
      if (!is_closed(it->first.first)) {
        ++it;
        continue;
      }
      closed.push_back(it->first.second);
      closed.back().push_back(std::to_string(it->second));
      it = open_.erase(it);
    }
    return SortedRows(closed);
  }

  int64_t watermark_ = Watermark::kNone;
  std::map<std::pair<int64_t, std::vector<std::string>>, int64_t> open_;
};

StreamAggregateSpec WindowSpecOf(const TestTable& table, EmitPolicy emit) {
  return StreamAggregateSpec(table.schema, {0, 1}, {MakeCall(*table.schema, "count", {}, "n")},
                             emit, WindowKey{0, WindowModel::kSize}, ChangeMode::kAppend);
}

// Also saves everything at a random batch and goes on with another number of lanes.
void RunWindows(uint64_t seed, bool restarts, int64_t* late_rows) {
  Rng rng(seed);
  const bool is_nanos = rng.Below(2) == 0;
  const auto unit = is_nanos ? arrow::TimeUnit::NANO : arrow::TimeUnit::SECOND;
  const TestTable table = WindowTable(600, rng, unit);
  const StreamAggregateSpec spec = WindowSpecOf(table, EmitPolicy::kAtEnd);
  WindowModel model;
  const auto batches = SplitRows(table, rng, 40);
  const size_t restart_at = restarts ? rng.Below(batches.size()) : batches.size();
  const auto vfs = MakeMemoryVfs();
  int64_t late = 0;
  size_t next = 0;
  for (int run = 0; run < 2; ++run) {
    World world({.lanes = 1 + static_cast<int>(rng.Below(4)),
                 .batch_rows = 1 + static_cast<int64_t>(rng.Below(20)),
                 .seed = seed});
    StreamDrive drive(world, spec);
    ASSERT_OK(drive.Open());
    if (run == 1) {
      ASSERT_OK(drive.Load(*vfs));
    }
    const size_t stop_at = run == 0 ? restart_at : batches.size();
    for (; next < stop_at; ++next) {
      ASSERT_OK(drive.Push(batches[next]));
      model.Push(batches[next], is_nanos ? 0 : 1'000'000);
      ASSERT_TRUE(drive.TakeOutputs().empty());
      if (rng.Below(3) != 0) continue;
      const int64_t watermark =
          (static_cast<int64_t>(next) - 2) * 10'000'000 + static_cast<int64_t>(rng.Below(3)) - 1;
      ASSERT_OK(drive.Advance(watermark));
      ASSERT_EQ(SortedRows(CellsOf(drive.TakeOutputs())), model.Advance(watermark));
    }
    if (run == 0) {
      ASSERT_OK(drive.Save(*vfs));
    }
    if (run == 1 || !restarts) {
      ASSERT_OK(drive.Finish());
      ASSERT_EQ(SortedRows(CellsOf(drive.TakeOutputs())), model.Finish());
    }
    late += world.metrics.late_rows.load();
    if (!restarts) break;
  }
  EXPECT_EQ(late, model.late);
  *late_rows += late;
}

TEST(StreamAggregateTest, WindowsCloseAtTheWatermark) {
  int64_t late_rows = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    RunWindows(seed, /*restarts=*/false, &late_rows);
  }
  EXPECT_GT(late_rows, 100);
}

TEST(StreamAggregateTest, StateIsLoadedOnOtherLanes) {
  int64_t late_rows = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    RunWindows(seed, /*restarts=*/true, &late_rows);
  }
  EXPECT_GT(late_rows, 100);
}

TEST(StreamAggregateTest, AllStatesAreLoadedOnOtherLanes) {
  Rng rng(3);
  const TestTable table = KeyedTable(800, 40, rng);
  const auto batches = SplitRows(table, rng, 50);
  for (const EmitPolicy emit : {EmitPolicy::kAtEnd, EmitPolicy::kChanges}) {
    const auto vfs = MakeMemoryVfs();
    const auto spec = AppendSpec(table, {0, 1}, emit);
    Materialized result;
    {
      World world({.lanes = 3});
      StreamDrive drive(world, spec);
      ASSERT_OK(drive.Open());
      for (size_t i = 0; i < batches.size() / 2; ++i) ASSERT_OK(drive.Push(batches[i]));
      for (const Batch& update : drive.TakeOutputs()) result.Apply(update);
      ASSERT_OK(drive.Save(*vfs));
    }
    World world({.lanes = 2});
    StreamDrive drive(world, spec);
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

TEST(StreamAggregateTest, ClosedWindowsOfChangesAreDroppedInSilence) {
  Rng rng(4);
  const TestTable table = WindowTable(200, rng, arrow::TimeUnit::SECOND);
  World world({.lanes = 2});
  const StreamAggregateSpec spec = WindowSpecOf(table, EmitPolicy::kChanges);
  StreamDrive drive(world, spec);
  ASSERT_OK(drive.Open());
  for (const Batch& batch : SplitRows(table, rng, 40)) ASSERT_OK(drive.Push(batch));
  EXPECT_FALSE(drive.TakeOutputs().empty());
  const int64_t before = world.budget->used_bytes();
  ASSERT_OK(drive.Advance(1'000'000'000));
  EXPECT_TRUE(drive.TakeOutputs().empty());
  EXPECT_LT(world.budget->used_bytes(), before / 4);
}

TEST(StreamAggregateTest, PassesOnWhatOpenWindowsPromise) {
  Rng rng(4);
  const TestTable table = WindowTable(1, rng, arrow::TimeUnit::SECOND);
  World world({});
  const StreamAggregateSpec spec = WindowSpecOf(table, EmitPolicy::kAtEnd);
  StreamDrive drive(world, spec);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Advance(50'000'000));
  ASSERT_OK(drive.Advance(Watermark::kEnd));
  // A group that starts at 40 s is closed by then; the next may start a microsecond later.
  EXPECT_EQ(drive.watermarks(), (std::vector<Watermark>{{40'000'001}, {Watermark::kEnd}}));

  World other({});
  const auto without = AppendSpec(KeyedTable(1, 1, rng), {0}, EmitPolicy::kAtEnd);
  StreamDrive silent(other, without);
  ASSERT_OK(silent.Open());
  ASSERT_OK(silent.Advance(50'000'000));
  EXPECT_TRUE(silent.watermarks().empty());
}

TEST(StreamAggregateTest, WithoutKeysThereIsOneRow) {
  Rng rng(4);
  const TestTable table = KeyedTable(50, 5, rng);
  for (const bool has_rows : {true, false}) {
    TestTable rows = table;
    if (!has_rows) rows.batch = table.batch.Slice(0, 0);
    World world({.lanes = 3});
    const auto at_end = AppendSpec(table, {}, EmitPolicy::kAtEnd);
    StreamDrive drive(world, at_end);
    ASSERT_OK(drive.Open());
    for (const Batch& batch : SplitRows(rows, rng, 20)) ASSERT_OK(drive.Push(batch));
    ASSERT_OK(drive.Finish());
    EXPECT_EQ(CellsOf(drive.TakeOutputs()), Reference(rows, {}));

    World other({.lanes = 3});
    const auto changes = AppendSpec(table, {}, EmitPolicy::kChanges);
    StreamDrive updates(other, changes);
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
  const TestTable table = KeyedTable(1, 1, rng);
  const StreamAggregateSpec retract(table.schema, {0}, AllCalls(*table.schema),
                                    EmitPolicy::kChanges, std::nullopt, ChangeMode::kRetract);
  EXPECT_ERROR(retract.Check(), kUnsupported, "min cannot take rows back");
  const StreamAggregateSpec upsert(table.schema, {0}, {}, EmitPolicy::kChanges, std::nullopt,
                                   ChangeMode::kUpsert);
  EXPECT_ERROR(upsert.Check(), kUnsupported, "upserts");
  const StreamAggregateSpec window(table.schema, {1}, {}, EmitPolicy::kAtEnd, WindowKey{0, 1},
                                   ChangeMode::kAppend);
  EXPECT_ERROR(window.Check(), kUnsupported, "window start s is expected to be a timestamp");
}

TEST(StreamAggregateTest, SaysWhatABudgetIsTooSmallFor) {
  Rng rng(1);
  const TestTable table = KeyedTable(5000, 5000, rng);
  World world({.budget_bytes = 100'000});
  const auto spec = AppendSpec(table, {0}, EmitPolicy::kAtEnd);
  StreamDrive drive(world, spec);
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
  const TestTable table = KeyedTable(100, 10, rng);
  const auto vfs = MakeMemoryVfs();
  World world({});
  const auto spec = AppendSpec(table, {0}, EmitPolicy::kAtEnd);
  StreamDrive drive(world, spec);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Push(table.batch));
  ASSERT_OK(drive.Save(*vfs));
  World other({});
  const auto other_spec = AppendSpec(table, {1}, EmitPolicy::kAtEnd);
  StreamDrive loaded(other, other_spec);
  ASSERT_OK(loaded.Open());
  EXPECT_ERROR(loaded.Load(*vfs), kBadData, "another aggregation");
}

}  // namespace
}  // namespace headrace
