// Blocks stand in slabs of a fixed number.
#include "headrace/exec/op/window/window_states.h"

#include <algorithm>

#include "headrace/base/check.h"
#include "headrace/exec/key/row_blocks.h"

namespace headrace {

WindowStates::WindowStates(std::vector<PartitionKernel*> kernels) : kernels_(std::move(kernels)) {
  size_t align = 1;
  for (PartitionKernel* kernel : kernels_) {
    HEADRACE_CHECK(kernel->align <= __STDCPP_DEFAULT_NEW_ALIGNMENT__, "a state is over-aligned");
    block_bytes_ = RoundUp(block_bytes_, kernel->align);
    offsets_.push_back(block_bytes_);
    block_bytes_ += kernel->size;
    align = std::max(align, kernel->align);
  }
  block_bytes_ = RoundUp(block_bytes_, align);
}

WindowStates::~WindowStates() {
  for (int64_t partition = 0; partition < size_; ++partition) {
    for (size_t i = 0; i < kernels_.size(); ++i) {
      kernels_[i]->Destroy(State(partition, i));
    }
  }
}

void WindowStates::Extend(int64_t partitions) {
  while (size_ < partitions) {
    if (static_cast<size_t>(size_) == slabs_.size() * kBlocksPerSlab) {
      slabs_.push_back(std::make_unique<std::byte[]>(kBlocksPerSlab * block_bytes_));
    }
    for (size_t i = 0; i < kernels_.size(); ++i) kernels_[i]->Init(State(size_, i));
    ++size_;
  }
}

int64_t WindowStates::BlockBytes(int64_t partitions) const {
  const auto slabs = RoundUp(static_cast<size_t>(partitions), kBlocksPerSlab);
  return static_cast<int64_t>(slabs * block_bytes_);
}

int64_t WindowStates::OwnedBytes(int64_t partition) const {
  int64_t bytes = 0;
  for (size_t i = 0; i < kernels_.size(); ++i) {
    bytes += kernels_[i]->Bytes(State(partition, i));
  }
  return bytes;
}

}  // namespace headrace
