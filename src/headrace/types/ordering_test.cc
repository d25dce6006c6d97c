// Orders of all rows and orders within groups.
#include "headrace/types/ordering.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

SortKey Up(int column) { return {column, false, NullPlacement::kLast}; }
SortKey Down(int column) { return {column, true, NullPlacement::kFirst}; }

TEST(OrderingTest, WithinGroupsKeysOfTheGroupDoNotCount) {
  EXPECT_TRUE(SatisfiesWithin({Up(1)}, {0}, {Up(1)}));
  EXPECT_TRUE(SatisfiesWithin({Up(0), Up(1)}, {0}, {Up(1)}));
  EXPECT_TRUE(SatisfiesWithin({Down(0), Up(1), Up(2)}, {0}, {Up(1)}));
  EXPECT_TRUE(SatisfiesWithin({Up(1), Up(0), Up(2)}, {0}, {Up(1), Up(2)}));
  EXPECT_TRUE(SatisfiesWithin({Up(1)}, {0}, {Up(0), Up(1)}));
  EXPECT_TRUE(SatisfiesWithin({}, {0}, {}));
  EXPECT_FALSE(SatisfiesWithin({Up(2), Up(1)}, {0}, {Up(1)}));
  EXPECT_FALSE(SatisfiesWithin({Down(1)}, {0}, {Up(1)}));
  EXPECT_FALSE(SatisfiesWithin({}, {0}, {Up(1)}));
}

TEST(OrderingTest, GroupsStandTogetherBehindTheirKeys) {
  EXPECT_TRUE(SatisfiesByGroup({Up(0), Up(1)}, {0}, {Up(1)}));
  EXPECT_TRUE(SatisfiesByGroup({Down(2), Up(0), Up(1)}, {0, 2}, {Up(1)}));
  EXPECT_TRUE(SatisfiesByGroup({Up(1)}, {}, {Up(1)}));
  EXPECT_FALSE(SatisfiesByGroup({Up(1), Up(0)}, {0}, {Up(1)}));
  EXPECT_FALSE(SatisfiesByGroup({Up(1), Up(0)}, {0, 0}, {Up(1)}));
  EXPECT_FALSE(SatisfiesByGroup({Up(0), Up(2), Up(1)}, {0}, {Up(1)}));
}

}  // namespace
}  // namespace headrace
