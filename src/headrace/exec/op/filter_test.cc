// Filter and project: selections, densities, nulls, encodings.
#include "headrace/exec/op/filter.h"

#include "headrace/exec/op/pipe_drive.h"
#include "headrace/exec/op/project.h"

namespace headrace {
namespace {

using namespace pipe_test;

TestTable RandomRows(Rng& rng, int64_t count) {
  const auto number = [&](int64_t) -> std::optional<int64_t> {
    if (rng.Below(8) == 0) return std::nullopt;
    return static_cast<int64_t>(rng.Below(100));
  };
  const auto text = [&](int64_t) -> std::optional<std::string> {
    if (rng.Below(8) == 0) return std::nullopt;
    return "t" + std::to_string(rng.Below(10));
  };
  ArrayPtr numbers = Int64s(count, number);
  return {arrow::schema({arrow::field("a", arrow::int64()), arrow::field("s", arrow::utf8())}),
          Batch({numbers, Texts(count, text)}, count)};
}

ExpressionPtr Below(const TestTable& rows, int64_t bound) {
  return BindTo(Scope(*rows.schema), Call("<", {Col("a"), Int(bound)}));
}

TEST(FilterTest, KeepsRowsThatAreTrue) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const TestTable rows = RandomRows(rng, 500);
    const auto bound = static_cast<int64_t>(rng.Below(110));
    Cells expected;
    for (const auto& row : CellsOf(rows.batch)) {
      if (row[0] != "NULL" && std::stoll(row[0]) < bound) expected.push_back(row);
    }
    Pipe pipe(FilterSpec(Below(rows, bound)));
    ASSERT_OK(pipe.Run(SplitRows(rows, rng, 60)));
    EXPECT_EQ(pipe.cells(), expected);
  }
}

TEST(FilterTest, CopiesNothingUnlessItsInputIsSparse) {
  const TestTable rows = {arrow::schema({arrow::field("a", arrow::int64())}),
                          Batch({Int64s(80, [](int64_t row) { return row; })}, 80)};
  Pipe pipe(FilterSpec(Below(rows, 9)));
  ASSERT_OK(pipe.Run({rows.batch}));
  const Batch sparse = pipe.outputs()[0];
  EXPECT_EQ(sparse.num_rows(), 9);
  EXPECT_EQ(sparse.column(0), rows.batch.column(0));
  Pipe next(FilterSpec(Below(rows, 5)));
  ASSERT_OK(next.Run({sparse}));
  EXPECT_EQ(next.outputs()[0].num_rows(), 5);
  EXPECT_EQ(next.outputs()[0].physical_rows(), 9);
}

TEST(FilterTest, NoRowsGiveNoBatchAndAllRowsTheSame) {
  const TestTable rows = MakeRows({arrow::field("a", arrow::int64())}, {"[1, 2, 3]"});
  Pipe none(FilterSpec(Below(rows, 0)));
  ASSERT_OK(none.Run({rows.batch}));
  EXPECT_TRUE(none.outputs().empty());
  Pipe all(FilterSpec(Below(rows, 9)));
  ASSERT_OK(all.Run({rows.batch}));
  EXPECT_EQ(all.outputs()[0].selection(), nullptr);
  EXPECT_EQ(all.outputs()[0].column(0), rows.batch.column(0));
}

TEST(FilterTest, ForwardsWatermarks) {
  const TestTable rows = MakeRows({arrow::field("a", arrow::int64())}, {"[1]"});
  Pipe pipe(FilterSpec(Below(rows, 0)));
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Advance({7}));
  EXPECT_EQ(pipe.watermarks(), std::vector<Watermark>{{7}});
  EXPECT_EQ(FilterSpec(Below(rows, 0)).Describe(), "(a < 0)");
}

TEST(ProjectTest, ComputesColumnsAndPassesOthersThrough) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const TestTable rows = RandomRows(rng, 300);
    const Scope scope(*rows.schema);
    const ProjectSpec spec({BindTo(scope, Col("s")), BindTo(scope, Call("+", {Col("a"), Int(1)})),
                            BindTo(scope, Col("a"))});
    Cells expected;
    for (const auto& row : CellsOf(rows.batch)) {
      const std::string next = row[0] == "NULL" ? "NULL" : std::to_string(std::stoll(row[0]) + 1);
      expected.push_back({row[1], next, row[0]});
    }
    const std::vector<Batch> batches = SplitRows(rows, rng, 60);
    Pipe pipe(spec);
    ASSERT_OK(pipe.Run(batches));
    EXPECT_EQ(pipe.cells(), expected);
    for (size_t i = 0; i < batches.size(); ++i) {
      EXPECT_EQ(pipe.outputs()[i].column(0), batches[i].column(1));
      EXPECT_EQ(pipe.outputs()[i].selection(), batches[i].selection());
    }
  }
}

}  // namespace
}  // namespace headrace
