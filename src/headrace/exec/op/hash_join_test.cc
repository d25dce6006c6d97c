// Hash join: against nested loops over any batches, lanes and encodings; rows with very many
// matches; budgets.
#include "headrace/exec/op/hash_join.h"

#include "headrace/exec/op/hash_join_table.h"
#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using namespace pipe_test;

/// Columns k (int64), s (string), v (int64: the row number).
TestTable RandomTable(Rng& rng, int64_t count, uint64_t distinct, const std::string& prefix) {
  const auto null_now_and_then = [&] { return rng.Below(10) == 0; };
  ArrayPtr k = Int64s(count, [&](int64_t) -> std::optional<int64_t> {
    if (null_now_and_then()) return std::nullopt;
    return static_cast<int64_t>(rng.Below(distinct)) - 2;
  });
  ArrayPtr s = Texts(count, [&](int64_t) -> std::optional<std::string> {
    if (null_now_and_then()) return std::nullopt;
    return std::string(rng.Below(3), 'x') + std::to_string(rng.Below(distinct));
  });
  ArrayPtr v = Int64s(count, [](int64_t row) { return row; });
  return {arrow::schema({arrow::field(prefix + "k", arrow::int64()),
                         arrow::field(prefix + "s", arrow::utf8()),
                         arrow::field(prefix + "v", arrow::int64())}),
          Batch({k, s, v}, count)};
}

struct Join {
  TestTable left;
  TestTable right;
  std::vector<int> keys;
  JoinKind kind = JoinKind::kInner;
  NullMatching nulls = NullMatching::kNeverMatch;
  bool residual = false;  // lv + rv is a multiple of 3

  HashJoinBuildSpec build() const { return {right.schema, keys, nulls}; }
  HashJoinProbeSpec probe() const {
    ExpressionPtr predicate;
    if (residual) {
      Scope scope(*left.schema);
      for (const auto& field : right.schema->fields()) scope.Add("", field->name(), field->type());
      const UnboundPtr sum = Call("+", {Col("lv"), Col("rv")});
      predicate = BindTo(scope, Call("=", {Call("%", {sum, Int(3)}), Int(0)}));
    }
    return {left.schema, keys, kind, nulls, predicate};
  }
};

bool Matches(const Join& join, const std::vector<std::string>& left,
             const std::vector<std::string>& right) {
  for (int key : join.keys) {
    const auto index = static_cast<size_t>(key);
    if (left[index] != right[index]) return false;
    if (left[index] == "NULL" && join.nulls == NullMatching::kNeverMatch) return false;
  }
  return !join.residual || (std::stoll(left[2]) + std::stoll(right[2])) % 3 == 0;
}

Cells NestedLoops(const Join& join) {
  Cells result;
  const Cells right_rows = CellsOf(join.right.batch);
  for (const auto& left : CellsOf(join.left.batch)) {
    bool matched = false;
    for (const auto& right : right_rows) {
      if (!Matches(join, left, right)) continue;
      matched = true;
      result.push_back(left);
      result.back().insert(result.back().end(), right.begin(), right.end());
    }
    if (matched || join.kind == JoinKind::kInner) continue;
    result.push_back(left);
    result.back().resize(left.size() + right_rows.at(0).size(), "NULL");
  }
  return result;
}

/// Builds over several lanes that get batches of several splits in any order.
Result<std::shared_ptr<GlobalState>> Build(const HashJoinBuildSpec& spec, const TestTable& right,
                                           Rng& rng, const PipeOptions& options) {
  std::shared_ptr<GlobalState> global = spec.MakeGlobal();
  std::vector<std::unique_ptr<Pipe>> lanes;
  const uint64_t num_lanes = 1 + rng.Below(3);
  for (uint64_t lane = 0; lane < num_lanes; ++lane) {
    PipeOptions of_lane = options;
    of_lane.lane = static_cast<int>(lane);
    lanes.push_back(std::make_unique<Pipe>(spec, of_lane, global));
    ARROW_RETURN_NOT_OK(lanes.back()->Open());
  }
  std::vector<Batch> batches = SplitRows(right, rng, 40);
  for (size_t i = 0; i < batches.size(); ++i) {
    batches[i].set_ordinal({static_cast<int64_t>(i / 3), static_cast<int64_t>(i % 3)});
  }
  for (size_t i = batches.size(); i > 1; --i) std::swap(batches[i - 1], batches[rng.Below(i)]);
  for (const Batch& batch : batches) {
    ARROW_RETURN_NOT_OK(lanes[rng.Below(num_lanes)]->Push(batch));
  }
  for (auto& lane : lanes) {
    ARROW_RETURN_NOT_OK(lane->Finish());
    ARROW_RETURN_NOT_OK(lane->op().Combine(*global));
  }
  ARROW_RETURN_NOT_OK(global->Seal(lanes[0]->context()));
  for (auto& lane : lanes) EXPECT_TRUE(lane->outputs().empty());
  return global;
}

TEST(HashJoinTest, AgreesWithNestedLoops) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const uint64_t distinct = 1 + rng.Below(60);
    Join join{RandomTable(rng, 1 + static_cast<int64_t>(rng.Below(150)), distinct, "l"),
              RandomTable(rng, 1 + static_cast<int64_t>(rng.Below(150)), distinct, "r"),
              std::vector<std::vector<int>>{{0}, {1}, {0, 1}}[rng.Below(3)]};
    join.kind = rng.Below(2) == 0 ? JoinKind::kInner : JoinKind::kLeft;
    join.nulls = rng.Below(2) == 0 ? NullMatching::kNeverMatch : NullMatching::kMatch;
    join.residual = rng.Below(2) == 0;
    PipeOptions options;
    options.refuse_seed = seed;
    options.batch_rows = std::vector<int64_t>{1, 2, 7, 4096}[rng.Below(4)];
    ASSERT_OK_AND_ASSIGN(auto table, Build(join.build(), join.right, rng, options));
    Pipe probe(join.probe(), options, table);
    ASSERT_OK(probe.Run(SplitRows(join.left, rng, 50)));
    EXPECT_EQ(probe.cells(), NestedLoops(join));
    for (const Batch& batch : probe.outputs()) EXPECT_LE(batch.num_rows(), options.batch_rows);
  }
}

TestTable Numbered(const std::string& prefix, int64_t count,
                   const std::function<int64_t(int64_t)>& key) {
  return {arrow::schema({arrow::field(prefix + "k", arrow::int64()),
                         arrow::field(prefix + "s", arrow::utf8()),
                         arrow::field(prefix + "v", arrow::int64())}),
          Batch({Int64s(count, key), Texts(count, [](int64_t) { return "t"; }),
                 Int64s(count, [](int64_t row) { return row; })},
                count)};
}

const arrow::Int64Array& Numbers(const Batch& batch, int column) {
  return static_cast<const arrow::Int64Array&>(*batch.column(column));
}

constexpr int64_t kMillion = 1000000;

std::shared_ptr<GlobalState> BuildWhole(const Join& join, const PipeOptions& options = {}) {
  const HashJoinBuildSpec spec = join.build();
  std::shared_ptr<GlobalState> global = spec.MakeGlobal();
  Pipe pipe(spec, options, global);
  EXPECT_OK(pipe.Open());
  for (int64_t begin = 0; begin < join.right.count(); begin += 4096) {
    const int64_t length = std::min<int64_t>(4096, join.right.count() - begin);
    Batch batch = join.right.batch.Slice(begin, length);
    batch.set_ordinal({0, begin / 4096});
    EXPECT_OK(pipe.Push(batch));
  }
  EXPECT_OK(pipe.Finish());
  EXPECT_OK(pipe.op().Combine(*global));
  EXPECT_OK(global->Seal(pipe.context()));
  return global;
}

TEST(HashJoinTest, OneRowMatchesAMillion) {
  const Join join{Numbered("l", 3, [](int64_t row) { return row; }),
                  Numbered("r", kMillion, [](int64_t) { return 1; }),
                  {0},
                  JoinKind::kLeft};
  Pipe probe(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(probe.Open());
  ASSERT_OK(probe.Push(join.left.batch));
  EXPECT_GE(probe.calls(), kMillion / kBatchRowsDefault);
  int64_t next = -1;  // the first and the last row match nothing
  for (const Batch& batch : probe.outputs()) {
    ASSERT_LE(batch.num_rows(), kBatchRowsDefault);
    for (int64_t row = 0; row < batch.num_rows(); ++row, ++next) {
      const bool unmatched = next == -1 || next == kMillion;
      ASSERT_EQ(Numbers(batch, 0).Value(row), next == -1 ? 0 : unmatched ? 2 : 1);
      ASSERT_EQ(Numbers(batch, 5).IsNull(row), unmatched);
      ASSERT_TRUE(unmatched || Numbers(batch, 5).Value(row) == next);
    }
  }
  EXPECT_EQ(next, kMillion + 1);
}

TEST(HashJoinTest, MillionMatchesThatAllFailTheResidualGiveOneRow) {
  // 3 divides lv + rv for no pair.
  Join join{Numbered("l", 3, [](int64_t) { return 1; }),
            Numbered("r", kMillion, [](int64_t) { return 1; }),
            {0},
            JoinKind::kLeft};
  join.residual = true;
  std::vector<ArrayPtr> columns = join.right.batch.columns();
  columns[2] = Int64s(kMillion, [](int64_t) { return 3; });
  join.right.batch = join.right.batch.WithColumns(columns);
  columns = join.left.batch.columns();
  columns[2] = FromJson(arrow::int64(), "[1, 2, 4]");
  join.left.batch = join.left.batch.WithColumns(columns);
  Pipe probe(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(probe.Open());
  ASSERT_OK(probe.Push(join.left.batch));
  EXPECT_GE(probe.calls(), 3 * (kMillion / kBatchRowsDefault));
  EXPECT_EQ(probe.cells(), (Cells{{"1", "t", "1", "NULL", "NULL", "NULL"},
                                  {"1", "t", "2", "NULL", "NULL", "NULL"},
                                  {"1", "t", "4", "NULL", "NULL", "NULL"}}));
}

TEST(HashJoinTest, OutputIsBoundInBytes) {
  constexpr int64_t kTextBytes = 100000;
  Join join{Numbered("l", 40, [](int64_t) { return 1; }),
            Numbered("r", 40, [](int64_t) { return 1; }),
            {0}};
  const ArrayPtr texts = Texts(40, [](int64_t) { return std::string(kTextBytes, 'x'); });
  for (TestTable* table : {&join.left, &join.right}) {
    std::vector<ArrayPtr> columns = table->batch.columns();
    columns[1] = texts;
    table->batch = table->batch.WithColumns(columns);
  }
  Pipe probe(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(probe.Open());
  ASSERT_OK(probe.Push(join.left.batch));
  int64_t rows = 0;
  for (const Batch& batch : probe.outputs()) {
    rows += batch.num_rows();
    EXPECT_LE(batch.num_bytes(), kBatchBytesMax + 3 * kTextBytes);
  }
  EXPECT_EQ(rows, 1600);
}

TEST(HashJoinTest, EmptyRightSide) {
  Join join{Numbered("l", 2, [](int64_t row) { return row; }),
            Numbered("r", 0, [](int64_t) { return 1; }),
            {0}};
  Pipe inner(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(inner.Open());
  ASSERT_OK(inner.Push(join.left.batch));
  EXPECT_TRUE(inner.finished());
  join.kind = JoinKind::kLeft;
  Pipe left(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(left.Run({join.left.batch}));
  EXPECT_EQ(left.cells(), (Cells{{"0", "t", "0", "NULL", "NULL", "NULL"},
                                 {"1", "t", "1", "NULL", "NULL", "NULL"}}));
  EXPECT_EQ(left.outputs()[0].column(3)->type_id(), arrow::Type::INT64);
  EXPECT_EQ(left.outputs()[0].column(4)->type_id(), arrow::Type::STRING);
}

TEST(HashJoinTest, RowsThatMatchOncePassWithoutCopies) {
  const Join join{Numbered("l", 100, [](int64_t row) { return row; }),
                  Numbered("r", 200, [](int64_t row) { return row; }),
                  {0}};
  Pipe probe(join.probe(), {}, BuildWhole(join));
  ASSERT_OK(probe.Run({join.left.batch}));
  ASSERT_EQ(probe.outputs().size(), 1U);
  EXPECT_EQ(probe.outputs()[0].column(0)->data()->buffers[1],
            join.left.batch.column(0)->data()->buffers[1]);
}

TEST(HashJoinTest, BuildClaimsItsMemory) {
  const Join join{Numbered("l", 1, [](int64_t row) { return row; }),
                  Numbered("r", 100000, [](int64_t row) { return row; }),
                  {0}};
  const HashJoinBuildSpec spec = join.build();
  PipeOptions options;
  options.budget_bytes = 1 << 20;
  Pipe pipe(spec, options, spec.MakeGlobal());
  ASSERT_OK(pipe.Open());
  Status status;
  for (int64_t begin = 0; status.ok() && begin < 100000; begin += 1000) {
    status = pipe.Push(join.right.batch.Slice(begin, 1000));
  }
  EXPECT_ERROR(status, kMemoryLimit, "hash_join_build wants");
  EXPECT_LE(pipe.budget().peak_bytes(), 1 << 20);
}

TEST(HashJoinTest, SealNeedsNoMoreThanWasClaimed) {
  const Join join{Numbered("l", 1, [](int64_t row) { return row; }),
                  Numbered("r", 100000, [](int64_t row) { return row; }),
                  {0}};
  const HashJoinBuildSpec spec = join.build();
  std::shared_ptr<GlobalState> global = spec.MakeGlobal();
  Pipe pipe(spec, {}, global);
  ASSERT_OK(pipe.Open());
  for (int64_t begin = 0; begin < 100000; begin += 1000) {
    ASSERT_OK(pipe.Push(join.right.batch.Slice(begin, 1000)));
  }
  const int64_t claimed = pipe.budget().used_bytes();
  ASSERT_OK(pipe.op().Combine(*global));
  ASSERT_OK(global->Seal(pipe.context()));
  EXPECT_EQ(pipe.budget().peak_bytes(), claimed);
  EXPECT_LT(pipe.budget().used_bytes(), claimed);
  global.reset();
  EXPECT_EQ(pipe.budget().used_bytes(), 0);
}

TEST(HashJoinTest, DescribesItself) {
  Join join{Numbered("l", 1, [](int64_t row) { return row; }),
            Numbered("r", 1, [](int64_t row) { return row; }),
            {0, 1}};
  EXPECT_EQ(join.build().Describe(), "keys=rk, rs");
  EXPECT_EQ(join.probe().Describe(), "inner, keys=lk, ls");
  join.residual = true;
  EXPECT_EQ(join.probe().Describe(), "inner, keys=lk, ls, residual=(((lv + rv) % 3) = 0)");
}

}  // namespace
}  // namespace headrace
