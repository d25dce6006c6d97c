// What the index finds is what the table finds, over keys of small, growing and wide ranges.
#include "headrace/exec/key/range_index.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <numeric>

#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "headrace/base/rng.h"

namespace headrace {
namespace {

constexpr int64_t kRows = 4096;

// Batches of keys into a table with an index; gives in how many the index was used.
template <typename Type>
int CountUses(const std::function<typename Type::c_type(int64_t row)>& key_of, int batches,
              int64_t budget_bytes) {
  const TypePtr type = arrow::TypeTraits<Type>::type_singleton();
  const KeyEncoder encoder = KeyEncoder::Make({{0, "k", type}}).ValueOrDie();
  GroupTable table(/*is_fixed=*/true, sizeof(int64_t), alignof(int64_t));
  const auto budget = MemoryBudget::MakeRoot("test", budget_bytes);
  RangeIndex index(budget);
  std::vector<uint32_t> rows(kRows);
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<uint32_t> groups(kRows);
  std::vector<uint32_t> found(kRows);
  std::vector<std::byte*> payloads(kRows);
  int uses = 0;
  for (int64_t batch = 0; batch < batches; ++batch) {
    typename arrow::TypeTraits<Type>::BuilderType builder;
    for (int64_t row = 0; row < kRows; ++row) {
      EXPECT_TRUE(
          (row % 1000 == 7 ? builder.AppendNull() : builder.Append(key_of(batch * kRows + row)))
              .ok());
    }
    EncodedKeys keys;
    EXPECT_TRUE(encoder
                    .EncodeColumns({builder.Finish().ValueOrDie()}, kRows,
                                   arrow::default_memory_pool(), &keys)
                    .ok());
    const int64_t missing = table.Find(keys, rows.data(), kRows, groups.data());
    if (index.is_ready()) {
      ++uses;
      EXPECT_EQ(index.Find(table, keys, rows.data(), kRows, found.data(), payloads.data()),
                missing);
      EXPECT_EQ(found, groups);
      for (size_t row = 0; row < kRows; ++row) {
        if (found[row] == GroupTable::kNoGroup) continue;
        EXPECT_EQ(payloads[row], table.Payload(found[row]));
      }
    }
    table.FindOrInsert(keys, rows.data(), kRows, groups.data());
    index.Update(table, kRows);
  }
  index.Clear();
  EXPECT_EQ(budget->used_bytes(), 0);
  return uses;
}

constexpr int64_t kMuch = int64_t{1} << 30;

TEST(RangeIndexTest, KeysOfASmallRange) {
  Rng rng(1);
  EXPECT_GT(CountUses<arrow::Int64Type>(
                [&](int64_t) { return -5000 + static_cast<int64_t>(rng.Below(30000)); }, 40, kMuch),
            15);
  EXPECT_GT(CountUses<arrow::UInt16Type>(
                [&](int64_t) { return static_cast<uint16_t>(rng.Below(65536)); }, 60, kMuch),
            15);
}

TEST(RangeIndexTest, RangesAtEitherEndOfTheType) {
  Rng rng(2);
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  EXPECT_GT(
      CountUses<arrow::UInt64Type>([&](int64_t) { return kLast - rng.Below(9000); }, 12, kMuch), 5);
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  EXPECT_GT(CountUses<arrow::Int64Type>(
                [&](int64_t) { return kFirst + static_cast<int64_t>(rng.Below(9000)); }, 12, kMuch),
            4);
  // Around the sign bit of unsigned keys, which are compared as signed: no index, or a right one.
  CountUses<arrow::UInt64Type>([&](int64_t) { return (kLast >> 1) - 4500 + rng.Below(9000); }, 9,
                               kMuch);
}

TEST(RangeIndexTest, KeysThatGrow) {
  EXPECT_GT(CountUses<arrow::Int64Type>([](int64_t row) { return row % 50000; }, 40, kMuch), 10);
  CountUses<arrow::Int64Type>([](int64_t row) { return row; }, 40, kMuch);
  // One key far off ends the index.
  CountUses<arrow::Int64Type>(
      [](int64_t row) { return row == 20 * kRows ? int64_t{1} << 62 : row % 9000; }, 40, kMuch);
}

TEST(RangeIndexTest, NoneForWideRangesOrWithoutMemory) {
  Rng rng(3);
  EXPECT_EQ(
      CountUses<arrow::Int64Type>(
          [&](int64_t) { return static_cast<int64_t>(rng.Below(uint64_t{1} << 40)); }, 9, kMuch),
      0);
  EXPECT_EQ(CountUses<arrow::Int64Type>([](int64_t row) { return row % 9000; }, 9, 4096), 0);
}

}  // namespace
}  // namespace headrace
