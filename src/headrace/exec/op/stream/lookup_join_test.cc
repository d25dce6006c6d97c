// Lookup joins against nested loops: every kind, keys that repeat or are null, conditions, changes,
// cut batches, refused memory, lanes that are saved and loaded, tables that change meanwhile.
#include "headrace/exec/op/stream/lookup_join.h"

#include <gtest/gtest.h>

#include <numeric>

#include "arrow/record_batch.h"
#include "headrace/base/test_cases.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

constexpr JoinKind kLookupKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                     JoinKind::kFull,  JoinKind::kSemi, JoinKind::kAnti};

/// k (int64, with nulls), s (text, with nulls), v (0, 1, 2 …).
TestTable RandomRows(const std::string& prefix, int64_t count, uint64_t keys, Rng& rng) {
  const auto key = [&](int64_t) -> std::optional<int64_t> {
    if (rng.Below(10) == 0) return std::nullopt;
    return static_cast<int64_t>(rng.Below(keys));
  };
  const auto text = [&](int64_t) -> std::optional<std::string> {
    if (rng.Below(10) == 0) return std::nullopt;
    return std::string(1 + rng.Below(3), 'x');
  };
  const SchemaPtr schema = arrow::schema({arrow::field(prefix + "k", arrow::int64()),
                                          arrow::field(prefix + "s", arrow::utf8()),
                                          arrow::field(prefix + "v", arrow::int64())});
  std::vector<ArrayPtr> columns = {Int64s(count, key), Texts(count, text),
                                   Int64s(count, [](int64_t row) { return row; })};
  return {schema, Batch(std::move(columns), count)};
}

struct LookupCase {
  JoinKind kind = JoinKind::kInner;
  bool by_text = false;   // beside k
  bool residual = false;  // (v + tv) % 3 < 2, and ts is null or not "xx"
  bool filter = false;    // tv % 5 > 0
  bool has_table() const { return HasRightColumns(kind); }

  LookupTerms Terms(const arrow::Schema& stream, const arrow::Schema& table) const {
    LookupTerms terms;
    terms.stream_keys = by_text ? std::vector<int>{1, 0} : std::vector<int>{0};
    terms.table_keys = terms.stream_keys;
    terms.columns = {2, 1, 0};
    Scope of_table;
    for (int column : terms.columns) {
      of_table.Add("", table.field(column)->name(), table.field(column)->type());
    }
    Scope both(stream);
    for (const auto& entry : of_table.entries()) both.Add("", entry.name, entry.type);
    if (filter) {
      terms.filter = BindTo(of_table, Call(">", {Call("%", {Col("tv"), Int(5)}), Int(0)}));
    }
    if (residual) {
      const auto sum = Call("%", {Call("+", {Col("v"), Col("tv")}), Int(3)});
      const auto text = Unbound::Literal(std::make_shared<arrow::StringScalar>("xx"));
      const auto other = Call("is_distinct_from", {Col("ts"), text});
      terms.residual = BindTo(both, Call("and", {Call("<", {sum, Int(2)}), other}));
    }
    return terms;
  }

  bool IsThere(const std::vector<std::string>& row) const {
    return !filter || std::stoll(row[2]) % 5 > 0;
  }
  bool Matches(const std::vector<std::string>& stream,
               const std::vector<std::string>& table) const {
    if (!IsThere(table) || stream[0] == "NULL" || stream[0] != table[0]) return false;
    if (by_text && (stream[1] == "NULL" || stream[1] != table[1])) return false;
    if (!residual) return true;
    return (std::stoll(stream[2]) + std::stoll(table[2])) % 3 < 2 && table[1] != "xx";
  }
};

std::vector<std::string> Joined(const std::vector<std::string>& stream,
                                const std::vector<std::string>& table) {
  std::vector<std::string> row = stream;
  row.insert(row.end(), {table[2], table[1], table[0]});
  return row;
}

/// What the stream gives, in order; then, apart, the rows of the table without a match.
std::pair<Cells, Cells> LookupReference(const LookupCase& join, const Cells& stream,
                                        const Cells& table) {
  const std::vector<std::string> nothing(3, "NULL");
  std::vector<bool> matched(table.size(), false);
  Cells joined;
  for (const auto& row : stream) {
    bool any = false;
    for (size_t i = 0; i < table.size(); ++i) {
      if (!join.Matches(row, table[i])) continue;
      any = true;
      matched[i] = true;
      if (join.has_table()) joined.push_back(Joined(row, table[i]));
    }
    if (join.kind == JoinKind::kSemi && any) joined.push_back(row);
    if (join.kind == JoinKind::kAnti && !any) joined.push_back(row);
    const bool keeps = join.kind == JoinKind::kLeft || join.kind == JoinKind::kFull;
    if (keeps && !any) joined.push_back(Joined(row, nothing));
  }
  Cells rest;
  for (size_t i = 0; i < table.size(); ++i) {
    const bool keeps = join.kind == JoinKind::kRight || join.kind == JoinKind::kFull;
    if (keeps && !matched[i] && join.IsThere(table[i])) rest.push_back(Joined(nothing, table[i]));
  }
  return {joined, rest};
}

SourcePtr TableOf(const TestTable& rows, Rng& rng) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int64_t begin = 0; begin < rows.count();) {
    const int64_t length = std::min<int64_t>(rows.count() - begin, 1 + rng.Below(40));
    batches.push_back(rows.batch.Slice(begin, length).ToRecordBatch(rows.schema));
    begin += length;
  }
  MemoryTableOptions options;
  options.rows_per_split = 1 + static_cast<int64_t>(rng.Below(50));
  return MemoryTable::Make(rows.schema, batches, options).ValueOrDie();
}

TEST(LookupJoinTest, EveryKindAgreesWithNestedLoops) {
  for (uint64_t seed = 1; seed <= RandomCases(150); ++seed) {
    Rng rng(seed);
    LookupCase join;
    join.kind = kLookupKinds[seed % std::size(kLookupKinds)];
    join.by_text = rng.Below(3) == 0;
    join.residual = rng.Below(2) == 0;
    join.filter = rng.Below(3) == 0;
    SCOPED_TRACE(seed);
    const uint64_t keys = std::vector<uint64_t>{1, 5, 40, 1000}[rng.Below(4)];
    const TestTable stream = RandomRows("", static_cast<int64_t>(rng.Below(300)), keys, rng);
    const TestTable table = RandomRows("t", static_cast<int64_t>(rng.Below(200)), keys, rng);
    const LookupJoinSpec spec(stream.schema, TableOf(table, rng), join.kind,
                              join.Terms(*stream.schema, *table.schema));
    PipeSettings settings;
    settings.batch_rows = std::vector<int64_t>{1, 3, 50, 4096}[rng.Below(4)];
    settings.refuse_seed = rng.Below(2) == 0 ? 0 : seed;
    Pipe pipe(spec, settings, spec.MakeGlobal());
    ASSERT_OK(pipe.Run(SplitRows(stream, rng, 120)));
    auto [expected, rest] = LookupReference(join, CellsOf(stream.batch), CellsOf(table.batch));
    expected.insert(expected.end(), rest.begin(), rest.end());
    ASSERT_EQ(pipe.cells(), expected);
    for (const Batch& batch : pipe.outputs()) {
      if (!join.has_table()) continue;
      ASSERT_LE(batch.physical_rows(), settings.batch_rows);
    }
  }
}

TEST(LookupJoinTest, UniqueKeysPassTheStreamOn) {
  Rng rng(1);
  TestTable table = RandomRows("t", 100, 1000, rng);
  table.batch = table.batch.WithColumns(
      {Int64s(100, [](int64_t row) { return row; }), table.batch.column(1), table.batch.column(2)});
  TestTable stream = RandomRows("", 64, 1000, rng);
  const auto key = [](int64_t row) { return row * 7 % 100; };
  stream.batch =
      stream.batch.WithColumns({Int64s(64, key), stream.batch.column(1), stream.batch.column(2)});
  const LookupJoinSpec spec(stream.schema, TableOf(table, rng), JoinKind::kInner,
                            LookupCase{}.Terms(*stream.schema, *table.schema));
  Pipe pipe(spec);
  ASSERT_OK(pipe.Run({stream.batch}));
  ASSERT_EQ(pipe.outputs().size(), 1U);
  for (int column = 0; column < 3; ++column) {
    EXPECT_EQ(pipe.outputs()[0].column(column), stream.batch.column(column));
  }
}

TEST(LookupJoinTest, ManyMatchesComeInBatches) {
  Rng rng(1);
  TestTable table = RandomRows("t", 3000, 1, rng);
  table.batch = table.batch.WithColumns(
      {Int64s(3000, [](int64_t) { return 7; }), table.batch.column(1), table.batch.column(2)});
  TestTable stream = RandomRows("", 500, 1, rng);
  stream.batch = stream.batch.WithColumns(
      {Int64s(500, [](int64_t) { return 7; }), stream.batch.column(1), stream.batch.column(2)});
  const LookupJoinSpec spec(stream.schema, TableOf(table, rng), JoinKind::kInner,
                            LookupCase{}.Terms(*stream.schema, *table.schema));
  PipeSettings settings;
  settings.batch_rows = 1000;
  settings.batch_bytes = 20'000;
  settings.budget_bytes = 16 << 20;  // all matches at once take 18 MB
  Pipe pipe(spec, settings);
  ASSERT_OK(pipe.Run({stream.batch}));
  int64_t row = 0;
  for (const Batch& batch : pipe.outputs()) {
    ASSERT_LE(batch.num_rows(), 1000);
    const auto& of_stream = static_cast<const arrow::Int64Array&>(*batch.column(2));
    const auto& of_table = static_cast<const arrow::Int64Array&>(*batch.column(3));
    for (int64_t i = 0; i < batch.num_rows(); ++i, ++row) {
      ASSERT_EQ(of_stream.Value(i), row / 3000);
      ASSERT_EQ(of_table.Value(i), row % 3000);
    }
  }
  EXPECT_EQ(row, 500 * 3000);
}

TEST(LookupJoinTest, ChangesAreRepeatedPerMatch) {
  Rng rng(3);
  const TestTable table = RandomRows("t", 60, 10, rng);
  const TestTable stream = RandomRows("", 200, 10, rng);
  for (JoinKind kind : {JoinKind::kInner, JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti}) {
    LookupCase join;
    join.kind = kind;
    join.residual = true;
    const LookupJoinSpec spec(stream.schema, TableOf(table, rng), kind,
                              join.Terms(*stream.schema, *table.schema));
    Pipe pipe(spec);
    Batch batch = stream.batch;
    arrow::Int8Builder signs;
    for (int64_t row = 0; row < 200; ++row) ASSERT_OK(signs.Append(row % 3 == 0 ? -1 : 1));
    batch.set_change(signs.Finish().ValueOrDie());
    ASSERT_OK(pipe.Run({batch}));
    for (const Batch& out : pipe.outputs()) {
      const Batch rows = out.Compact(Pool()).ValueOrDie();
      ASSERT_NE(rows.change(), nullptr);
      const auto& change = static_cast<const arrow::Int8Array&>(*rows.change());
      const auto& v = static_cast<const arrow::Int64Array&>(*rows.column(2));
      for (int64_t row = 0; row < rows.num_rows(); ++row) {
        ASSERT_EQ(change.Value(row), v.Value(row) % 3 == 0 ? -1 : 1);
      }
    }
    ASSERT_EQ(pipe.cells(),
              LookupReference(join, CellsOf(stream.batch), CellsOf(table.batch)).first);
  }
}

TEST(LookupJoinTest, WatermarksPass) {
  Rng rng(1);
  const TestTable table = RandomRows("t", 5, 5, rng);
  const LookupJoinSpec spec(table.schema, TableOf(table, rng), JoinKind::kLeft,
                            LookupCase{}.Terms(*RandomRows("", 1, 1, rng).schema, *table.schema));
  Pipe pipe(spec);
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Advance({5}));
  ASSERT_OK(pipe.Advance({9}));
  EXPECT_EQ(pipe.watermarks(), (std::vector<Watermark>{{5}, {9}}));
}

Cells Sorted(Cells cells) {
  std::sort(cells.begin(), cells.end());
  return cells;
}

/// Batches go to lanes at random; between two of them all state may be saved and loaded on another
/// number of lanes.
TEST(LookupJoinTest, LanesKnowTogetherWhatWasMatched) {
  for (uint64_t seed = 1; seed <= RandomCases(60); ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    LookupCase join;
    join.kind = seed % 2 == 0 ? JoinKind::kRight : JoinKind::kFull;
    join.residual = rng.Below(2) == 0;
    join.by_text = rng.Below(2) == 0;
    const TestTable stream = RandomRows("", 300, 60, rng);
    const TestTable table = RandomRows("t", 150, 60, rng);
    const LookupJoinSpec spec(stream.schema, TableOf(table, rng), join.kind,
                              join.Terms(*stream.schema, *table.schema));
    const auto vfs = MakeMemoryVfs();
    std::vector<Batch> outputs;
    const auto make_lanes = [&](World& world) {
      auto lanes = std::make_unique<Lanes>(world, spec, spec.MakeGlobal());
      EXPECT_OK(lanes->Open());
      return lanes;
    };
    auto world = std::make_unique<World>(
        DriveOptions{.lanes = 1 + static_cast<int>(rng.Below(4)), .batch_rows = 20, .seed = seed});
    auto lanes = make_lanes(*world);
    for (const Batch& batch : SplitRows(stream, rng, 40)) {
      Batch pushed = batch;
      ASSERT_OK(lanes->Repeat(
          rng.Below(lanes->operators().size()),
          [&](Operator& op, Out& out) { return op.Push(0, pushed, out); }, &outputs));
      if (rng.Below(6) > 0) continue;
      if (rng.Below(2) == 0 && lanes->operators().size() > 1) {  // one lane has ended before
        ASSERT_OK(
            lanes->Repeat(0, [](Operator& op, Out& out) { return op.Finish(0, out); }, &outputs));
      }
      ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs, "/state", Pool()));
      for (const auto& op : lanes->operators()) ASSERT_OK(op->Save(*writer));
      ASSERT_OK(writer->Close(true));
      lanes.reset();
      world = std::make_unique<World>(DriveOptions{
          .lanes = 1 + static_cast<int>(rng.Below(4)), .batch_rows = 20, .seed = seed});
      lanes = make_lanes(*world);
      ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs, "/state", Pool()));
      for (const auto& op : lanes->operators()) ASSERT_OK(op->Load(*reader));
    }
    for (size_t lane = 0; lane < lanes->operators().size(); ++lane) {
      ASSERT_OK(
          lanes->Repeat(lane, [](Operator& op, Out& out) { return op.Finish(0, out); }, &outputs));
    }
    auto [expected, rest] = LookupReference(join, CellsOf(stream.batch), CellsOf(table.batch));
    expected.insert(expected.end(), rest.begin(), rest.end());
    ASSERT_EQ(Sorted(CellsOf(outputs)), Sorted(expected));
  }
}

TEST(LookupJoinTest, ATableThatChangesIsReadAsItIs) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("tk", arrow::int64()), arrow::field("tv", arrow::int64())});
  auto table = KeyedTable::Make("t", schema, {0}).ValueOrDie();
  const auto upsert = [&](const std::string& k, const std::string& v) {
    const auto batch = arrow::RecordBatch::Make(
        schema, 1, {FromJson(arrow::int64(), k), FromJson(arrow::int64(), v)});
    ASSERT_OK(table->Upsert(*batch));
  };
  LookupTerms terms;
  terms.stream_keys = {0};
  terms.table_keys = {0};
  terms.columns = {0, 1};
  const SchemaPtr stream = arrow::schema({arrow::field("k", arrow::int64())});
  const LookupJoinSpec spec(stream, table, JoinKind::kFull, terms);
  Pipe pipe(spec, {}, spec.MakeGlobal());
  ASSERT_OK(pipe.Open());
  const Batch one({FromJson(arrow::int64(), "[1]")}, 1);
  ASSERT_OK(pipe.Push(one));
  upsert("[1]", "[10]");
  ASSERT_OK(pipe.Push(one));
  upsert("[1]", "[11]");
  upsert("[2]", "[20]");
  ASSERT_OK(pipe.Push(one));
  upsert("[1]", "[12]");
  ASSERT_OK(pipe.Finish());
  EXPECT_EQ(
      pipe.cells(),
      (Cells{{"1", "NULL", "NULL"}, {"1", "1", "10"}, {"1", "1", "11"}, {"NULL", "2", "20"}}));
}

TEST(LookupJoinTest, MatchedKeysOverTheBudgetAreAnError) {
  Rng rng(1);
  const TestTable stream = RandomRows("", 20'000, 1'000'000, rng);
  TestTable table = stream;
  table.schema = RandomRows("t", 1, 1, rng).schema;
  const LookupJoinSpec spec(stream.schema, TableOf(table, rng), JoinKind::kRight,
                            LookupCase{}.Terms(*stream.schema, *table.schema));
  PipeSettings settings;
  settings.budget_bytes = 400'000;
  Pipe pipe(spec, settings, spec.MakeGlobal());
  EXPECT_ERROR(pipe.Run({stream.batch}), kMemoryLimit, "lookup_join");
}

}  // namespace
}  // namespace headrace
