// Repeat: rows never, once and often, over any batches, in batches of bounded size.
#include "headrace/exec/op/repeat.h"

#include "headrace/exec/op/pipe_drive.h"

namespace headrace {
namespace {

using namespace pipe_test;

using TimesOfRow = std::function<int64_t(int64_t)>;

TestTable Repeated(int64_t count, const TimesOfRow& times) {
  return {arrow::schema({arrow::field("a", arrow::int64()), arrow::field("times", arrow::int64())}),
          Batch({Int64s(count, [](int64_t row) { return row; }), Int64s(count, times)}, count)};
}

Cells ExpectedCells(int64_t count, const TimesOfRow& times) {
  Cells cells;
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t i = 0; i < times(row); ++i) cells.push_back({std::to_string(row)});
  }
  return cells;
}

TEST(RepeatTest, EachRowAsOftenAsItSays) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const auto count = static_cast<int64_t>(rng.Below(200)) + 1;
    const auto most = static_cast<int64_t>(1 + rng.Below(9));
    const TimesOfRow times = [=](int64_t row) { return row * 7919 % most; };
    Pipe pipe(RepeatSpec(), {.batch_rows = 5});
    ASSERT_OK(
        pipe.Run(SplitRows(Repeated(count, times), rng, 1 + static_cast<int64_t>(rng.Below(50)))));
    EXPECT_EQ(pipe.cells(), ExpectedCells(count, times));
    for (const Batch& batch : pipe.outputs()) EXPECT_LE(batch.num_rows(), 5);
  }
}

TEST(RepeatTest, RowsThatAreGivenOncePassAsTheyCome) {
  Pipe pipe{RepeatSpec()};
  const TimesOfRow once = [](int64_t) { return 1; };
  ASSERT_OK(pipe.Run({Repeated(1000, once).batch}));
  ASSERT_EQ(pipe.outputs().size(), 1);
  EXPECT_EQ(pipe.cells(), ExpectedCells(1000, once));
}

TEST(RepeatTest, OneRowVeryOften) {
  const TimesOfRow often = [](int64_t row) { return row == 1 ? 100'000 : 0; };
  Pipe pipe(RepeatSpec(), {.batch_rows = 1000});
  ASSERT_OK(pipe.Run({Repeated(3, often).batch}));
  EXPECT_EQ(pipe.cells(), ExpectedCells(3, often));
}

}  // namespace
}  // namespace headrace
