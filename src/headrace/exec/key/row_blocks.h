// RowBlocks and ByteArena: memory of keyed state that grows without being moved, so that nothing is
// copied, and what it will take is known before.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace headrace {

inline constexpr size_t kCacheLineBytes = 64;

inline size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct FreeBlock {
  void operator()(std::byte* block) const;
  int64_t bytes = 0;
  int64_t align = 1;
};
using BlockPtr = std::unique_ptr<std::byte, FreeBlock>;

/// Memory at a multiple of `align` and of a cache line, or std::bad_alloc. It is from the allocator
/// of batches: columns are made of the memory that keyed state gives up.
BlockPtr AllocateBlock(size_t bytes, size_t align = 1);

/// Rows of one size at addresses that do not change, in blocks that grow up to a size.
class RowBlocks {
 public:
  RowBlocks(size_t row_size, size_t row_align);

  std::byte* operator[](uint32_t row) const { return At(bases_.data(), row_size_, row); }
  /// The same for loops, which keep bases() and row_size() in registers.
  static std::byte* At(const uintptr_t* bases, size_t row_size, uint32_t row) {
    const size_t block = row >= kBlockRows
                             ? kGrowingBlocks - 1 + row / kBlockRows
                             : static_cast<size_t>(std::bit_width(row | (kFirstBlockRows - 1))) -
                                   (std::bit_width(kFirstBlockRows) - 1);
    return reinterpret_cast<std::byte*>(bases[block] + row * row_size);
  }
  const uintptr_t* bases() const { return bases_.data(); }
  size_t row_size() const { return row_size_; }
  /// Makes rows 0 … row exist; their bytes mean nothing yet.
  void MakeRoomFor(uint32_t row);
  int64_t bytes() const { return BytesFor(capacity_); }
  int64_t BytesFor(int64_t rows) const;

  /// Rows for which there is room.
  int64_t capacity() const { return capacity_; }
  /// Blocks of the rows from here on have one size.
  static constexpr uint32_t kWholeBlocksFrom = 512;
  /// Takes the blocks of another one's rows from kWholeBlocksFrom on, whose first becomes row
  /// capacity(). REQUIRES: rows of the same size; capacity() >= kWholeBlocksFrom.
  void Adopt(RowBlocks& other);

 private:
  // Rows of the blocks: 4, 4, 8, 16, 32, 64, 128, 256, and then 512 each.
  static constexpr uint32_t kFirstBlockRows = 4;
  static constexpr uint32_t kBlockRows = kWholeBlocksFrom;
  static constexpr size_t kGrowingBlocks = 8;
  static int64_t RowsWithRoomFor(int64_t rows);

  size_t row_size_;
  size_t row_align_;
  std::vector<BlockPtr> blocks_;
  std::vector<uintptr_t> bases_;  // per block: where row 0 would be if all rows lay as its own
  int64_t capacity_ = 0;
};

/// Byte strings at addresses that do not change.
class ByteArena {
 public:
  const char* Add(std::string_view bytes);
  int64_t bytes() const { return held_; }
  /// Memory held at most when strings of `bytes` bytes together are added.
  int64_t BytesToAdd(int64_t bytes) const;
  /// Takes the strings of another one, which has none afterwards.
  void Adopt(ByteArena& other);

 private:
  static int64_t BlockBytes(int64_t held);

  std::vector<BlockPtr> blocks_;
  std::byte* next_ = nullptr;
  int64_t left_ = 0;  // of the last block
  int64_t held_ = 0;
};

}  // namespace headrace
