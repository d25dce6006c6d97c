// OrderedBag: numbers in their order, of which any can be added, taken out and looked up by rank.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace headrace {

/// Sorted blocks of bounded size: adding and taking out move numbers within a block, a rank is
/// found by the sizes of blocks. About log(n) comparisons and n / kBlock steps a call.
class OrderedBag {
 public:
  int64_t size() const { return size_; }
  int64_t bytes() const {
    int64_t numbers = 0;
    for (const Block& block : blocks_) numbers += static_cast<int64_t>(block.capacity());
    return numbers * static_cast<int64_t>(sizeof(int64_t)) +
           static_cast<int64_t>(blocks_.capacity() * sizeof(Block));
  }

  void Add(int64_t value) {
    ++size_;
    if (blocks_.empty()) {
      blocks_.push_back({value});
      return;
    }
    const size_t index = std::min(BlockOf(value), blocks_.size() - 1);
    Block& block = blocks_[index];
    block.insert(std::upper_bound(block.begin(), block.end(), value), value);
    if (block.size() == kBlock) Split(index);
  }
  /// REQUIRES: it is there.
  void Remove(int64_t value) {
    --size_;
    const size_t index = BlockOf(value);
    Block& block = blocks_[index];
    block.erase(std::lower_bound(block.begin(), block.end(), value));
    if (block.empty()) blocks_.erase(blocks_.begin() + static_cast<int64_t>(index));
  }
  /// The number with `rank` numbers in front of it. REQUIRES: rank < size().
  int64_t At(int64_t rank) const {
    size_t index = 0;
    while (rank >= static_cast<int64_t>(blocks_[index].size())) {
      rank -= static_cast<int64_t>(blocks_[index++].size());
    }
    return blocks_[index][static_cast<size_t>(rank)];
  }

 private:
  using Block = std::vector<int64_t>;
  static constexpr size_t kBlock = 512;

  /// The first whose last number is not below `value`.
  size_t BlockOf(int64_t value) const {
    const auto found =
        std::lower_bound(blocks_.begin(), blocks_.end(), value,
                         [](const Block& block, int64_t wanted) { return block.back() < wanted; });
    return static_cast<size_t>(found - blocks_.begin());
  }

  void Split(size_t index) {
    Block& lower = blocks_[index];
    Block upper(lower.begin() + kBlock / 2, lower.end());
    lower.resize(kBlock / 2);
    blocks_.insert(blocks_.begin() + static_cast<int64_t>(index) + 1, std::move(upper));
  }

  std::vector<Block> blocks_;  // none is empty
  int64_t size_ = 0;
};

}  // namespace headrace
