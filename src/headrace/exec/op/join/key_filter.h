// KeyFilter: a blocked Bloom filter over the hashes of keys (F. Putze, P. Sanders, J. Singler:
// Cache-, Hash- and Space-Efficient Bloom Filters, 2007), with blocks of one word.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/exec/key/row_blocks.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// Says of a key that it may be there, or that it is not. Threads may insert at the same time, and
/// look up once they have ended.
class KeyFilter {
 public:
  /// Takes `room`, whose bytes are all it uses. REQUIRES: at least 8 of them.
  explicit KeyFilter(Reservation room);

  void Insert(uint64_t hash) {
    std::atomic<uint64_t>& word = words()[PlaceOf(hash)];
    const uint64_t bits = BitsOf(hash);
    if ((word.load(std::memory_order_relaxed) & bits) == bits) return;
    word.fetch_or(bits, std::memory_order_relaxed);
  }
  bool MayHave(uint64_t hash) const {
    const uint64_t bits = BitsOf(hash);
    return (words()[PlaceOf(hash)].load(std::memory_order_relaxed) & bits) == bits;
  }
  void Prefetch(uint64_t hash) const { __builtin_prefetch(words() + PlaceOf(hash)); }

  /// Counts keys inserted, some at a time.
  void CountInserted(int64_t keys) { keys_.fetch_add(keys, std::memory_order_relaxed); }
  /// It has too few bits for its keys to refuse many others.
  bool is_crowded() const {
    return static_cast<uint64_t>(keys_.load(std::memory_order_relaxed)) * kBitsPerKeyMin >
           64 * num_words_;
  }

 private:
  static constexpr uint64_t kBitsPerKeyMin = 4;

  std::atomic<uint64_t>* words() const {
    return reinterpret_cast<std::atomic<uint64_t>*>(block_.get());
  }
  // The upper bits choose the word, so keys of a key group are near each other; the lower ones the
  // bits in it.
  size_t PlaceOf(uint64_t hash) const {
    return static_cast<size_t>((static_cast<unsigned __int128>(hash) * num_words_) >> 64);
  }
  static uint64_t BitsOf(uint64_t hash) {
    return (uint64_t{1} << (hash & 63)) | (uint64_t{1} << ((hash >> 6) & 63)) |
           (uint64_t{1} << ((hash >> 12) & 63)) | (uint64_t{1} << ((hash >> 18) & 63));
  }

  const Reservation room_;
  const uint64_t num_words_;
  BlockPtr block_;
  std::atomic<int64_t> keys_{0};
};

}  // namespace headrace
