// Each block counts with what the allocator and the list of blocks take.
#include "headrace/exec/key/row_blocks.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "arrow/memory_pool.h"

namespace headrace {
namespace {

constexpr int64_t kBlockOverheadBytes = 48;
constexpr int64_t kArenaBlockBytesMin = 256;
constexpr int64_t kArenaBlockBytesMax = int64_t{64} << 10;

}  // namespace

void FreeBlock::operator()(std::byte* block) const {
  arrow::system_memory_pool()->Free(reinterpret_cast<uint8_t*>(block), bytes, align);
}

BlockPtr AllocateBlock(size_t bytes, size_t align) {
  uint8_t* block = nullptr;
  const FreeBlock free{static_cast<int64_t>(bytes),
                       static_cast<int64_t>(std::max(align, kCacheLineBytes))};
  if (!arrow::system_memory_pool()->Allocate(free.bytes, free.align, &block).ok()) {
    throw std::bad_alloc();
  }
  return {reinterpret_cast<std::byte*>(block), free};
}

RowBlocks::RowBlocks(size_t row_size, size_t row_align)
    : row_size_(row_size), row_align_(row_align) {}

int64_t RowBlocks::RowsWithRoomFor(int64_t rows) {
  if (rows <= 0) return 0;
  if (rows > kBlockRows) return (rows + kBlockRows - 1) / kBlockRows * kBlockRows;
  return std::max<int64_t>(kFirstBlockRows,
                           static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows))));
}

int64_t RowBlocks::BytesFor(int64_t rows) const {
  const int64_t room = RowsWithRoomFor(rows);
  int64_t blocks = static_cast<int64_t>(kGrowingBlocks) + room / kBlockRows - 1;
  if (room < kBlockRows) blocks = std::bit_width(static_cast<uint64_t>(room) / kFirstBlockRows);
  return room * static_cast<int64_t>(row_size_) + blocks * kBlockOverheadBytes;
}

void RowBlocks::MakeRoomFor(uint32_t row) {
  while (row >= capacity_) {
    const int64_t next = RowsWithRoomFor(capacity_ + 1);
    blocks_.push_back(AllocateBlock(static_cast<size_t>(next - capacity_) * row_size_, row_align_));
    bases_.push_back(reinterpret_cast<uintptr_t>(blocks_.back().get()) -
                     static_cast<size_t>(capacity_) * row_size_);
    capacity_ = next;
  }
}

void RowBlocks::Adopt(RowBlocks& other) {
  for (size_t block = kGrowingBlocks; block < other.blocks_.size(); ++block) {
    bases_.push_back(reinterpret_cast<uintptr_t>(other.blocks_[block].get()) -
                     static_cast<size_t>(capacity_) * row_size_);
    blocks_.push_back(std::move(other.blocks_[block]));
    capacity_ += kBlockRows;
  }
  other.blocks_.resize(std::min(other.blocks_.size(), kGrowingBlocks));
  other.bases_.resize(other.blocks_.size());
  other.capacity_ = std::min<int64_t>(other.capacity_, kBlockRows);
}

int64_t ByteArena::BlockBytes(int64_t held) {
  return std::clamp(held / 2, kArenaBlockBytesMin, kArenaBlockBytesMax);
}

const char* ByteArena::Add(std::string_view bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > left_) {
    left_ = std::max(BlockBytes(held_), size);
    blocks_.push_back(AllocateBlock(static_cast<size_t>(left_)));
    next_ = blocks_.back().get();
    held_ += left_ + kBlockOverheadBytes;
  }
  std::byte* const begin = next_;
  std::memcpy(begin, bytes.data(), bytes.size());
  next_ += size;
  left_ -= size;
  return reinterpret_cast<const char*>(begin);
}

void ByteArena::Adopt(ByteArena& other) {
  // The last block stays the one that is filled.
  blocks_.insert(blocks_.begin(), std::make_move_iterator(other.blocks_.begin()),
                 std::make_move_iterator(other.blocks_.end()));
  held_ += other.held_;
  other = ByteArena();
}

// What a block and the first string of the next one take is more than the block: two blocks in a
// row have room for at most twice what is in them, save the last one.
int64_t ByteArena::BytesToAdd(int64_t bytes) const {
  if (bytes <= left_) return held_;
  const int64_t full = held_ + 2 * bytes + 2 * bytes / kArenaBlockBytesMin * kBlockOverheadBytes;
  return full + 2 * (BlockBytes(full) + kBlockOverheadBytes);
}

}  // namespace headrace
