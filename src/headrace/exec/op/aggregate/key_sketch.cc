// Few keys are counted by the registers that none of them chose.
#include "headrace/exec/op/aggregate/key_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace headrace {

void KeySketch::Add(std::span<const uint64_t> hashes) {
  for (const uint64_t hash : hashes) {
    uint8_t& rank = ranks_[hash & (ranks_.size() - 1)];
    const auto seen = static_cast<uint8_t>(1 + std::countr_zero((hash >> kBits) | (1ULL << 51)));
    rank = std::max(rank, seen);
  }
  num_rows_ += static_cast<int64_t>(hashes.size());
}

int64_t KeySketch::EstimatedKeys() const {
  constexpr double kRegisters = size_t{1} << kBits;
  double sum = 0;
  double unused = 0;
  for (const uint8_t rank : ranks_) {
    sum += std::ldexp(1.0, -rank);
    unused += rank == 0 ? 1 : 0;
  }
  const double estimate = 0.7213 / (1 + 1.079 / kRegisters) * kRegisters * kRegisters / sum;
  const bool is_small = estimate <= 2.5 * kRegisters && unused > 0;
  return std::llround(is_small ? kRegisters * std::log(kRegisters / unused) : estimate);
}

void KeySketch::Clear() {
  ranks_.fill(0);
  num_rows_ = 0;
}

}  // namespace headrace
