// AggregateStates: states of one aggregate side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "headrace/function/function.h"

namespace headrace {

/// States move when there are others. One thread.
class AggregateStates {
 public:
  explicit AggregateStates(const AggregateKernel& kernel)
      : kernel_(kernel), stride_((kernel.size + kernel.align - 1) / kernel.align * kernel.align) {}
  ~AggregateStates() { Clear(); }
  AggregateStates(const AggregateStates&) = delete;
  AggregateStates& operator=(const AggregateStates&) = delete;

  /// Drops those that there are, and makes so many.
  void Reset(int64_t count) {
    Clear();
    const size_t needed = static_cast<size_t>(count) * stride_ + kernel_.align;
    if (memory_.size() < needed) memory_.resize(needed);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    std::byte* at = memory_.data() + (kernel_.align - address % kernel_.align) % kernel_.align;
    for (int64_t i = 0; i < count; ++i, at += stride_) {
      kernel_.init(at);
      pointers_.push_back(at);
    }
  }
  std::byte* operator[](int64_t index) const { return pointers_[static_cast<size_t>(index)]; }
  std::byte* const* pointers() const { return pointers_.data(); }
  int64_t size() const { return static_cast<int64_t>(pointers_.size()); }

 private:
  void Clear() {
    if (kernel_.destroy != nullptr) {
      for (std::byte* state : pointers_) kernel_.destroy(state);
    }
    pointers_.clear();
  }

  const AggregateKernel& kernel_;
  const size_t stride_;
  std::vector<std::byte> memory_;
  std::vector<std::byte*> pointers_;
};

}  // namespace headrace
