// Orders of runs against a stable sort, and the bits of a hash that choose partitions.
#include "headrace/exec/op/hash_join_partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "headrace/base/rng.h"
#include "headrace/exec/op/hash_join_writer.h"

namespace headrace {
namespace {

TEST(HashJoinPartitionTest, RunsAreMergedInOrder) {
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<JoinPlace> places;
    for (uint64_t run = rng.Below(7); run > 0; --run) {
      JoinPlace place = {static_cast<int64_t>(rng.Below(3)), 0};
      for (uint64_t row = rng.Below(40); row > 0; --row) {
        place.second += static_cast<int64_t>(rng.Below(5));
        places.push_back(place);
      }
    }
    std::vector<int64_t> expected(places.size());
    std::iota(expected.begin(), expected.end(), 0);
    std::stable_sort(expected.begin(), expected.end(), [&](int64_t a, int64_t b) {
      return places[static_cast<size_t>(a)] < places[static_cast<size_t>(b)];
    });
    ASSERT_EQ(OrderOf(places), expected) << "round " << round;
  }
}

// Seven bits from the top, then five more at each depth.
TEST(HashJoinPartitionTest, EachDepthHasBitsOfItsOwn) {
  const uint64_t hash = (uint64_t{0b1010101} << 57) | (uint64_t{0b11011} << 52) |
                        (uint64_t{0b00111} << 47) | (uint64_t{0b10001} << 42) | 0x3ff;
  EXPECT_EQ(JoinPartitionOf(hash, 0), 0b1010101);
  EXPECT_EQ(JoinPartitionOf(hash, 1), 0b11011);
  EXPECT_EQ(JoinPartitionOf(hash, 2), 0b00111);
  EXPECT_EQ(JoinPartitionOf(hash, 3), 0b10001);
}

}  // namespace
}  // namespace headrace
