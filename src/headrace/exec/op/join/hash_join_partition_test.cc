// The bits of a hash that choose partitions.
#include "headrace/exec/op/join/hash_join_partition.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(HashJoinPartitionTest, KeyGroupsAreTheFirstBitsAndChildrenHaveThoseBehind) {
  const uint64_t hash =
      (uint64_t{0b1010101} << 57) | (uint64_t{0b11011} << 52) | (uint64_t{0b01} << 50) | 0x3ff;
  EXPECT_EQ(HashBits().Of(hash), 0b1010101);
  const HashBits child = {HashBits().end(), 5};
  EXPECT_EQ(child.Of(hash), 0b11011);
  EXPECT_EQ((HashBits{child.end(), 2}.Of(hash)), 0b01);
}

}  // namespace
}  // namespace headrace
