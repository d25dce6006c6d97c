// The sketch of keys against the numbers that were put in.
#include "headrace/exec/op/aggregate/key_sketch.h"

#include <gtest/gtest.h>

#include <vector>

#include "headrace/base/hash.h"

namespace headrace {
namespace {

TEST(KeySketchTest, EstimatesHowManyKeysCame) {
  for (const int64_t keys : {1, 100, 5000, 20'000, 1'000'000}) {
    KeySketch sketch;
    for (int64_t time = 0; time < 2; ++time) {
      std::vector<uint64_t> hashes;
      for (int64_t key = 0; key < keys; ++key) {
        hashes.push_back(HashInteger(static_cast<uint64_t>(key)));
      }
      sketch.Add(hashes);
    }
    EXPECT_EQ(sketch.num_rows(), 2 * keys);
    EXPECT_NEAR(static_cast<double>(sketch.EstimatedKeys()), static_cast<double>(keys),
                0.06 * static_cast<double>(keys));
    sketch.Clear();
    EXPECT_EQ(sketch.num_rows(), 0);
    EXPECT_EQ(sketch.EstimatedKeys(), 0);
  }
}

}  // namespace
}  // namespace headrace
