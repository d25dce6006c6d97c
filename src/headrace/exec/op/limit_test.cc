// Limit: slices over any batches and selections, when it stops, its saved state.
#include "headrace/exec/op/limit.h"

#include "headrace/exec/op/pipe_drive.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {
namespace {

using namespace pipe_test;

TestTable Numbers(int64_t count) {
  return {arrow::schema({arrow::field("a", arrow::int64())}),
          Batch({Int64s(count, [](int64_t row) { return row; })}, count)};
}

Cells Range(int64_t begin, int64_t end) {
  Cells cells;
  for (int64_t row = begin; row < end; ++row) cells.push_back({std::to_string(row)});
  return cells;
}

TEST(LimitTest, PassesTheRowsBetween) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const auto rows = static_cast<int64_t>(rng.Below(200)) + 1;
    const auto count = static_cast<int64_t>(rng.Below(220));
    const auto offset = static_cast<int64_t>(rng.Below(220));
    Pipe pipe(LimitSpec(count, offset));
    ASSERT_OK(pipe.Run(SplitRows(Numbers(rows), rng, 1 + static_cast<int64_t>(rng.Below(50)))));
    const int64_t begin = std::min(rows, offset);
    EXPECT_EQ(pipe.cells(), Range(begin, std::min(rows, begin + count)));
    EXPECT_EQ(pipe.finished(), count == 0 || offset + count <= rows);
  }
}

TEST(LimitTest, FinishesWithItsLastBatch) {
  Pipe pipe(LimitSpec(3, 1));
  ASSERT_OK(pipe.Open());
  ASSERT_OK(pipe.Push(Numbers(2).batch));
  EXPECT_FALSE(pipe.finished());
  ASSERT_OK(pipe.Push(Numbers(2).batch));
  EXPECT_TRUE(pipe.finished());
  EXPECT_EQ(pipe.cells(), (Cells{{"1"}, {"0"}, {"1"}}));
}

TEST(LimitTest, LargestOffsetAndCount) {
  Pipe pipe(LimitSpec(INT64_MAX, INT64_MAX));
  ASSERT_OK(pipe.Run({Numbers(5).batch}));
  EXPECT_TRUE(pipe.outputs().empty());
  EXPECT_EQ(LimitSpec(3, 1).Describe(), "3 offset 1");
}

TEST(LimitTest, GoesOnFromItsSavedState) {
  const auto vfs = MakeMemoryVfs();
  ASSERT_OK(vfs->MakeDirectories("/s"));
  Pipe before(LimitSpec(4, 2));
  ASSERT_OK(before.Open());
  ASSERT_OK(before.Push(Numbers(3).batch));
  ASSERT_OK_AND_ASSIGN(auto writer, StateWriter::Make(*vfs, "/s/limit", Pool()));
  ASSERT_OK(before.op().Save(*writer));
  ASSERT_OK(writer->Close(false));
  ASSERT_OK_AND_ASSIGN(auto reader, StateReader::Make(*vfs, "/s/limit", Pool()));
  Pipe after(LimitSpec(4, 2));
  ASSERT_OK(after.Open());
  ASSERT_OK(after.op().Load(*reader));
  ASSERT_OK(after.Push(Numbers(9).batch));
  EXPECT_TRUE(after.finished());
  EXPECT_EQ(after.cells(), Range(0, 3));
}

}  // namespace
}  // namespace headrace
