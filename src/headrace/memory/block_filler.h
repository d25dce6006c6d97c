// BlockFiller: copies buffers and arrays into one block of memory that somebody else owns.
#pragma once

#include <cstdint>
#include <memory>

namespace arrow {
struct ArrayData;
}  // namespace arrow

namespace headrace {

/// Fills a block from its front; without one it counts what would go in. What it gives points into
/// the block and does not own it.
class BlockFiller {
 public:
  explicit BlockFiller(uint8_t* block) : block_(block) {}

  const uint8_t* Take(const uint8_t* data, int64_t bytes);
  /// The whole of every buffer.
  std::shared_ptr<arrow::ArrayData> Take(const arrow::ArrayData& data);
  int64_t filled() const { return filled_; }

 private:
  uint8_t* const block_;
  int64_t filled_ = 0;
};

}  // namespace headrace
