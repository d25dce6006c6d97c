// SpillMap: blocks keep their bytes, nothing is left behind, limits and faults are errors.
#include "headrace/memory/spill_map.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "gtest/gtest.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"

namespace headrace {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

std::unique_ptr<SpillSpace> MakeSpace(int64_t limit = int64_t{1} << 30) {
  return SpillSpace::Make(testing::TempDir(), limit).ValueOrDie();
}

// Blocks of random sizes keep their bytes while others come and go.
TEST(SpillMap, BlocksKeepTheirBytes) {
  struct Block {
    uint8_t* at;
    int64_t bytes;
    uint8_t fill;
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    const auto space = MakeSpace();
    SpillMap map(*space, "map");
    std::vector<Block> blocks;
    int64_t used = 0;
    for (int step = 0; step < 400; ++step) {
      if (!blocks.empty() && rng.Below(5) < 2) {
        const size_t at = rng.Below(blocks.size());
        const Block block = blocks[at];
        EXPECT_EQ(std::count(block.at, block.at + block.bytes, block.fill), block.bytes);
        map.Free(block.at, block.bytes);
        used -= (block.bytes + 63) / 64 * 64;
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        const auto bytes =
            static_cast<int64_t>(1 + rng.Below(rng.Below(30) == 0 ? 3'000'000 : 40'000));
        Block block{map.Allocate(bytes).ValueOrDie(), bytes, static_cast<uint8_t>(step)};
        std::memset(block.at, block.fill, static_cast<size_t>(bytes));
        used += (bytes + 63) / 64 * 64;
        blocks.push_back(block);
      }
      ASSERT_EQ(map.used_bytes(), used) << "seed " << seed;
      ASSERT_EQ(map.bytes(), space->used_bytes());
      ASSERT_GE(map.bytes(), used);
    }
    for (const Block& block : blocks) {
      EXPECT_EQ(std::count(block.at, block.at + block.bytes, block.fill), block.bytes);
      map.Free(block.at, block.bytes);
    }
    EXPECT_EQ(map.bytes(), 0) << "seed " << seed;
    EXPECT_EQ(space->used_bytes(), 0);
  }
}

TEST(SpillMap, LeavesNoNameBehind) {
  const auto space = MakeSpace();
  {
    SpillMap map(*space, "map");
    EXPECT_EQ(space->directory(), "");
    ASSERT_TRUE(map.Allocate(10).ok());
    for (const auto& entry : std::filesystem::directory_iterator(space->directory())) {
      EXPECT_EQ(entry.path().filename(), "lock");
    }
  }
  EXPECT_EQ(space->used_bytes(), 0);
}

TEST(SpillMap, LimitsAndFaultsAreErrors) {
  const auto space = MakeSpace(2 * kMegabyte);
  SpillMap map(*space, "map");
  ASSERT_TRUE(map.Allocate(kMegabyte).ok());
  EXPECT_EQ(KindOf(map.Allocate(2 * kMegabyte).status()), ErrorKind::kMemoryLimit);
  fault::Arm("spill_map.extend", 1);
  EXPECT_FALSE(map.Allocate(kMegabyte).ok());
  fault::Disarm();
  EXPECT_EQ(space->used_bytes(), kMegabyte);
  EXPECT_TRUE(map.Allocate(kMegabyte).ok());
}

}  // namespace
}  // namespace headrace
