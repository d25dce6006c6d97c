// Keys that are there are never refused; of others as many as the bits for each key allow.
#include "headrace/exec/op/join/key_filter.h"

#include <gtest/gtest.h>

#include <thread>

#include "headrace/base/hash.h"

namespace headrace {
namespace {

Reservation Room(int64_t bytes) {
  Reservation room(MemoryBudget::MakeRoot("filter", bytes));
  EXPECT_TRUE(room.TryResize(bytes));
  return room;
}

TEST(KeyFilterTest, RefusesMostKeysThatAreNotThere) {
  constexpr uint64_t kKeys = 100'000;
  // Shares of false answers at these bits for each key, with some room: of the paper's table for
  // blocks of 64 bits.
  for (const auto& [bits, share] : {std::pair{16, 0.02}, {8, 0.09}, {4, 0.35}}) {
    KeyFilter filter(Room(static_cast<int64_t>(kKeys) * bits / 8));
    for (uint64_t key = 0; key < kKeys; ++key) filter.Insert(HashInteger(key));
    filter.CountInserted(kKeys);
    EXPECT_FALSE(filter.is_crowded());
    uint64_t there = 0;
    uint64_t others = 0;
    for (uint64_t key = 0; key < kKeys; ++key) {
      there += filter.MayHave(HashInteger(key)) ? 1 : 0;
      others += filter.MayHave(HashInteger(kKeys + key)) ? 1 : 0;
    }
    EXPECT_EQ(there, kKeys);
    EXPECT_LT(static_cast<double>(others) / kKeys, share) << bits << " bits a key";
    filter.CountInserted(16 * kKeys);
    EXPECT_TRUE(filter.is_crowded());
  }
}

TEST(KeyFilterTest, ThreadsInsertAtTheSameTime) {
  constexpr uint64_t kKeys = 40'000;
  KeyFilter filter(Room(kKeys));
  const auto insert = [&](uint64_t begin) {
    for (uint64_t key = begin; key < kKeys; key += 2) filter.Insert(HashInteger(key));
  };
  std::thread odd(insert, 1);
  insert(0);
  odd.join();
  for (uint64_t key = 0; key < kKeys; ++key) ASSERT_TRUE(filter.MayHave(HashInteger(key)));
}

}  // namespace
}  // namespace headrace
