// Parts of kernel access that need no template.
#include "headrace/function/view.h"

#include "arrow/array/util.h"
#include "arrow/type.h"

namespace headrace {

BytesView::BytesView(const arrow::Array& array, bool is_constant) : is_constant_(is_constant) {
  const arrow::ArrayData& data = *array.data();
  if (array.type_id() == arrow::Type::FIXED_SIZE_BINARY) {
    width_ = static_cast<const arrow::FixedSizeBinaryType&>(*array.type()).byte_width();
    if (data.buffers[1] != nullptr) {
      data_ = reinterpret_cast<const char*>(data.buffers[1]->data()) + data.offset * width_;
    }
    return;
  }
  static constexpr int32_t kNoOffsets[2] = {0, 0};
  const auto& offsets = data.buffers[1];
  const bool empty = offsets == nullptr || offsets->size() == 0;
  offsets_ = empty ? kNoOffsets : reinterpret_cast<const int32_t*>(offsets->data()) + data.offset;
  data_ = data.buffers[2] == nullptr ? "" : reinterpret_cast<const char*>(data.buffers[2]->data());
}

int64_t CountActive(const Rows& rows) {
  return rows.active == nullptr ? rows.length : static_cast<int64_t>(rows.active->size());
}

ArrayPtr WrapValues(const TypePtr& type, int64_t length, std::shared_ptr<arrow::Buffer> values) {
  return arrow::MakeArray(arrow::ArrayData::Make(type, length, {nullptr, std::move(values)}, 0));
}

Result<ArrayPtr> MakeNulls(const TypePtr& type, int64_t length, arrow::MemoryPool* pool) {
  return arrow::MakeArrayOfNull(type, length, pool);
}

void PackBits(const uint8_t* bytes, int64_t length, uint8_t* bits) {
  int64_t row = 0;
  for (; row + 8 <= length; row += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + row, 8);
    // Byte k of `eight` is 0 or 1; the product gathers them in the top byte, byte 0 lowest.
    bits[row / 8] = static_cast<uint8_t>((eight * 0x0102040810204080ULL) >> 56);
  }
  for (; row < length; ++row) arrow::bit_util::SetBitTo(bits, row, bytes[row] != 0);
}

}  // namespace headrace
