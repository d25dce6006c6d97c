// A slab is aligned to its size, so that a block finds it, and begins with a header that says which
// of its blocks are free, and which of those still have memory.
#include "headrace/memory/block_heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace headrace {
namespace {

constexpr int64_t kSlabBytes = int64_t{2} << 20;
constexpr int64_t kPageBytes = 4096;  // of the header; the least that is given back
constexpr int64_t kBlocksMax = (kSlabBytes - kPageBytes) / BlockHeap::kBytesMin;
constexpr int kBitsPerWord = 64;
constexpr size_t kWords = (kBlocksMax + kBitsPerWord - 1) / kBitsPerWord;

void GiveBack(uint8_t* begin, int64_t bytes) {
  (void)::madvise(begin, static_cast<size_t>(bytes), MADV_DONTNEED);
}

// Twice as much is mapped as is kept: what is not aligned goes back.
void* MapAligned() {
  constexpr auto kBytes = static_cast<size_t>(kSlabBytes);
  void* const mapped = ::mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t slab = (begin + kBytes - 1) / kBytes * kBytes;
  if (slab > begin) ::munmap(mapped, slab - begin);
  const uintptr_t end = begin + 2 * kBytes;
  if (end > slab + kBytes) ::munmap(reinterpret_cast<void*>(slab + kBytes), end - slab - kBytes);
  return reinterpret_cast<void*>(slab);
}

}  // namespace

struct BlockHeap::Slab {
  // A bit per block.
  struct Bits {
    std::array<uint64_t, kWords> words = {};

    bool Has(int64_t block) const {
      return (words[static_cast<size_t>(block) / kBitsPerWord] >> (block % kBitsPerWord) & 1) != 0;
    }
    void Set(int64_t block) {
      words[static_cast<size_t>(block) / kBitsPerWord] |= uint64_t{1} << (block % kBitsPerWord);
    }
    void Clear(int64_t block) {
      words[static_cast<size_t>(block) / kBitsPerWord] &= ~(uint64_t{1} << (block % kBitsPerWord));
    }
    // REQUIRES: there is one.
    int64_t First() const {
      size_t word = 0;
      while (words[word] == 0) ++word;
      return static_cast<int64_t>(word) * kBitsPerWord + std::countr_zero(words[word]);
    }
  };

  int64_t block_bytes = 0;
  int64_t num_blocks = 0;
  int64_t num_free = 0;
  Bits free;
  Bits used_once;  // since the last release: these blocks have memory
  Slab* next = nullptr;
  Slab* previous = nullptr;

  static Slab* Of(uint8_t* block) {
    const auto at = reinterpret_cast<uintptr_t>(block);
    return reinterpret_cast<Slab*>(at - at % static_cast<uintptr_t>(kSlabBytes));
  }
  uint8_t* BlockAt(int64_t block) {
    return reinterpret_cast<uint8_t*>(this) + kPageBytes + block * block_bytes;
  }
  int64_t NumberOf(uint8_t* block) { return (block - BlockAt(0)) / block_bytes; }

  // All blocks are free; what they had for another class stays.
  void Begin(int64_t bytes) {
    block_bytes = bytes;
    num_blocks = (kSlabBytes - kPageBytes) / bytes;
    num_free = num_blocks;
    free = Bits();
    for (int64_t block = 0; block < num_blocks; ++block) free.Set(block);
    used_once = free;
  }
  uint8_t* Take() {
    const int64_t block = free.First();
    free.Clear(block);
    used_once.Set(block);
    --num_free;
    return BlockAt(block);
  }
  // Gives back the pages that lie in free blocks alone.
  void Release() {
    for (int64_t block = 0; block < num_blocks; ++block) {
      if (!free.Has(block) || !used_once.Has(block)) continue;
      used_once.Clear(block);
      const auto begin = reinterpret_cast<uintptr_t>(BlockAt(block));
      const uintptr_t first = (begin + kPageBytes - 1) / kPageBytes * kPageBytes;
      const uintptr_t end = (begin + static_cast<uintptr_t>(block_bytes)) / kPageBytes * kPageBytes;
      if (end > first) {
        GiveBack(reinterpret_cast<uint8_t*>(first), static_cast<int64_t>(end - first));
      }
    }
  }
};

int BlockHeap::ClassOf(int64_t bytes) {
  const int doubling = std::bit_width(static_cast<uint64_t>(bytes - 1)) -
                       std::bit_width(static_cast<uint64_t>(kBytesMin - 1));
  if (bytes <= kBytesMin) return 0;
  const int64_t begin = kBytesMin << (doubling - 1);  // below bytes
  const int64_t step = begin / kClassesPerDoubling;
  return (doubling - 1) * kClassesPerDoubling + static_cast<int>((bytes - begin + step - 1) / step);
}

int64_t BlockHeap::BytesOf(int number) {
  if (number == 0) return kBytesMin;
  const int64_t begin = kBytesMin << ((number - 1) / kClassesPerDoubling);
  return begin + begin / kClassesPerDoubling * ((number - 1) % kClassesPerDoubling + 1);
}

int64_t BlockHeap::BlockBytes(int64_t bytes) { return BytesOf(ClassOf(bytes)); }

BlockHeap::BlockHeap(int64_t kept_bytes_max)
    : kept_slabs_max_(static_cast<size_t>(kept_bytes_max / kSlabBytes)) {}

BlockHeap::~BlockHeap() {
  for (Slab* slab : empty_) ::munmap(slab, kSlabBytes);
}

BlockHeap::Slab* BlockHeap::TakeSlab(int number) {
  Slab* slab = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!empty_.empty()) {
      slab = empty_.back();
      empty_.pop_back();
    }
  }
  if (slab == nullptr) {
    void* const room = MapAligned();
    if (room == nullptr) return nullptr;
    slab = new (room) Slab();
    std::lock_guard lock(mutex_);
    ++mapped_slabs_;
  }
  slab->Begin(BytesOf(number));
  return slab;
}

// What is mapped again has to be cleared, so half as much is kept as is in use.
void BlockHeap::GiveSlab(Slab* slab) {
  std::array<Slab*, 2> unwanted = {};
  {
    std::lock_guard lock(mutex_);
    empty_.push_back(slab);
    for (Slab*& other : unwanted) {
      const size_t used = mapped_slabs_ - empty_.size();
      if (empty_.size() <= std::max(kept_slabs_max_, used / 2)) break;
      other = empty_.back();
      empty_.pop_back();
      --mapped_slabs_;
    }
  }
  for (Slab* const other : unwanted) {
    if (other != nullptr) ::munmap(other, kSlabBytes);
  }
}

void BlockHeap::Link(Class& owner, Slab* slab) {
  slab->previous = nullptr;
  slab->next = owner.partial;
  if (owner.partial != nullptr) owner.partial->previous = slab;
  owner.partial = slab;
}

void BlockHeap::Unlink(Class& owner, Slab* slab) {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  (slab->previous != nullptr ? slab->previous->next : owner.partial) = slab->next;
}

uint8_t* BlockHeap::Allocate(int64_t bytes) {
  const int number = ClassOf(bytes);
  Class& owner = classes_[static_cast<size_t>(number)];
  std::lock_guard lock(owner.mutex);
  if (owner.partial == nullptr) {
    Slab* const slab = TakeSlab(number);
    if (slab == nullptr) return nullptr;
    Link(owner, slab);
  }
  Slab* const slab = owner.partial;
  uint8_t* const block = slab->Take();
  if (slab->num_free == 0) Unlink(owner, slab);
  return block;
}

void BlockHeap::Free(uint8_t* block, int64_t bytes) {
  Class& owner = classes_[static_cast<size_t>(ClassOf(bytes))];
  Slab* const slab = Slab::Of(block);
  std::lock_guard lock(owner.mutex);
  slab->free.Set(slab->NumberOf(block));
  if (++slab->num_free == 1) Link(owner, slab);
  if (slab->num_free < slab->num_blocks) return;
  Unlink(owner, slab);
  GiveSlab(slab);
}

void BlockHeap::Release() {
  for (Class& owner : classes_) {
    std::lock_guard lock(owner.mutex);
    for (Slab* slab = owner.partial; slab != nullptr; slab = slab->next) slab->Release();
  }
  std::vector<Slab*> empty;
  {
    std::lock_guard lock(mutex_);
    empty.swap(empty_);
    mapped_slabs_ -= empty.size();
  }
  for (Slab* slab : empty) ::munmap(slab, kSlabBytes);
}

int64_t BlockHeap::mapped_bytes() const {
  std::lock_guard lock(mutex_);
  return kSlabBytes * static_cast<int64_t>(mapped_slabs_);
}

}  // namespace headrace
