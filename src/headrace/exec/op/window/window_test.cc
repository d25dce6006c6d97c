// Window: against row-at-a-time loops over any partitions and batches; saved states; budgets.
#include "headrace/exec/op/window/window.h"

#include <map>

#include "headrace/exec/op/pipe_drive.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/function/registry.h"

namespace headrace {
namespace {

using namespace pipe_test;

/// Columns k (int64), s (string), v (int64).
TestTable RandomTable(Rng& rng, int64_t count, uint64_t distinct) {
  const auto number = [&](uint64_t below) {
    return [&rng, below](int64_t) -> std::optional<int64_t> {
      if (rng.Below(8) == 0) return std::nullopt;
      return static_cast<int64_t>(rng.Below(below)) - 3;
    };
  };
  const auto text = [&](int64_t) -> std::optional<std::string> {
    if (rng.Below(8) == 0) return std::nullopt;
    return "t" + std::to_string(rng.Below(distinct));
  };
  ArrayPtr k = Int64s(count, number(distinct));
  ArrayPtr s = Texts(count, text);
  ArrayPtr v = Int64s(count, number(1000));
  return {arrow::schema({arrow::field("k", arrow::int64()), arrow::field("s", arrow::utf8()),
                         arrow::field("v", arrow::int64())}),
          Batch({k, s, v}, count)};
}

FunctionCall CallOf(const FunctionDef* function, size_t overload, std::vector<ExpressionPtr> args,
                    TypePtr type) {
  return {function, &function->overloads[overload], std::move(args), std::move(type), "", false};
}

FunctionCall Lag(const TestTable& table, int column, int64_t rows) {
  const auto& field = table.schema->field(column);
  return CallOf(FindFunction(Dialect::kSql, "lag"), 1,
                {Expression::Column(column, field->name(), field->type()),
                 Expression::Literal(std::make_shared<arrow::Int64Scalar>(rows))},
                field->type());
}

FunctionCall CumulativeSum(const TestTable& table, int column) {
  const auto& field = table.schema->field(column);
  const FunctionDef* function = FindFunction(Dialect::kSql, "cumulative_sum");
  return CallOf(function, 1, {Expression::Column(column, field->name(), field->type())},
                arrow::int64());
}

// lag(v, 2), lag(s, 1), cumulative_sum(v)
WindowOperatorSpec SpecOver(const TestTable& table, std::vector<int> partition_by) {
  return {table.schema,
          std::move(partition_by),
          {Lag(table, 2, 2), Lag(table, 1, 1), CumulativeSum(table, 2)}};
}

Cells RowByRow(const TestTable& table, const std::vector<int>& partition_by) {
  struct State {
    Cells seen;
    std::optional<int64_t> sum;
  };
  std::map<std::vector<std::string>, State> states;
  Cells result = CellsOf(table.batch);
  for (auto& row : result) {
    std::vector<std::string> key;
    for (int column : partition_by) key.push_back(row[static_cast<size_t>(column)]);
    State& state = states[key];
    const size_t seen = state.seen.size();
    if (row[2] != "NULL") state.sum = state.sum.value_or(0) + std::stoll(row[2]);
    state.seen.push_back(row);
    row.push_back(seen < 2 ? "NULL" : state.seen[seen - 2][2]);
    row.push_back(seen < 1 ? "NULL" : state.seen[seen - 1][1]);
    row.push_back(state.sum.has_value() ? std::to_string(*state.sum) : "NULL");
  }
  return result;
}

std::vector<int> RandomPartition(Rng& rng) {
  return std::vector<std::vector<int>>{{}, {0}, {1}, {0, 1}}[rng.Below(4)];
}

TEST(WindowTest, AgreesWithRowByRow) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const TestTable table =
        RandomTable(rng, 1 + static_cast<int64_t>(rng.Below(400)), 1 + rng.Below(40));
    const std::vector<int> partition_by = RandomPartition(rng);
    PipeSettings options;
    options.refuse_seed = seed;
    Pipe pipe(SpecOver(table, partition_by), options);
    ASSERT_OK(pipe.Run(SplitRows(table, rng, 1 + static_cast<int64_t>(rng.Below(100)))));
    EXPECT_EQ(pipe.cells(), RowByRow(table, partition_by));
  }
}

TEST(WindowTest, GoesOnFromItsSavedState) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const TestTable table = RandomTable(rng, 300, 1 + rng.Below(100));
    const std::vector<int> partition_by = RandomPartition(rng);
    const WindowOperatorSpec spec = SpecOver(table, partition_by);
    const auto vfs = MakeMemoryVfs();
    ASSERT_OK(vfs->MakeDirectories("/s"));
    auto pipe = std::make_unique<Pipe>(spec);
    ASSERT_OK(pipe->Open());
    Cells cells;
    for (const Batch& batch : SplitRows(table, rng, 60)) {
      ASSERT_OK(pipe->Push(batch));
      for (auto& row : CellsOf(pipe->TakeOutputs())) cells.push_back(std::move(row));
      ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs, "/s/w", Pool()));
      ASSERT_OK(pipe->op().Save(*writer));
      ASSERT_OK(writer->Close(false));
      ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs, "/s/w", Pool()));
      pipe = std::make_unique<Pipe>(spec);
      ASSERT_OK(pipe->Open());
      ASSERT_OK(pipe->op().Load(*reader));
    }
    EXPECT_EQ(cells, RowByRow(table, partition_by));
  }
}

TEST(WindowTest, StateOfAnotherQueryIsRefused) {
  Rng rng(1);
  const TestTable table = RandomTable(rng, 100, 10);
  const auto vfs = MakeMemoryVfs();
  ASSERT_OK(vfs->MakeDirectories("/s"));
  Pipe pipe(SpecOver(table, {0}));
  ASSERT_OK(pipe.Run({table.batch}));
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs, "/s/w", Pool()));
  ASSERT_OK(pipe.op().Save(*writer));
  ASSERT_OK(writer->Close(false));
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs, "/s/w", Pool()));
  for (const std::vector<int>& other : std::vector<std::vector<int>>{{}, {1}, {0, 1}}) {
    Pipe loading(SpecOver(table, other));
    ASSERT_OK(loading.Open());
    EXPECT_ERROR(loading.op().Load(*reader), kBadData, "does not fit");
  }
  Pipe twice(SpecOver(table, {0}));
  ASSERT_OK(twice.Open());
  ASSERT_OK(twice.op().Load(*reader));
  EXPECT_ERROR(twice.op().Load(*reader), kBadData, "a partition twice");
}

TEST(WindowTest, FunctionsThatLookAheadAreRefused) {
  Rng rng(1);
  const TestTable table = RandomTable(rng, 10, 3);
  FunctionDef lead = *FindFunction(Dialect::kSql, "lag");
  lead.lookahead = kByArgument;
  FunctionCall call = Lag(table, 2, 1);
  call.function = &lead;
  Pipe pipe(WindowOperatorSpec(table.schema, {}, {call}));
  EXPECT_ERROR(pipe.Open(), kUnsupported, "lag(v, 1) needs rows that come later");
}

TEST(WindowTest, NullArgumentsMakeNullsWhereTheFunctionSaysSo) {
  const TestTable table =
      MakeRows({arrow::field("k", arrow::int64()), arrow::field("s", arrow::utf8()),
                arrow::field("v", arrow::int64())},
               {"[1, 2, 1, 2]", R"(["a", "b", "c", "d"])", "[5, 6, null, 8]"});
  FunctionDef propagating = *FindFunction(Dialect::kSql, "cumulative_sum");
  propagating.nulls = NullRule::kPropagate;
  FunctionCall call = CumulativeSum(table, 2);
  for (const FunctionDef* function :
       {call.function, const_cast<const FunctionDef*>(&propagating)}) {
    call.function = function;
    Pipe pipe(WindowOperatorSpec(table.schema, {0}, {call}));
    ASSERT_OK(pipe.Run({table.batch}));
    const ArrayPtr sums = pipe.outputs()[0].column(3);
    const bool propagates = function == &propagating;
    EXPECT_TRUE(
        sums->Equals(FromJson(arrow::int64(), propagates ? "[5, 6, null, 14]" : "[5, 6, 5, 14]")));
  }
}

TEST(WindowTest, PartitionsAreCharged) {
  const int64_t count = 100000;
  const TestTable table{
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field("s", arrow::utf8()),
                     arrow::field("v", arrow::int64())}),
      Batch({Int64s(count, [](int64_t row) { return row; }),
             Texts(count, [](int64_t) { return "t"; }), Int64s(count, [](int64_t) { return 1; })},
            count)};
  PipeSettings options;
  options.budget_bytes = 4 << 20;
  Pipe pipe(SpecOver(table, {0}), options);
  ASSERT_OK(pipe.Open());
  Status status;
  for (int64_t begin = 0; status.ok() && begin < count; begin += 1000) {
    status = pipe.Push(table.batch.Slice(begin, 1000));
  }
  EXPECT_ERROR(status, kMemoryLimit, "window wants");
}

TEST(WindowTest, DescribesItself) {
  Rng rng(1);
  const TestTable table = RandomTable(rng, 10, 3);
  EXPECT_EQ(SpecOver(table, {0, 1}).Describe(),
            "lag(v, 2), lag(s, 1), cumulative_sum_checked(v) partition by k, s");
}

}  // namespace
}  // namespace headrace
