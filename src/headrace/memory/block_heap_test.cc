// The heap of blocks: sizes, no overlap, reuse between classes, and what goes back to the system.
#include "headrace/memory/block_heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "headrace/base/rng.h"
#include "headrace/memory/resident.h"

namespace headrace {
namespace {

constexpr int64_t kHeapMegabyte = int64_t{1} << 20;

TEST(BlockHeapTest, BlocksAreALittleLargerThanAsked) {
  int64_t last = 0;
  for (int64_t bytes = BlockHeap::kBytesMin; bytes <= BlockHeap::kBytesMax; ++bytes) {
    const int64_t block = BlockHeap::BlockBytes(bytes);
    ASSERT_GE(block, bytes);
    ASSERT_LE(block, bytes + bytes / 16) << bytes;
    ASSERT_EQ(block % 64, 0) << bytes;
    ASSERT_EQ(BlockHeap::BlockBytes(block), block) << bytes;
    ASSERT_GE(block, last);
    last = block;
  }
}

struct Block {
  uint8_t* data;
  int64_t bytes;
  uint8_t mark;
};

// Fills a block, so that one which overlaps it is seen.
Block Filled(BlockHeap& heap, Rng& rng) {
  const auto span = static_cast<uint64_t>(BlockHeap::kBytesMax - BlockHeap::kBytesMin);
  const auto shift = rng.Below(8);
  const int64_t bytes = BlockHeap::kBytesMin + static_cast<int64_t>(rng.Below(span >> shift));
  Block block{heap.Allocate(bytes), bytes, static_cast<uint8_t>(rng.Below(256))};
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data) % 64, 0U);
  std::memset(block.data, block.mark, static_cast<size_t>(bytes));
  return block;
}

void FreeChecked(BlockHeap& heap, const Block& block) {
  const std::vector<uint8_t> expected(static_cast<size_t>(block.bytes), block.mark);
  ASSERT_EQ(std::memcmp(block.data, expected.data(), expected.size()), 0);
  heap.Free(block.data, block.bytes);
}

// Takes and frees at random, with a release now and then.
void Churn(BlockHeap& heap, uint64_t seed) {
  Rng rng(seed);
  std::vector<Block> blocks;
  for (int step = 0; step < 3000; ++step) {
    if (blocks.empty() || (rng.Below(100) < 55 && blocks.size() < 200)) {
      blocks.push_back(Filled(heap, rng));
    } else {
      std::swap(blocks[rng.Below(blocks.size())], blocks.back());
      FreeChecked(heap, blocks.back());
      blocks.pop_back();
    }
    if (step % 500 == 499) heap.Release();
  }
  for (const Block& block : blocks) FreeChecked(heap, block);
}

TEST(BlockHeapTest, BlocksDoNotOverlap) {
  BlockHeap heap(8 * kHeapMegabyte);
  Churn(heap, 1);
  EXPECT_LE(heap.mapped_bytes(), 8 * kHeapMegabyte);
  heap.Release();
  EXPECT_EQ(heap.mapped_bytes(), 0);
}

TEST(BlockHeapTest, ManyThreadsTakeAndFree) {
  BlockHeap heap(8 * kHeapMegabyte);
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) threads.emplace_back([&, seed] { Churn(heap, seed); });
  for (std::thread& thread : threads) thread.join();
  heap.Release();
  EXPECT_EQ(heap.mapped_bytes(), 0);
}

TEST(BlockHeapTest, FreedMemoryServesOtherSizes) {
  BlockHeap heap(64 * kHeapMegabyte);
  for (const int64_t bytes : {5'000, 70'000, 500'000, 4'096}) {
    std::vector<uint8_t*> blocks;
    for (int64_t taken = 0; taken < 32 * kHeapMegabyte; taken += bytes) {
      blocks.push_back(heap.Allocate(bytes));
    }
    for (uint8_t* block : blocks) heap.Free(block, bytes);
    EXPECT_LE(heap.mapped_bytes(), 44 * kHeapMegabyte) << bytes;
  }
}

// Every second block stays: no slab is free as a whole.
TEST(BlockHeapTest, FreeBlocksBetweenOthersGoBackToTheSystem) {
  constexpr int64_t kBytes = 64 << 10;
  BlockHeap heap(0);
  std::vector<uint8_t*> blocks;
  for (int64_t taken = 0; taken < 128 * kHeapMegabyte; taken += kBytes) {
    blocks.push_back(heap.Allocate(kBytes));
    std::memset(blocks.back(), 1, kBytes);
  }
  const int64_t full = AnonymousResidentBytes();
  for (size_t i = 0; i < blocks.size(); i += 2) heap.Free(blocks[i], kBytes);
  EXPECT_GT(AnonymousResidentBytes(), full - 16 * kHeapMegabyte);
  heap.Release();
  EXPECT_LT(AnonymousResidentBytes(), full - 48 * kHeapMegabyte);
  for (size_t i = 1; i < blocks.size(); i += 2) {
    EXPECT_EQ(blocks[i][kBytes - 1], 1);
    heap.Free(blocks[i], kBytes);
  }
  EXPECT_EQ(heap.mapped_bytes(), 0);
}

}  // namespace
}  // namespace headrace
