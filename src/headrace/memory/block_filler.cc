// Every buffer begins at a multiple of 64 bytes, as Arrow's own do.
#include "headrace/memory/block_filler.h"

#include <cstring>

#include "arrow/array/data.h"
#include "arrow/buffer.h"
#include "arrow/util/bit_util.h"

namespace headrace {

const uint8_t* BlockFiller::Take(const uint8_t* data, int64_t bytes) {
  uint8_t* const place = block_ == nullptr ? nullptr : block_ + filled_;
  if (place != nullptr && bytes > 0) std::memcpy(place, data, static_cast<size_t>(bytes));
  filled_ += arrow::bit_util::RoundUpToMultipleOf64(bytes);
  return place;
}

std::shared_ptr<arrow::ArrayData> BlockFiller::Take(const arrow::ArrayData& data) {
  std::shared_ptr<arrow::ArrayData> taken = data.Copy();
  for (auto& buffer : taken->buffers) {
    if (buffer == nullptr) continue;
    const uint8_t* const place = Take(buffer->data(), buffer->size());
    buffer = std::make_shared<arrow::Buffer>(place, buffer->size());
  }
  for (auto& child : taken->child_data) child = Take(*child);
  return taken;
}

}  // namespace headrace
