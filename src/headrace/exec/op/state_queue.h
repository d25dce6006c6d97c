// StateQueue: states of one aggregate side by side, which do not move.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "headrace/function/function.h"

namespace headrace {

/// Memory grows with the states and is kept when they are cleared.
class StateQueue {
 public:
  explicit StateQueue(const AggregateKernel& kernel) : kernel_(&kernel) {}
  ~StateQueue() { Clear(); }
  StateQueue(const StateQueue&) = delete;
  StateQueue& operator=(const StateQueue&) = delete;

  int64_t size() const { return size_; }
  std::byte* operator[](int64_t index) const { return slots_[static_cast<size_t>(index)]; }
  std::byte* const* pointers() const { return slots_.data(); }
  int64_t bytes() const {
    return static_cast<int64_t>(slots_.size() * stride() + slots_.capacity() * sizeof(std::byte*) +
                                blocks_.capacity() * sizeof(Block));
  }

  /// A fresh state behind the others.
  std::byte* Push() {
    if (static_cast<size_t>(size_) == slots_.size()) AddBlock();
    std::byte* const state = slots_[static_cast<size_t>(size_++)];
    kernel_->init(state);
    return state;
  }
  void Clear() {
    for (int64_t i = 0; kernel_->destroy != nullptr && i < size_; ++i) {
      kernel_->destroy(slots_[static_cast<size_t>(i)]);
    }
    size_ = 0;
  }
  /// `count` fresh states.
  void Reset(int64_t count) {
    Clear();
    while (size_ < count) Push();
  }
  void Swap(StateQueue& other) {
    std::swap(blocks_, other.blocks_);
    std::swap(slots_, other.slots_);
    std::swap(size_, other.size_);
  }

 private:
  using Block = std::unique_ptr<std::byte[]>;
  static constexpr size_t kBlockStates = 64;

  size_t stride() const {
    return (kernel_->size + kernel_->align - 1) / kernel_->align * kernel_->align;
  }
  void AddBlock() {
    const size_t count = std::clamp<size_t>(slots_.size(), 1, kBlockStates);
    Block& block = blocks_.emplace_back(std::make_unique<std::byte[]>(count * stride()));
    for (size_t i = 0; i < count; ++i) slots_.push_back(block.get() + i * stride());
  }

  const AggregateKernel* kernel_;
  std::vector<Block> blocks_;
  std::vector<std::byte*> slots_;  // the first size_ hold states
  int64_t size_ = 0;
};

}  // namespace headrace
