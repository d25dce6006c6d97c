// WindowStates: the states of partition kernels, one block per partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/op/window/partition_kernel.h"

namespace headrace {

/// Partitions are numbered from 0; a block holds one state per kernel, one after the other. Blocks
/// do not move.
class WindowStates {
 public:
  explicit WindowStates(std::vector<PartitionKernel*> kernels);
  ~WindowStates();
  WindowStates(const WindowStates&) = delete;
  WindowStates& operator=(const WindowStates&) = delete;

  /// Makes blocks with fresh states up to `partitions` of them.
  void Extend(int64_t partitions);
  int64_t size() const { return size_; }
  std::byte* State(int64_t partition, size_t kernel) const {
    const auto index = static_cast<size_t>(partition);
    return slabs_[index / kBlocksPerSlab].get() + index % kBlocksPerSlab * block_bytes_ +
           offsets_[kernel];
  }

  /// Memory of blocks for `partitions` partitions.
  int64_t BlockBytes(int64_t partitions) const;
  /// Memory that the states of a partition own beyond their block.
  int64_t OwnedBytes(int64_t partition) const;

 private:
  static constexpr size_t kBlocksPerSlab = 64;

  const std::vector<PartitionKernel*> kernels_;
  std::vector<size_t> offsets_;  // of each state in a block
  size_t block_bytes_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> slabs_;
  int64_t size_ = 0;
};

}  // namespace headrace
