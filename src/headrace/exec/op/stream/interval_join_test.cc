// Interval joins against nested loops: every kind, bounds of any sign, late rows, null keys and
// times, cut batches, refused memory, lanes that are saved and loaded in between.
#include "headrace/exec/op/stream/interval_join.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "headrace/base/hash.h"
#include "headrace/base/test_cases.h"
#include "headrace/exec/op/stream/interval_buffer.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/io/vfs.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

constexpr JoinKind kIntervalKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                       JoinKind::kFull};

struct StreamRow {
  std::optional<int64_t> key;
  std::optional<int64_t> time;
  int64_t value = 0;
};

SchemaPtr SchemaOf(const std::string& prefix, arrow::TimeUnit::type unit) {
  return arrow::schema({arrow::field(prefix + "k", arrow::int64()),
                        arrow::field(prefix + "ts", arrow::timestamp(unit)),
                        arrow::field(prefix + "v", arrow::int64()),
                        arrow::field(prefix + "s", arrow::utf8())});
}

Batch BatchOf(const std::vector<StreamRow>& rows, arrow::TimeUnit::type unit) {
  const auto count = static_cast<int64_t>(rows.size());
  const auto at = [&](int64_t row) { return rows[static_cast<size_t>(row)]; };
  const int64_t factor = unit == arrow::TimeUnit::NANO ? 1000 : 1;
  const auto time = [&](int64_t row) -> std::optional<int64_t> {
    if (!at(row).time.has_value()) return std::nullopt;
    return *at(row).time * factor;
  };
  const ArrayPtr ticks = Int64s(count, time);
  const ArrayPtr times = ticks->View(arrow::timestamp(unit)).ValueOrDie();
  return Batch({Int64s(count, [&](int64_t row) { return at(row).key; }), times,
                Int64s(count, [&](int64_t row) { return at(row).value; }),
                Texts(count, [&](int64_t row) { return std::string(at(row).value % 7, 'x'); })},
               count);
}

struct IntervalCase {
  JoinKind kind = JoinKind::kInner;
  std::optional<int64_t> lower = -5;
  std::optional<int64_t> upper = 5;
  int64_t grace = 0;
  bool residual = false;  // (lv + rv) % 3 > 0
  arrow::TimeUnit::type unit = arrow::TimeUnit::MICRO;

  bool keeps(int port) const {
    return kind == JoinKind::kFull || kind == (port == 0 ? JoinKind::kLeft : JoinKind::kRight);
  }

  IntervalJoinSpec Spec() const {
    const SchemaPtr left = SchemaOf("l", unit);
    const SchemaPtr right = SchemaOf("r", unit);
    IntervalTerms terms{{0}, {0}, 1, 1, lower, upper, grace, nullptr};
    if (residual) {
      Scope scope(*left);
      for (const auto& field : right->fields()) scope.Add("", field->name(), field->type());
      const auto sum = Call("%", {Call("+", {Col("lv"), Col("rv")}), Int(3)});
      terms.residual = BindTo(scope, Call(">", {sum, Int(0)}));
    }
    return IntervalJoinSpec(left, right, kind, terms);
  }

  bool Matches(const StreamRow& left, const StreamRow& right) const {
    if (!left.key || !right.key || !left.time || !right.time || *left.key != *right.key) {
      return false;
    }
    const int64_t difference = *right.time - *left.time;
    if (lower.has_value() && difference < *lower) return false;
    if (upper.has_value() && difference > *upper) return false;
    return !residual || (left.value + right.value) % 3 > 0;
  }
};

/// (left value, right value), −1: no row.
using Pair = std::pair<int64_t, int64_t>;
using PairsOut = std::multiset<Pair>;

/// What comes of rows in all.
PairsOut IntervalReference(const IntervalCase& join, const std::vector<StreamRow>& left,
                           const std::vector<StreamRow>& right) {
  PairsOut pairs;
  std::set<int64_t> matched_right;
  for (const StreamRow& l : left) {
    bool any = false;
    for (const StreamRow& r : right) {
      if (!join.Matches(l, r)) continue;
      pairs.emplace(l.value, r.value);
      matched_right.insert(r.value);
      any = true;
    }
    if (!any && join.keeps(0)) pairs.emplace(l.value, -1);
  }
  for (const StreamRow& r : right) {
    if (join.keeps(1) && !matched_right.contains(r.value)) pairs.emplace(-1, r.value);
  }
  return pairs;
}

/// An interval join on some lanes, fed as exchanges feed it.
class Drive {
 public:
  Drive(World& world, const IntervalJoinSpec& spec) : world_(world), lanes_(world, spec, nullptr) {
    EXPECT_OK(lanes_.Open());
  }

  Status Push(int port, const Batch& pushed, Rng& rng) {
    EncodedKeys keys;
    ARROW_ASSIGN_OR_RAISE(const KeyEncoder encoder, KeyEncoder::Make({{0, "k", arrow::int64()}}));
    ARROW_RETURN_NOT_OK(encoder.Encode(pushed, Pool(), &keys));
    const std::vector<uint64_t>& hashes = keys.hashes;
    for (int lane = 0; lane < world_.options.lanes; ++lane) {
      auto selected = std::make_shared<std::vector<uint32_t>>();
      for (uint32_t row = 0; row < hashes.size(); ++row) {
        const int owner = LaneOfKeyGroup(KeyGroupOf(hashes[row]), world_.options.lanes);
        if (owner == lane) selected->push_back(row);
      }
      if (selected->empty()) continue;
      Batch part = pushed.WithSelection(selected);
      if (rng.Below(2) == 0) part = Disguise(part.Compact(Pool()).ValueOrDie(), rng);
      ARROW_RETURN_NOT_OK(lanes_.Repeat(
          static_cast<size_t>(lane),
          [&](Operator& op, Out& out) { return op.Push(port, part, out); }, &outputs));
    }
    return Status::OK();
  }
  template <typename Call>
  Status OnEveryLane(Call call) {
    for (size_t lane = 0; lane < lanes_.operators().size(); ++lane) {
      ARROW_RETURN_NOT_OK(lanes_.Repeat(lane, call, &outputs));
    }
    return Status::OK();
  }
  Status Advance(int port, int64_t micros) {
    return OnEveryLane([&](Operator& op, Out& out) { return op.Advance(port, {micros}, out); });
  }
  Status Finish(int port) {
    return OnEveryLane([&](Operator& op, Out& out) { return op.Finish(port, out); });
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
  const std::vector<Watermark>& watermarks() const { return lanes_.watermarks(); }

  std::vector<Batch> outputs;

 private:
  World& world_;
  Lanes lanes_;
};

int64_t ValueAt(const Batch& batch, int column, int64_t row) {
  const auto& values = static_cast<const arrow::Int64Array&>(*batch.column(column));
  return values.IsNull(row) ? -1 : values.Value(row);
}

PairsOut PairsIn(const std::vector<Batch>& batches) {
  PairsOut pairs;
  for (const Batch& batch : batches) {
    for (const ArrayPtr& column : batch.columns()) EXPECT_OK(column->ValidateFull());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      pairs.emplace(ValueAt(batch, 2, row), ValueAt(batch, 6, row));
    }
  }
  return pairs;
}

/// Two streams out of order, their watermarks, and what is in the join so far.
class Streams {
 public:
  Streams(const IntervalCase& join, uint64_t seed) : join_(join), rng_(seed) {
    keys_ = std::vector<uint64_t>{1, 4, 30, 1000}[rng_.Below(4)];
  }

  /// The next rows of one side: around a clock that goes on, some long ago.
  std::vector<StreamRow> Next(int port) {
    std::vector<StreamRow> rows(1 + rng_.Below(12));
    for (StreamRow& row : rows) {
      clock_[port] += static_cast<int64_t>(rng_.Below(3));
      row.key = static_cast<int64_t>(rng_.Below(keys_));
      row.time = clock_[port] - static_cast<int64_t>(rng_.Below(8));
      if (rng_.Below(15) == 0) row.time = *row.time - 30;
      if (rng_.Below(20) == 0) row.key = std::nullopt;
      if (rng_.Below(20) == 0) row.time = std::nullopt;
      row.value = next_value_++;
      const bool is_late = row.time.has_value() && *row.time < watermark[port] - join_.grace;
      if (is_late) ++late_rows;
      if (!is_late) taken[port].push_back(row);
    }
    return rows;
  }
  int64_t NextWatermark(int port) {
    watermark[port] = std::max(watermark[port], clock_[port] - static_cast<int64_t>(rng_.Below(9)));
    return watermark[port];
  }

  std::vector<StreamRow> taken[2];
  int64_t watermark[2] = {-1000, -1000};
  int64_t late_rows = 0;

 private:
  const IntervalCase join_;
  Rng rng_;
  uint64_t keys_;
  int64_t clock_[2] = {0, 0};
  int64_t next_value_ = 0;
};

/// Rows of `port` that can have no partner any more must have come out, matched or alone.
void ExpectDoneAreOut(const IntervalCase& join, const Streams& streams, int port,
                      const PairsOut& out) {
  const std::optional<int64_t>& last = port == 0 ? join.upper : join.lower;
  if (!join.keeps(port) || !last.has_value()) return;
  const int64_t horizon = streams.watermark[1 - port] - join.grace;
  std::set<int64_t> seen;
  for (const Pair& pair : out) seen.insert(port == 0 ? pair.first : pair.second);
  for (const StreamRow& row : streams.taken[port]) {
    const bool is_done = !row.key.has_value() || !row.time.has_value() ||
                         (port == 0 ? *row.time + *last : *row.time - *last) < horizon;
    ASSERT_TRUE(!is_done || seen.contains(row.value)) << row.value;
  }
}

/// No row that comes after a watermark is before it.
void ExpectNotBefore(const std::vector<Batch>& outputs, size_t from, int64_t watermark,
                     int64_t factor) {
  for (size_t i = from; i < outputs.size(); ++i) {
    for (int column : {1, 5}) {
      const auto& times = static_cast<const arrow::TimestampArray&>(*outputs[i].column(column));
      for (int64_t row = 0; row < times.length(); ++row) {
        ASSERT_TRUE(times.IsNull(row) || times.Value(row) >= watermark * factor);
      }
    }
  }
}

IntervalCase RandomCase(Rng& rng) {
  IntervalCase join;
  join.kind = kIntervalKinds[rng.Below(4)];
  const int64_t a = static_cast<int64_t>(rng.Below(21)) - 10;
  const int64_t b = static_cast<int64_t>(rng.Below(21)) - 10;
  join.lower = std::min(a, b);
  join.upper = std::max(a, b);
  if (rng.Below(8) == 0) join.lower.reset();
  if (rng.Below(8) == 0) join.upper.reset();
  join.grace = rng.Below(2) == 0 ? 0 : static_cast<int64_t>(rng.Below(10));
  join.residual = rng.Below(3) == 0;
  if (rng.Below(3) == 0) join.unit = arrow::TimeUnit::NANO;
  return join;
}

TEST(IntervalJoinTest, AgreesWithNestedLoops) {
  for (uint64_t seed = 1; seed <= RandomCases(60); ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const IntervalCase join = RandomCase(rng);
    const IntervalJoinSpec spec = join.Spec();
    const auto vfs = MakeMemoryVfs();
    const auto options = [&] {
      return DriveOptions{.lanes = 1 + static_cast<int>(rng.Below(4)),
                          .batch_rows = rng.Below(2) == 0 ? 3 : 1000,
                          .seed = seed};
    };
    auto world = std::make_unique<World>(options());
    auto drive = std::make_unique<Drive>(*world, spec);
    Streams streams(join, seed);
    std::vector<Batch> outputs;
    int64_t late_rows = 0;
    bool ended[2] = {false, false};
    const int64_t factor = join.unit == arrow::TimeUnit::NANO ? 1000 : 1;
    for (int step = 0; step < 120; ++step) {
      const int port = static_cast<int>(rng.Below(2));
      if (ended[port]) continue;
      if (rng.Below(3) > 0) {
        ASSERT_OK(drive->Push(port, BatchOf(streams.Next(port), join.unit), rng));
      } else {
        ASSERT_OK(drive->Advance(port, streams.NextWatermark(port)));
        PairsOut so_far = PairsIn(outputs);
        so_far.merge(PairsIn(drive->outputs));
        ASSERT_NO_FATAL_FAILURE(ExpectDoneAreOut(join, streams, 1 - port, so_far));
        // Only a lane's own watermark binds its rows, and with one lane there is one.
        if (world->options.lanes == 1 && !drive->watermarks().empty()) {
          const size_t before = drive->outputs.size();
          ASSERT_OK(drive->Push(port, BatchOf(streams.Next(port), join.unit), rng));
          ASSERT_NO_FATAL_FAILURE(
              ExpectNotBefore(drive->outputs, before, drive->watermarks().back().micros, factor));
        }
      }
      if (step > 80 && rng.Below(30) == 0) {
        ended[port] = true;
        streams.watermark[port] = int64_t{1} << 40;
        ASSERT_OK(drive->Finish(port));
      }
      if (ended[0] || ended[1] || rng.Below(20) > 0) continue;
      ASSERT_OK(drive->Save(*vfs));
      std::move(drive->outputs.begin(), drive->outputs.end(), std::back_inserter(outputs));
      late_rows += world->metrics.late_rows;
      drive.reset();
      world = std::make_unique<World>(options());
      drive = std::make_unique<Drive>(*world, spec);
      ASSERT_OK(drive->Load(*vfs));
    }
    for (int port : {1, 0}) {
      ASSERT_OK(ended[port] ? Status::OK() : drive->Finish(port));
    }
    std::move(drive->outputs.begin(), drive->outputs.end(), std::back_inserter(outputs));
    late_rows += world->metrics.late_rows;
    ASSERT_EQ(PairsIn(outputs), IntervalReference(join, streams.taken[0], streams.taken[1]));
    ASSERT_EQ(late_rows, streams.late_rows);
  }
}

TEST(IntervalJoinTest, RefusedMemoryChangesNothing) {
  for (uint64_t seed = 1; seed <= RandomCases(60); ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const IntervalCase join = RandomCase(rng);
    PipeSettings settings;
    settings.refuse_seed = seed;
    settings.batch_rows = 5;
    Pipe pipe(join.Spec(), settings);
    ASSERT_OK(pipe.Open());
    Streams streams(join, seed);
    for (int step = 0; step < 60; ++step) {
      const int port = static_cast<int>(rng.Below(2));
      ASSERT_OK(pipe.Push(BatchOf(streams.Next(port), join.unit), port));
      ASSERT_OK(pipe.Advance({streams.NextWatermark(port)}, port));
    }
    ASSERT_OK(pipe.Finish(0));
    ASSERT_OK(pipe.Finish(1));
    ASSERT_EQ(PairsIn(pipe.outputs()), IntervalReference(join, streams.taken[0], streams.taken[1]));
    EXPECT_GT(pipe.refused(), 0);
  }
}

StreamRow At(int64_t key, int64_t time, int64_t value) { return {key, time, value}; }

TEST(IntervalJoinTest, PartnersComeInTheOrderOfTheirTimes) {
  IntervalCase join;
  Pipe pipe(join.Spec());
  ASSERT_OK(pipe.Open());
  ASSERT_OK(
      pipe.Push(BatchOf({At(1, 12, 0), At(1, 8, 1), At(2, 10, 2), At(1, 10, 3)}, join.unit), 1));
  ASSERT_OK(pipe.Push(BatchOf({At(1, 10, 10), At(2, 15, 11), At(1, 4, 12)}, join.unit), 0));
  std::vector<Pair> pairs;
  for (const Batch& batch : pipe.outputs()) {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      pairs.emplace_back(ValueAt(batch, 2, row), ValueAt(batch, 6, row));
    }
  }
  EXPECT_EQ(pairs, (std::vector<Pair>{{10, 1}, {10, 3}, {10, 0}, {11, 2}, {12, 1}}));
}

TEST(IntervalJoinTest, WatermarksFreeTheRowsTheyPass) {
  IntervalCase join;
  join.upper = 1000;
  PipeSettings settings;
  settings.budget_bytes = 4 << 20;
  Pipe pipe(join.Spec(), settings);
  ASSERT_OK(pipe.Open());
  int64_t value = 0;
  for (int64_t now = 0; now < 2'000'000; now += 1000) {  // all keys are new
    for (int port : {0, 1}) {
      std::vector<StreamRow> rows;
      for (int64_t i = 0; i < 500; ++i, ++value) rows.push_back(At(value, now + i, value));
      ASSERT_OK(pipe.Push(BatchOf(rows, join.unit), port));
      ASSERT_OK(pipe.Advance({now}, port));
    }
  }
  EXPECT_TRUE(pipe.outputs().empty());
  EXPECT_EQ(pipe.watermarks().back().micros, 2'000'000 - 1000 - 1000);
}

TEST(IntervalJoinTest, RowsOverTheBudgetAreAnError) {
  IntervalCase join;
  join.upper.reset();
  PipeSettings settings;
  settings.budget_bytes = 1 << 20;
  Pipe pipe(join.Spec(), settings);
  ASSERT_OK(pipe.Open());
  Status status;
  for (int64_t now = 0; now < 100 && status.ok(); ++now) {
    std::vector<StreamRow> rows;
    for (int64_t i = 0; i < 1000; ++i) rows.push_back(At(i, now, i));
    status = pipe.Push(BatchOf(rows, join.unit), 0);
  }
  EXPECT_ERROR(status, kMemoryLimit, "interval_join");
}

TEST(IntervalJoinTest, RowsOnDiskFindTheirPartners) {
  const auto space = SpillSpace::Make(testing::TempDir(), int64_t{1} << 30).ValueOrDie();
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    IntervalCase join = RandomCase(rng);
    join.lower = -2000;
    join.upper = 3000;
    PipeSettings settings;
    settings.spill = space.get();
    Pipe pipe(join.Spec(), settings);
    ASSERT_OK(pipe.Open());
    std::vector<StreamRow> taken[2];
    int64_t on_disk = 0;
    int64_t value = 0;
    for (int64_t now = 0; now < 6000; now += 1000) {
      for (int port : {0, 1}) {
        std::vector<StreamRow> rows;
        for (int64_t i = 0; i < 1500; ++i, ++value) {
          const auto time = now + static_cast<int64_t>(rng.Below(1000));
          rows.push_back(At(static_cast<int64_t>(rng.Below(1000)), time, value));
        }
        taken[port].insert(taken[port].end(), rows.begin(), rows.end());
        const int64_t before = pipe.budget().used_bytes();
        ASSERT_OK(pipe.Push(BatchOf(rows, join.unit), port));
        if (rng.Below(2) == 0) {
          ASSERT_OK_AND_ASSIGN(const int64_t freed, pipe.op().Reclaim(int64_t{1} << 30));
          EXPECT_GT(freed, 0) << before;
        }
        on_disk = std::max(on_disk, space->used_bytes());
      }
      for (int port : {0, 1}) ASSERT_OK(pipe.Advance({now}, port));
    }
    for (int port : {0, 1}) ASSERT_OK(pipe.Finish(port));
    ASSERT_EQ(PairsIn(pipe.outputs()), IntervalReference(join, taken[0], taken[1]));
    EXPECT_GT(on_disk, 0);
    EXPECT_EQ(space->used_bytes(), 0);
  }
}

TEST(IntervalJoinTest, ReadsTheSideThatIsBehind) {
  IntervalCase join;
  Pipe pipe(join.Spec());
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Advance({10}, 0));
  EXPECT_EQ(pipe.op().Wants(), Operator::RatherPort(1));
  ASSERT_OK(pipe.Advance({20}, 1));
  EXPECT_EQ(pipe.op().Wants(), Operator::RatherPort(0));
  ASSERT_OK(pipe.Finish(0));
  EXPECT_EQ(pipe.op().Wants(), Operator::RatherPort(1));
}

}  // namespace
}  // namespace headrace
