// OrderedBag against a sorted vector, past the size of a block.
#include "headrace/exec/op/window/ordered_bag.h"

#include <gtest/gtest.h>

#include "headrace/base/rng.h"

namespace headrace {
namespace {

TEST(OrderedBagTest, KeepsNumbersInTheirOrder) {
  for (const uint64_t distinct : {3U, 100U, 1000000U}) {
    Rng rng(distinct);
    OrderedBag bag;
    std::vector<int64_t> expected;
    for (int step = 0; step < 6000; ++step) {
      const bool removes = !expected.empty() && rng.Below(step < 4000 ? 4 : 1) == 0;
      if (removes) {
        const auto at = expected.begin() + static_cast<int64_t>(rng.Below(expected.size()));
        bag.Remove(*at);
        expected.erase(at);
      } else {
        const auto value = static_cast<int64_t>(rng.Below(distinct)) - 50;
        bag.Add(value);
        expected.insert(std::upper_bound(expected.begin(), expected.end(), value), value);
      }
      ASSERT_EQ(bag.size(), static_cast<int64_t>(expected.size()));
      if (expected.empty()) continue;
      const uint64_t rank = rng.Below(expected.size());
      ASSERT_EQ(bag.At(static_cast<int64_t>(rank)), expected[rank]) << "seed " << distinct;
    }
  }
}

}  // namespace
}  // namespace headrace
