// Partition rests: the states beside rows are those of the rows behind them, counted by a loop.
#include "headrace/exec/op/window/partition_rests.h"

#include <gtest/gtest.h>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/op/window/aggregate_states.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

/// Partitions of 1 to 40 rows, one after the other.
TestTable PartitionsInOrder(int64_t count, Rng& rng) {
  int64_t partition = 0;
  return {arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64())}),
          Batch({Int64s(count, [&](int64_t) { return partition += rng.Below(20) == 0 ? 1 : 0; }),
                 Int64s(count,
                        [&](int64_t row) -> std::optional<int64_t> {
                          return row % 3 == 0 ? std::nullopt : std::optional<int64_t>(row);
                        })},
                count)};
}

int64_t CountSaved(const AggregateKernel& kernel, std::string_view saved) {
  AggregateStates states(kernel);
  states.Reset(1);
  EXPECT_OK(kernel.load(states[0], saved));
  arrow::Int64Builder builder;
  KernelContext context{Pool(), arrow::int64()};
  EXPECT_OK(kernel.finish(context, states.pointers(), 0, 1, &builder));
  return builder.GetValue(0);
}

// Also where memory is refused now and then, and rows go to disk.
TEST(PartitionRestsTest, StatesAreOfTheRowsBehind) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    World world({.seed = seed});
    const TestTable table = PartitionsInOrder(300, world.rng);
    const FunctionCall count = MakeCall(*table.schema, "count", {"v"}, "n");
    Pipe pipe(PartitionRestsSpec(table.schema, {0}, {count}),
              {.refuse_seed = seed % 2 == 0 ? seed : 0, .spill = world.spill.get()});
    ASSERT_OK(pipe.Run(SplitRows(table, world.rng, 1 + static_cast<int64_t>(seed))));
    ASSERT_OK_AND_ASSIGN(const Batch given, ConcatenateBatches(pipe.outputs(), Pool()));
    ASSERT_EQ(given.num_rows(), table.count());
    const auto& keys = static_cast<const arrow::Int64Array&>(*given.column(0));
    const auto& rests = static_cast<const arrow::BinaryArray&>(*given.column(2));
    int64_t behind = 0;
    for (int64_t row = table.count() - 1; row >= 0; --row) {
      const bool is_last = row + 1 == table.count() || keys.Value(row + 1) != keys.Value(row);
      if (is_last) behind = 0;
      if (is_last) {
        ASSERT_TRUE(rests.IsValid(row)) << row;
      }
      if (rests.IsValid(row)) {
        ASSERT_EQ(CountSaved(*count.overload->aggregate, rests.GetView(row)), behind) << row;
      }
      behind += given.column(1)->IsValid(row) ? 1 : 0;
    }
  }
}

}  // namespace
}  // namespace headrace
