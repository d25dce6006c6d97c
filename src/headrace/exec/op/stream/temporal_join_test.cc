// Temporal join against a loop over all versions: order of arrival, lanes, batches, watermarks,
// residuals, and state that is saved and loaded at any moment.
#include "headrace/exec/op/stream/temporal_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "headrace/base/hash.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/types/key/key_hash.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

constexpr int kPersonKey = 1;
constexpr int kEventTime = 2;

struct Side {
  TestTable table;
  std::vector<std::optional<int64_t>> keys;
  std::vector<std::optional<int64_t>> times;
};

/// id, k, at.
Side RandomSide(int64_t count, int64_t step, int64_t jitter, Rng& rng) {
  Side side;
  for (int64_t row = 0; row < count; ++row) {
    side.keys.push_back(rng.Below(15) == 0 ? std::nullopt : std::optional<int64_t>(rng.Below(8)));
    const auto back = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(jitter) + 1));
    side.times.push_back(rng.Below(40) == 0 ? std::nullopt : std::optional(step * row - back));
  }
  const auto at = [](const std::vector<std::optional<int64_t>>& cells) {
    return [&cells](int64_t row) { return cells[static_cast<size_t>(row)]; };
  };
  const TypePtr type = arrow::timestamp(arrow::TimeUnit::MICRO);
  side.table = {arrow::schema({arrow::field("id", arrow::int64()),
                               arrow::field("k", arrow::int64()), arrow::field("at", type)}),
                Batch({Int64s(count, [](int64_t row) { return row; }), Int64s(count, at(side.keys)),
                       Int64s(count, at(side.times))->View(type).ValueOrDie()},
                      count)};
  return side;
}

/// Lanes fed as exchanges feed them.
class PortDrive {
 public:
  PortDrive(World& world, const OperatorSpec& spec) : world_(world), lanes_(world, spec, nullptr) {}

  Status Open() { return lanes_.Open(); }
  Status Push(int port, const Batch& rows) {
    std::vector<uint64_t> hashes;
    ARROW_RETURN_NOT_OK(HashKeys({rows.column(kPersonKey)}, rows.num_rows(), Pool(), &hashes));
    for (int lane = 0; lane < world_.options.lanes; ++lane) {
      auto selected = std::make_shared<std::vector<uint32_t>>();
      for (uint32_t row = 0; row < hashes.size(); ++row) {
        const int owner = LaneOfKeyGroup(KeyGroupOf(hashes[row]), world_.options.lanes);
        if (owner == lane) selected->push_back(row);
      }
      if (selected->empty()) continue;
      Batch part = rows.WithSelection(selected);
      ARROW_RETURN_NOT_OK(lanes_.Repeat(
          static_cast<size_t>(lane),
          [&](Operator& op, Out& out) { return op.Push(port, part, out); }, &outputs));
    }
    return Status::OK();
  }
  Status Advance(int port, int64_t micros) {
    return Each([&](Operator& op, Out& out) { return op.Advance(port, {micros}, out); });
  }
  Status Finish(int port) {
    return Each([&](Operator& op, Out& out) { return op.Finish(port, out); });
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

  std::vector<Batch> outputs;

 private:
  template <typename Call>
  Status Each(Call call) {
    for (size_t lane = 0; lane < lanes_.operators().size(); ++lane) {
      ARROW_RETURN_NOT_OK(lanes_.Repeat(lane, call, &outputs));
    }
    return Status::OK();
  }

  World& world_;
  Lanes lanes_;
};

struct TemporalModel {
  JoinKind kind = JoinKind::kInner;
  std::vector<size_t> rows;  // that were not late
  std::vector<size_t> versions;
  int64_t late = 0;

  static Cells CellsAt(const Side& side) { return CellsOf(side.table.batch); }

  Cells Joined(const Side& left, const Side& right) const {
    const Cells left_cells = CellsAt(left);
    const Cells right_cells = CellsAt(right);
    Cells joined;
    for (const size_t row : rows) {
      std::optional<size_t> best;
      const bool can_match = left.keys[row].has_value() && left.times[row].has_value();
      for (const size_t version : versions) {
        const bool fits = can_match && right.keys[version] == left.keys[row] &&
                          right.times[version].has_value() &&
                          *right.times[version] <= *left.times[row];
        if (fits && (!best.has_value() || *right.times[version] >= *right.times[*best])) {
          best = version;
        }
      }
      if (!best.has_value() && kind == JoinKind::kInner) continue;
      joined.push_back(left_cells[row]);
      const std::vector<std::string> none(3, "NULL");
      const auto& other = best.has_value() ? right_cells[*best] : none;
      joined.back().insert(joined.back().end(), other.begin(), other.end());
    }
    std::sort(joined.begin(), joined.end());
    return joined;
  }
};

void RunOne(JoinKind kind, int lanes, uint64_t seed) {
  Rng rng(seed);
  constexpr int64_t kJitter = 60;
  const std::vector<Side> sides = {RandomSide(400, 10, kJitter, rng),
                                   RandomSide(150, 25, kJitter, rng)};
  const TemporalJoinSpec spec(sides[0].table.schema, sides[1].table.schema, kind,
                              {{kPersonKey}, {kPersonKey}, kEventTime, kEventTime, nullptr});
  World world(
      {.lanes = lanes, .batch_rows = 1 + static_cast<int64_t>(rng.Below(40)), .seed = seed});
  auto drive = std::make_unique<PortDrive>(world, spec);
  ASSERT_OK(drive->Open());
  TemporalModel model;
  model.kind = kind;
  std::vector<int64_t> next = {0, 0};
  std::vector<int64_t> watermarks = {INT64_MIN, INT64_MIN};
  std::vector<Batch> outputs;
  while (next[0] < 400 || next[1] < 150) {
    const int port = rng.Below(2) == 0 ? 0 : 1;
    const auto side = static_cast<size_t>(port);
    const Side& rows = sides[side];
    const int64_t begin = next[side];
    const int64_t end =
        std::min(rows.table.count(), begin + 1 + static_cast<int64_t>(rng.Below(30)));
    if (begin >= end) continue;
    ASSERT_OK(drive->Push(port, rows.table.batch.Slice(begin, end - begin)));
    for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
      const bool is_late = rows.times[row].has_value() && *rows.times[row] < watermarks[side];
      model.late += is_late ? 1 : 0;
      if (!is_late) (port == 0 ? model.rows : model.versions).push_back(row);
    }
    next[side] = end;
    if (rng.Below(2) == 0) {
      const int64_t step = port == 0 ? 10 : 25;
      watermarks[side] = std::max(watermarks[side], step * end - kJitter + 5);
      ASSERT_OK(drive->Advance(port, watermarks[side]));
    }
    if (rng.Below(8) > 0) continue;
    const auto vfs = MakeMemoryVfs();
    ASSERT_OK(drive->Save(*vfs));
    outputs.insert(outputs.end(), drive->outputs.begin(), drive->outputs.end());
    drive = std::make_unique<PortDrive>(world, spec);
    ASSERT_OK(drive->Open());
    ASSERT_OK(drive->Load(*vfs));
  }
  ASSERT_OK(drive->Finish(static_cast<int>(seed % 2)));
  ASSERT_OK(drive->Finish(1 - static_cast<int>(seed % 2)));
  outputs.insert(outputs.end(), drive->outputs.begin(), drive->outputs.end());
  Cells given;
  for (const Batch& batch : outputs) {
    const Cells more = CellsOf(batch);
    given.insert(given.end(), more.begin(), more.end());
  }
  std::sort(given.begin(), given.end());
  EXPECT_EQ(given, model.Joined(sides[0], sides[1]));
  EXPECT_EQ(world.metrics.late_rows, model.late);
}

TEST(TemporalJoin, GivesTheVersionOfEveryRow) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    RunOne(seed % 2 == 0 ? JoinKind::kInner : JoinKind::kLeft, 1 + static_cast<int>(seed % 3),
           seed);
    if (HasFailure()) return;
  }
}

TEST(TemporalJoin, ForgetsVersionsThatNobodyAsksFor) {
  Rng rng(3);
  const Side rows = RandomSide(1, 1, 0, rng);
  const TemporalJoinSpec spec(rows.table.schema, rows.table.schema, JoinKind::kInner,
                              {{kPersonKey}, {kPersonKey}, kEventTime, kEventTime, nullptr});
  World world({.budget_bytes = 4'000'000});
  PortDrive drive(world, spec);
  ASSERT_OK(drive.Open());
  const TypePtr type = arrow::timestamp(arrow::TimeUnit::MICRO);
  for (int64_t round = 0; round < 400; ++round) {
    const auto at = [&](int64_t row) { return round * 1000 + row; };
    const Batch batch({Int64s(1000, at), Int64s(1000, [](int64_t row) { return row % 5; }),
                       Int64s(1000, at)->View(type).ValueOrDie()},
                      1000);
    ASSERT_OK(drive.Push(1, batch));
    ASSERT_OK(drive.Advance(0, round * 1000));
    ASSERT_OK(drive.Advance(1, round * 1000));
  }
  ASSERT_OK(drive.Finish(0));
  ASSERT_OK(drive.Finish(1));
}

}  // namespace
}  // namespace headrace
