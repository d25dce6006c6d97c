// The counting pool: exact counts, the hard limit and its message, life after the session.
#include "headrace/memory/pool.h"

#include <gtest/gtest.h>

#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "headrace/base/limits.h"
#include "headrace/base/test_status.h"
#include "headrace/memory/budget.h"

namespace headrace {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

int64_t HardLimit(int64_t limit) {
  return limit + limit / kPoolSlackInverse + kSpillReserveBytes + kFloorBytes;
}

TEST(BudgetPoolTest, CountsWhatIsAlive) {
  auto pool = BudgetPool::Make(kMiB);
  {
    ASSERT_OK_AND_ASSIGN(auto a, arrow::AllocateResizableBuffer(1000, pool.get()));
    EXPECT_GE(pool->bytes_allocated(), 1000);
    ASSERT_OK(a->Resize(100'000));
    EXPECT_GE(pool->bytes_allocated(), 100'000);
    ASSERT_OK(a->Resize(10, /*shrink_to_fit=*/true));
    EXPECT_LT(pool->bytes_allocated(), 1000);
  }
  EXPECT_EQ(pool->bytes_allocated(), 0);
  EXPECT_GE(pool->max_memory(), 100'000);
  EXPECT_GE(pool->num_allocations(), 1);
  EXPECT_GE(pool->total_bytes_allocated(), 100'000);
}

TEST(BudgetPoolTest, FailsHardPastTheLimitAndNamesTheCulprit) {
  auto pool = BudgetPool::Make(kMiB);
  const int64_t most = HardLimit(kMiB);
  {
    const PoolLabel outer("scan");
    const PoolLabel label("hash aggregate");
    ASSERT_OK_AND_ASSIGN(auto filled, arrow::AllocateBuffer(most - 1024, pool.get()));
    const auto refused = arrow::AllocateBuffer(4096, pool.get());
    EXPECT_ERROR(refused, kMemoryLimit, "hash aggregate wants 4096 bytes");
    EXPECT_ERROR(refused, kMemoryLimit, "the limit is 1048576 bytes");
    EXPECT_ERROR(refused, kMemoryLimit, "raise memory_limit");
    EXPECT_LE(pool->bytes_allocated(), most) << "a refusal is not counted";
  }
  EXPECT_EQ(pool->bytes_allocated(), 0);
  const PoolLabel scan("scan");
  EXPECT_ERROR(arrow::AllocateBuffer(most + 1, pool.get()), kMemoryLimit, "scan wants");
  EXPECT_OK(arrow::AllocateBuffer(most / 2, pool.get()));
}

TEST(BudgetPoolTest, WhatIsHeldOutsideOfThePoolCountsToo) {
  const auto ledger = std::make_shared<MemoryLedger>();
  auto session = MemoryBudget::MakeRoot("session", kMiB, "memory_limit", ledger);
  auto pool = BudgetPool::Make(kMiB, ledger);
  Reservation table(session, Backing::kOwn);
  ASSERT_OK(table.Resize(kMiB));
  const int64_t rest = HardLimit(kMiB) - kMiB;
  EXPECT_ERROR(arrow::AllocateBuffer(rest + 1, pool.get()), kMemoryLimit, "bytes are in use");
  table.Clear();
  EXPECT_OK(arrow::AllocateBuffer(rest + 1, pool.get()));
}

TEST(BudgetPoolTest, RefusedGrowthKeepsTheBuffer) {
  auto pool = BudgetPool::Make(kMiB);
  ASSERT_OK_AND_ASSIGN(auto buffer, arrow::AllocateResizableBuffer(64, pool.get()));
  buffer->mutable_data()[0] = 42;
  const int64_t before = pool->bytes_allocated();
  EXPECT_ERROR(buffer->Resize(HardLimit(kMiB) + 1), kMemoryLimit, "wants");
  EXPECT_EQ(buffer->data()[0], 42);
  EXPECT_EQ(pool->bytes_allocated(), before);
}

TEST(BudgetPoolTest, ArraysOutliveTheSession) {
  std::shared_ptr<arrow::Array> array;
  {
    auto pool = BudgetPool::Make(kMiB);
    arrow::Int64Builder builder(pool.get());
    ASSERT_OK(builder.AppendValues({1, 2, 3}));
    ASSERT_OK(builder.Finish(&array));
    BudgetPool::KeepUntilEmpty(std::move(pool));
  }
  EXPECT_EQ(array->length(), 3);
  array.reset();
  BudgetPool::KeepUntilEmpty(BudgetPool::Make(1));  // drops pools that are empty now
}

}  // namespace
}  // namespace headrace
