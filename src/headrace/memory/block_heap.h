// BlockHeap: blocks of some kilobytes for an Arrow pool, by size class.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace headrace {

/// Blocks of a class – sixteen to a doubling – stand in slabs of 2 MiB; a slab without blocks
/// serves any class. So memory that is freed in one size is found again in another, nothing is
/// searched, and what is free is known by slab and can be given back to the system. Thread safe.
class BlockHeap {
 public:
  static constexpr int64_t kBytesMin = int64_t{4} << 10;
  static constexpr int64_t kBytesMax = int64_t{512} << 10;

  /// Whether blocks of so many bytes come from here.
  static bool Takes(int64_t bytes) { return bytes >= kBytesMin && bytes <= kBytesMax; }
  /// What a block of so many bytes takes: up to a sixteenth more.
  static int64_t BlockBytes(int64_t bytes);

  /// Keeps so many bytes of slabs without blocks, or half of what is in use if that is more; the
  /// rest is given back at once.
  explicit BlockHeap(int64_t kept_bytes_max);
  /// REQUIRES: every block was freed.
  ~BlockHeap();
  BlockHeap(const BlockHeap&) = delete;
  BlockHeap& operator=(const BlockHeap&) = delete;

  /// REQUIRES: Takes(bytes). Aligned to 64; null when the system has no memory.
  uint8_t* Allocate(int64_t bytes);
  /// REQUIRES: from Allocate of as many bytes.
  void Free(uint8_t* block, int64_t bytes);
  /// Gives the memory of everything free back to the system.
  void Release();
  /// Of all slabs, whether blocks in them are used or not.
  int64_t mapped_bytes() const;

 private:
  struct Slab;
  struct Class {
    std::mutex mutex;         // guards the list and its slabs
    Slab* partial = nullptr;  // slabs with blocks in use and others free, the last one freed first
  };
  static constexpr int kClassesPerDoubling = 16;
  static constexpr int kClasses = 7 * kClassesPerDoubling + 1;

  static int ClassOf(int64_t bytes);
  static int64_t BytesOf(int number);
  Slab* TakeSlab(int number);
  void GiveSlab(Slab* slab);
  static void Link(Class& owner, Slab* slab);
  static void Unlink(Class& owner, Slab* slab);

  const size_t kept_slabs_max_;
  std::array<Class, kClasses> classes_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<Slab*> empty_;
  size_t mapped_slabs_ = 0;  // the empty ones too
};

}  // namespace headrace
