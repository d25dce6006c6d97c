// Window aggregate against loops over all windows of all rows: every kind, lateness and policy,
// time units, lanes, batches, watermarks, and state that is saved and loaded at any moment.
#include "headrace/exec/op/stream/window_aggregate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "headrace/base/test_cases.h"
#include "headrace/exec/op/aggregate/aggregate_reference.h"
#include "headrace/exec/op/stream/stream_drive.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT
using Wide = __int128;

constexpr int kTimeColumn = 4;
constexpr int64_t kSecond = 1'000'000;

int64_t NanosPerTick(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000'000;
    case arrow::TimeUnit::MICRO:
      return 1000;
    default:
      return 1;
  }
}

Wide Floor(Wide value, Wide by) {
  const Wide rest = value % by;
  return value - (rest < 0 ? rest + by : rest);
}

/// What a run is made of.
struct WindowCase {
  StreamWindowSpec window;
  EmitPolicy emit = EmitPolicy::kAtEnd;
  std::vector<int> keys;
  arrow::TimeUnit::type unit = arrow::TimeUnit::MICRO;
  bool retracts = false;

  TypePtr time_type() const { return arrow::timestamp(unit); }
};

/// The columns of RandomKeyedTable and "at", some of whose cells are null.
TestTable TimedTable(int64_t count, uint64_t distinct, const WindowCase& made, int64_t step_micros,
                     int64_t jitter_micros, Rng& rng) {
  const TestTable table = RandomKeyedTable(count, distinct, rng);
  const Wide per_tick = NanosPerTick(made.unit);
  const ArrayPtr raw = Int64s(count, [&](int64_t row) -> std::optional<int64_t> {
    if (rng.Below(40) == 0) return std::nullopt;
    if (rng.Below(200) == 0) return std::numeric_limits<int64_t>::max() - 1;
    const int64_t micros = (row - count / 2) * step_micros -
                           static_cast<int64_t>(rng.Below(static_cast<uint64_t>(jitter_micros)));
    return static_cast<int64_t>(Floor(Wide{micros} * 1000, per_tick) / per_tick);
  });
  std::vector<ArrayPtr> columns = table.batch.columns();
  columns.push_back(raw->View(made.time_type()).ValueOrDie());
  arrow::FieldVector fields = table.schema->fields();
  fields.push_back(arrow::field("at", made.time_type()));
  return {arrow::schema(fields), Batch(std::move(columns), count)};
}

/// All windows there ever were, with their rows. Times are in nanoseconds.
class WindowModel {
 public:
  explicit WindowModel(const WindowCase& made) : case_(made), per_tick_(NanosPerTick(made.unit)) {}

  void Push(const std::vector<std::string>& row, std::optional<int64_t> ticks, int weight = 1) {
    if (!ticks.has_value() || *ticks == std::numeric_limits<int64_t>::max() - 1) {
      ++null_times;
      return;
    }
    std::vector<std::string> key;
    for (const int column : case_.keys) key.push_back(row[static_cast<size_t>(column)]);
    const Wide time = Wide{*ticks} * per_tick_;
    const bool is_taken = case_.window.kind == WindowKind::kSession
                              ? AddToSession(key, time, row)
                              : AddToWindows(key, time, row, weight);
    ++(is_taken ? used : late);
  }
  // No row before the next whole tick follows.
  void Advance(int64_t micros) {
    watermark_ = std::max(watermark_, -Floor(-Wide{micros} * 1000, per_tick_));
  }
  void Finish() { watermark_ = Wide{1} << 100; }

  /// Rows that are to be seen by now.
  Cells Visible() const {
    Cells visible;
    for (const Window& window : windows_) {
      ReferenceGroup group;
      int count = 0;
      for (const auto& [row, weight] : window.rows) {
        group.Add(row, weight);
        count += weight;
      }
      const bool is_shown = case_.emit == EmitPolicy::kChanges || IsGiven(window);
      if (count <= 0 || !is_shown) continue;
      visible.push_back(window.key);
      visible.back().push_back(TextOf(window.start));
      visible.back().push_back(TextOf(EndOf(window)));
      const auto results = case_.retracts ? group.Removable() : group.All();
      visible.back().insert(visible.back().end(), results.begin(), results.end());
    }
    return SortedRows(visible);
  }

  int64_t used = 0;
  int64_t late = 0;
  int64_t null_times = 0;

 private:
  struct Window {
    std::vector<std::string> key;
    Wide start = 0;
    Wide last = 0;  // a session: the time of the last row; else the end
    std::vector<std::pair<std::vector<std::string>, int>> rows;
  };

  bool is_session() const { return case_.window.kind == WindowKind::kSession; }
  Wide size() const { return Wide{case_.window.size_micros} * 1000; }
  Wide advance() const { return Wide{case_.window.advance_micros} * 1000; }
  Wide lateness() const { return Wide{case_.window.lateness_micros} * 1000; }
  Wide EndOf(const Window& window) const { return window.last + (is_session() ? size() : 0); }
  bool IsPast(Wide end, Wide allowed) const {
    return is_session() ? end + allowed < watermark_ : end + allowed <= watermark_;
  }
  bool IsGone(Wide end) const { return IsPast(end, lateness()); }
  bool IsGiven(const Window& window) const {
    const bool corrects =
        case_.window.late == LatePolicy::kUpdate || case_.window.late == LatePolicy::kRepeat;
    return IsPast(EndOf(window), corrects ? 0 : lateness());
  }

  std::vector<std::pair<Wide, Wide>> WindowsOf(Wide time) const {
    std::vector<std::pair<Wide, Wide>> all;
    const Wide offset = Wide{case_.window.offset_micros} * 1000;
    const Wide base = Floor(time - offset, size()) + offset;
    if (case_.window.kind == WindowKind::kTumbling) all.emplace_back(base, base + size());
    if (case_.window.kind == WindowKind::kSliding) {
      const Wide last = Floor(time - offset, advance()) + offset;
      for (Wide start = last; start + size() > time; start -= advance()) {
        all.emplace_back(start, start + size());
      }
    }
    if (case_.window.kind == WindowKind::kCumulate) {
      for (Wide end = base + advance(); end <= base + size(); end += advance()) {
        if (end > time) all.emplace_back(base, end);
      }
    }
    return all;
  }

  bool AddToWindows(const std::vector<std::string>& key, Wide time,
                    const std::vector<std::string>& row, int weight) {
    bool is_taken = false;
    for (const auto& [start, end] : WindowsOf(time)) {
      if (IsGone(end)) continue;
      is_taken = true;
      const auto found = std::find_if(windows_.begin(), windows_.end(), [&](const Window& window) {
        return window.key == key && window.start == start && window.last == end;
      });
      Window& window = found != windows_.end() ? *found : windows_.emplace_back();
      window.key = key;
      window.start = start;
      window.last = end;
      window.rows.emplace_back(row, weight);
    }
    return is_taken;
  }

  bool AddToSession(const std::vector<std::string>& key, Wide time,
                    const std::vector<std::string>& row) {
    Window joined{key, time, time, {{row, 1}}};
    std::vector<Window> others;
    for (const Window& window : windows_) {
      const bool is_near = window.key == key && time >= window.start - size() &&
                           time <= window.last + size() && !IsGone(EndOf(window));
      if (!is_near) {
        others.push_back(window);
        continue;
      }
      joined.start = std::min(joined.start, window.start);
      joined.last = std::max(joined.last, window.last);
      joined.rows.insert(joined.rows.end(), window.rows.begin(), window.rows.end());
    }
    if (joined.rows.size() == 1 && IsGone(EndOf(joined))) return false;
    others.push_back(std::move(joined));
    windows_ = std::move(others);
    return true;
  }

  std::string TextOf(Wide nanos) const {
    arrow::Int64Builder builder;
    EXPECT_OK(builder.Append(static_cast<int64_t>(nanos / per_tick_)));
    return FormatValue(*builder.Finish().ValueOrDie()->View(case_.time_type()).ValueOrDie(), 0);
  }

  const WindowCase case_;
  const Wide per_tick_;
  Wide watermark_ = -(Wide{1} << 100);
  std::vector<Window> windows_;
};

class AsideRows final : public RowsAside {
 public:
  Status Put(const SchemaPtr& schema, const Batch& rows, const char* why) override {
    EXPECT_STREQ(why, "late");
    EXPECT_EQ(schema->num_fields(), static_cast<int>(rows.columns().size()));
    count += rows.num_rows();
    return Status::OK();
  }
  int64_t count = 0;
};

WindowAggregateSpec SpecOf(const WindowCase& made, const SchemaPtr& schema) {
  StreamWindowSpec window = made.window;
  window.time = Expression::Column(kTimeColumn, "at", made.time_type());
  return WindowAggregateSpec(schema, window, made.keys,
                             made.retracts ? RemovableCalls(*schema) : AllCalls(*schema), made.emit,
                             made.retracts ? ChangeMode::kRetract : ChangeMode::kAppend);
}

/// What was given so far, as a reader of the output sees it.
class Seen {
 public:
  explicit Seen(const WindowCase& made) : case_(made) {}

  void Apply(const std::vector<Batch>& outputs) {
    const bool repeats =
        case_.window.late == LatePolicy::kRepeat && case_.emit == EmitPolicy::kAtEnd;
    for (const Batch& batch : outputs) {
      if (batch.change() != nullptr) {
        EXPECT_FALSE(repeats);
        rows_.Apply(batch);
        continue;
      }
      Batch added = batch;
      arrow::Int8Builder ones;
      for (int64_t row = 0; row < batch.num_rows(); ++row) EXPECT_OK(ones.Append(1));
      added.set_change(ones.Finish().ValueOrDie());
      for (const std::vector<std::string>& row : CellsOf(batch)) {
        if (repeats) latest_[Name(row)] = row;
      }
      if (!repeats) rows_.Apply(added);
    }
  }
  /// Sessions that grew are named anew, so old ones stay in a repeating output.
  void Expect(const Cells& visible) const {
    if (latest_.empty()) {
      ASSERT_EQ(rows_.rows(), visible);
      return;
    }
    for (const std::vector<std::string>& row : visible) {
      const auto found = latest_.find(Name(row));
      ASSERT_NE(found, latest_.end()) << row[0];
      ASSERT_EQ(found->second, row);
    }
    if (case_.window.kind != WindowKind::kSession) {
      ASSERT_EQ(latest_.size(), visible.size());
    }
  }

 private:
  std::vector<std::string> Name(const std::vector<std::string>& row) const {
    return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(case_.keys.size()) + 2};
  }

  const WindowCase case_;
  Materialized rows_;
  std::map<std::vector<std::string>, std::vector<std::string>> latest_;
};

WindowCase RandomCase(WindowKind kind, Rng& rng) {
  WindowCase made;
  made.window.kind = kind;
  const arrow::TimeUnit::type units[] = {arrow::TimeUnit::SECOND, arrow::TimeUnit::MILLI,
                                         arrow::TimeUnit::MICRO, arrow::TimeUnit::NANO};
  made.unit = units[rng.Below(4)];
  made.window.size_micros = (1 + static_cast<int64_t>(rng.Below(9))) * kSecond;
  if (kind == WindowKind::kSliding && rng.Below(3) == 0) {
    made.window.size_micros *= 5;  // of many panes
    made.window.advance_micros = (1 + static_cast<int64_t>(rng.Below(3))) * kSecond;
  } else if (kind == WindowKind::kSliding) {
    made.window.advance_micros =
        (1 + static_cast<int64_t>(
                 rng.Below(static_cast<uint64_t>(made.window.size_micros / kSecond)))) *
        kSecond;
  }
  if (kind == WindowKind::kCumulate) {
    made.window.advance_micros = made.window.size_micros;
    made.window.size_micros *= 1 + static_cast<int64_t>(rng.Below(4));
  }
  if (rng.Below(2) == 0) {
    made.window.lateness_micros = (1 + static_cast<int64_t>(rng.Below(8))) * kSecond;
  }
  const LatePolicy policies[] = {LatePolicy::kDrop, LatePolicy::kAside, LatePolicy::kUpdate,
                                 LatePolicy::kRepeat};
  made.window.late = policies[rng.Below(made.window.lateness_micros > 0 ? 4 : 2)];
  if (kind != WindowKind::kSession && rng.Below(2) == 0) {
    made.window.offset_micros = (static_cast<int64_t>(rng.Below(3)) * 7 - 7) * kSecond;
  }
  made.emit = rng.Below(3) == 0 ? EmitPolicy::kChanges : EmitPolicy::kAtEnd;
  const std::vector<int> keys[] = {{}, {0}, {1}, {1, 0}};
  made.keys = keys[rng.Below(4)];
  return made;
}

std::string TextOf(uint64_t seed, const WindowCase& made) {
  return fmt::format("seed {}: kind {} size {} advance {} lateness {} late {} emit {} unit {}",
                     seed, static_cast<int>(made.window.kind), made.window.size_micros,
                     made.window.advance_micros, made.window.lateness_micros,
                     static_cast<int>(made.window.late), static_cast<int>(made.emit),
                     static_cast<int>(made.unit));
}

struct Totals {
  int64_t late = 0;
  int64_t changes = 0;
};

// Also saves everything at a random batch and goes on with another number of lanes.
void RunCase(const WindowCase& made, uint64_t seed, bool has_watermarks, Totals* totals) {
  Rng rng(seed);
  const int64_t count = 200 + static_cast<int64_t>(rng.Below(200));
  const TestTable table = TimedTable(count, 4, made, 150'000, 6 * kSecond, rng);
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  const Cells cells = CellsOf(table.batch);
  const auto& times = static_cast<const arrow::TimestampArray&>(*table.batch.column(kTimeColumn));
  const auto batches = SplitRows(table, rng, 40);
  const size_t restart_at = rng.Below(2) == 0 ? rng.Below(batches.size()) : batches.size();
  WindowModel model(made);
  Seen seen(made);
  AsideRows aside;
  const auto vfs = MakeMemoryVfs();
  int64_t late = 0;
  int64_t null_times = 0;
  size_t next = 0;
  size_t row = 0;
  for (int run = 0; run < (restart_at < batches.size() ? 2 : 1); ++run) {
    World world({.lanes = 1 + static_cast<int>(rng.Below(4)),
                 .batch_rows = 1 + static_cast<int64_t>(rng.Below(30)),
                 .seed = seed});
    world.aside = &aside;
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    if (run == 1) {
      ASSERT_OK(drive.Load(*vfs));
    }
    const size_t stop_at = run == 0 ? restart_at : batches.size();
    for (; next < stop_at; ++next) {
      ASSERT_OK(drive.Push(batches[next]));
      for (int64_t i = batches[next].num_rows(); i > 0; --i, ++row) {
        const auto at = static_cast<int64_t>(row);
        model.Push(cells[row], times.IsNull(at) ? std::nullopt : std::optional(times.Value(at)));
      }
      auto outputs = drive.TakeOutputs();
      for (const Batch& output : outputs) totals->changes += output.num_rows();
      seen.Apply(outputs);
      ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
      if (!has_watermarks || rng.Below(3) != 0) continue;
      const int64_t watermark = (static_cast<int64_t>(row) - count / 2) * 150'000 -
                                static_cast<int64_t>(rng.Below(5)) * kSecond +
                                static_cast<int64_t>(rng.Below(3)) - 1;
      ASSERT_OK(drive.Advance(watermark));
      model.Advance(watermark);
      seen.Apply(drive.TakeOutputs());
      ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
    }
    if (next < batches.size()) {
      ASSERT_OK(drive.Save(*vfs));
    } else {
      ASSERT_OK(drive.Finish());
      model.Finish();
      seen.Apply(drive.TakeOutputs());
      ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
      EXPECT_EQ(world.budget->used_bytes(), 0) << "closed windows hold memory";
    }
    late += world.metrics.late_rows.load();
    null_times += world.metrics.null_time_rows.load();
  }
  EXPECT_EQ(late, model.late);
  EXPECT_EQ(null_times, model.null_times);
  EXPECT_EQ(model.used + late + null_times, count);
  if (made.window.late == LatePolicy::kAside) {
    EXPECT_EQ(aside.count, late);
  }
  totals->late += late;
}

class WindowKinds : public testing::TestWithParam<WindowKind> {};

TEST_P(WindowKinds, AgreeWithLoopsOverAllWindows) {
  Totals totals;
  const uint64_t cases = RandomCases(150);
  for (uint64_t seed = 1; seed <= cases && !HasFatalFailure(); ++seed) {
    Rng rng(seed * 77);
    const WindowCase made = RandomCase(GetParam(), rng);
    SCOPED_TRACE(TextOf(seed, made));
    RunCase(made, seed, /*has_watermarks=*/true, &totals);
  }
  EXPECT_GT(totals.late, static_cast<int64_t>(cases));
  EXPECT_GT(totals.changes, static_cast<int64_t>(3 * cases));
}

// What a bounded input gives: no watermark comes, and no row is late.
TEST_P(WindowKinds, OfBoundedRowsAgreeToo) {
  Totals totals;
  for (uint64_t seed = 1; seed <= RandomCases(60) && !HasFatalFailure(); ++seed) {
    Rng rng(seed * 79);
    const WindowCase made = RandomCase(GetParam(), rng);
    SCOPED_TRACE(TextOf(seed, made));
    RunCase(made, seed, /*has_watermarks=*/false, &totals);
  }
  EXPECT_EQ(totals.late, 0);
}

// The same rows come out whatever is refused on the way.
TEST_P(WindowKinds, AskForMemoryAndGoOn) {
  int64_t refused = 0;
  const uint64_t cases = RandomCases(40);
  for (uint64_t seed = 1; seed <= cases; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed * 83);
    WindowCase made = RandomCase(GetParam(), rng);
    if (made.window.late == LatePolicy::kAside) made.window.late = LatePolicy::kDrop;
    const TestTable table = TimedTable(400, 50, made, 100'000, 3 * kSecond, rng);
    const WindowAggregateSpec spec = SpecOf(made, table.schema);
    const auto batches = SplitRows(table, rng, 60);
    const auto run = [&](uint64_t refuse_seed) {
      Pipe pipe(spec, {.batch_rows = 16, .refuse_seed = refuse_seed});
      EXPECT_OK(pipe.Open());
      for (size_t i = 0; i < batches.size(); ++i) {
        EXPECT_OK(pipe.Push(batches[i]));
        EXPECT_OK(pipe.Advance({(static_cast<int64_t>(i) * 30 - 250) * 100'000}));
      }
      EXPECT_OK(pipe.Finish());
      refused += pipe.refused();
      return SortedRows(pipe.cells());
    };
    ASSERT_EQ(run(0), run(seed));
  }
  EXPECT_GT(refused, static_cast<int64_t>(2 * cases));
}

TEST_P(WindowKinds, SayWhatABudgetIsTooSmallFor) {
  Rng rng(5);
  WindowCase made;
  made.window.kind = GetParam();
  made.window.size_micros = made.window.advance_micros = 10 * kSecond;
  made.keys = {0};
  const TestTable table = TimedTable(5000, 5000, made, 100'000, kSecond, rng);
  World world({.budget_bytes = 100'000});
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  Status status;
  for (const Batch& batch : SplitRows(table, rng, 100)) {
    status = drive.Push(batch);
    if (!status.ok()) break;
  }
  EXPECT_TRUE(IsError(status, ErrorKind::kMemoryLimit, "window_aggregate wants"));
}

TEST_P(WindowKinds, MayRefuseRowsWithoutATime) {
  Rng rng(5);
  WindowCase made;
  made.window.kind = GetParam();
  made.window.size_micros = made.window.advance_micros = kSecond;
  made.window.null_time = NullTimePolicy::kFail;
  const TestTable table = TimedTable(500, 5, made, 100'000, kSecond, rng);
  World world({});
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  EXPECT_ERROR(drive.Push(table.batch), kBadData, "the time of a window, at, is expected");
}

TEST_P(WindowKinds, RefuseTheStateOfOthers) {
  Rng rng(5);
  WindowCase made;
  made.window.kind = GetParam();
  made.window.size_micros = made.window.advance_micros = 3 * kSecond;
  made.keys = {0};
  const TestTable table = TimedTable(100, 5, made, 100'000, kSecond, rng);
  const auto vfs = MakeMemoryVfs();
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  World world({});
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Push(table.batch));
  ASSERT_OK(drive.Save(*vfs));
  made.keys = {1};
  const WindowAggregateSpec other_spec = SpecOf(made, table.schema);
  World other({});
  StreamDrive loaded(other, other_spec, other_spec.keys);
  ASSERT_OK(loaded.Open());
  EXPECT_ERROR(loaded.Load(*vfs), kBadData, "another aggregation");
}

INSTANTIATE_TEST_SUITE_P(All, WindowKinds,
                         testing::Values(WindowKind::kTumbling, WindowKind::kSliding,
                                         WindowKind::kCumulate, WindowKind::kSession));

// Rows come and are taken back again; windows without rows vanish.
TEST(WindowAggregateTest, RowsAreTakenBack) {
  for (uint64_t seed = 1; seed <= RandomCases(90) && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const WindowKind kinds[] = {WindowKind::kTumbling, WindowKind::kSliding, WindowKind::kCumulate};
    WindowCase made = RandomCase(kinds[seed % 3], rng);
    made.retracts = true;
    if (made.window.late == LatePolicy::kRepeat) made.window.late = LatePolicy::kUpdate;
    World world({.lanes = 1 + static_cast<int>(seed % 3), .batch_rows = 20, .seed = seed});
    AsideRows aside;
    world.aside = &aside;
    const TestTable table = TimedTable(300, 4, made, 100'000, 3 * kSecond, rng);
    const WindowAggregateSpec spec = SpecOf(made, table.schema);
    const Cells cells = CellsOf(table.batch);
    const auto& times = static_cast<const arrow::TimestampArray&>(*table.batch.column(kTimeColumn));
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    WindowModel model(made);
    Seen seen(made);
    std::vector<int64_t> present;
    int64_t next = 0;
    for (int64_t seq = 0; next < table.count(); ++seq) {
      arrow::Int64Builder rows;
      arrow::Int8Builder changes;
      for (uint64_t i = 1 + rng.Below(20); i > 0 && next < table.count(); --i) {
        int64_t row = next;
        const bool adds = present.empty() || rng.Below(5) < 3;
        if (adds) {
          present.push_back(next++);
        } else {
          const auto at = static_cast<std::ptrdiff_t>(rng.Below(present.size()));
          row = present[static_cast<size_t>(at)];
          present.erase(present.begin() + at);
        }
        ASSERT_OK(rows.Append(row));
        ASSERT_OK(changes.Append(adds ? 1 : -1));
        model.Push(cells[static_cast<size_t>(row)],
                   times.IsNull(row) ? std::nullopt : std::optional(times.Value(row)),
                   adds ? 1 : -1);
      }
      Batch batch = table.batch.Take(*rows.Finish().ValueOrDie(), Pool()).ValueOrDie();
      batch.set_change(changes.Finish().ValueOrDie());
      batch.set_ordinal({0, seq});
      ASSERT_OK(drive.Push(Disguise(batch, rng)));
      seen.Apply(drive.TakeOutputs());
      ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
      const int64_t watermark = (next - 150) * 100'000 - 4 * kSecond;
      ASSERT_OK(drive.Advance(watermark));
      model.Advance(watermark);
      seen.Apply(drive.TakeOutputs());
      ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
    }
    ASSERT_OK(drive.Finish());
    model.Finish();
    seen.Apply(drive.TakeOutputs());
    ASSERT_NO_FATAL_FAILURE(seen.Expect(model.Visible()));
    EXPECT_EQ(world.metrics.late_rows.load(), model.late);
    EXPECT_EQ(world.budget->used_bytes(), 0);
  }
}

TEST(WindowAggregateTest, PassesOnWhatOpenWindowsPromise) {
  Rng rng(4);
  WindowCase made;
  made.window.size_micros = 10 * kSecond;
  const TestTable table = TimedTable(1, 1, made, kSecond, 1, rng);
  World world({});
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Advance(50 * kSecond));
  ASSERT_OK(drive.Advance(50 * kSecond));
  ASSERT_OK(drive.Advance(Watermark::kEnd));
  // A window that starts at 40 s is closed by then; the next may start a microsecond later.
  EXPECT_EQ(drive.watermarks(), (std::vector<Watermark>{{40'000'001}, {Watermark::kEnd}}));
}

// A session may have begun long before the watermark.
TEST(WindowAggregateTest, OpenSessionsHoldThePromiseBack) {
  Rng rng(4);
  WindowCase made;
  made.window.kind = WindowKind::kSession;
  made.window.size_micros = 10 * kSecond;
  const TestTable rows =
      MakeRows({arrow::field("k", arrow::int64()), arrow::field("s", arrow::utf8()),
                arrow::field("v", arrow::int64()), arrow::field("t", arrow::utf8()),
                arrow::field("at", made.time_type())},
               {"[1, 1, 1]", R"(["a", "a", "a"])", "[1, 1, 1]", R"(["a", "a", "a"])",
                "[5000000, 14000000, 24000000]"});
  World world({});
  const WindowAggregateSpec spec = SpecOf(made, rows.schema);
  StreamDrive drive(world, spec, spec.keys);
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Push(rows.batch));
  ASSERT_OK(drive.Advance(34 * kSecond));  // a row at 34 s would still belong to it
  EXPECT_TRUE(drive.TakeOutputs().empty());
  ASSERT_OK(drive.Advance(34 * kSecond + 1));
  ASSERT_EQ(CellsOf(drive.TakeOutputs()).size(), 1U);
  EXPECT_EQ(drive.watermarks(), (std::vector<Watermark>{{5 * kSecond}, {24 * kSecond + 1}}));
}

TEST(WindowAggregateTest, PutsNothingAsideWithoutAPlace) {
  Rng rng(4);
  WindowCase made;
  made.window.size_micros = kSecond;
  made.window.late = LatePolicy::kAside;
  const TestTable table = TimedTable(1, 1, made, kSecond, 1, rng);
  World world({});
  const WindowAggregateSpec spec = SpecOf(made, table.schema);
  StreamDrive drive(world, spec, spec.keys);
  EXPECT_ERROR(drive.Open(), kUnsupported, "no place for them");
}

TEST(WindowAggregateTest, ClosedWindowsFreeTheirMemoryAtOnce) {
  Rng rng(4);
  for (const WindowKind kind : {WindowKind::kTumbling, WindowKind::kSession}) {
    WindowCase made;
    made.window.kind = kind;
    made.window.size_micros = kSecond;
    made.keys = {0};
    made.emit = EmitPolicy::kChanges;
    const TestTable table = TimedTable(4000, 1000, made, 10'000, 1, rng);
    World world({.lanes = 2});
    const WindowAggregateSpec spec = SpecOf(made, table.schema);
    StreamDrive drive(world, spec, spec.keys);
    ASSERT_OK(drive.Open());
    for (const Batch& batch : SplitRows(table, rng, 400)) ASSERT_OK(drive.Push(batch));
    drive.TakeOutputs();
    const int64_t before = world.budget->used_bytes();
    ASSERT_OK(drive.Advance(18 * kSecond));
    EXPECT_TRUE(drive.TakeOutputs().empty()) << "changes were shown as they came";
    if (kind == WindowKind::kTumbling) {
      EXPECT_LT(world.budget->used_bytes(), before / 8);
    }
    ASSERT_OK(drive.Advance(40 * kSecond));
    EXPECT_EQ(world.budget->used_bytes(), 0);
  }
}

}  // namespace
}  // namespace headrace
