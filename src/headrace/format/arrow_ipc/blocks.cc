// The footer is a flatbuffer: tables find their fields through a vtable of 16-bit offsets, vectors
// begin with their length; all numbers are little-endian.
#include "headrace/format/arrow_ipc/blocks.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "arrow/buffer.h"
#include "arrow/ipc/message.h"

namespace headrace::arrow_ipc {
namespace {

constexpr std::string_view kMagic = "ARROW1";
constexpr int64_t kTailBytes = 10;  // length of the footer, magic
constexpr int kRecordBatchesField = 3;
constexpr uint64_t kBlockBytes = 24;  // int64 offset, int32 metadata, 4 of padding, int64 body

/// Bounds-checked loads; 0 beyond the end, which no valid offset is.
class Flatbuffer {
 public:
  explicit Flatbuffer(std::string_view bytes) : bytes_(bytes) {}

  template <typename Integer>
  Integer Load(uint64_t position) const {
    Integer value = 0;
    if (position <= bytes_.size() && bytes_.size() - position >= sizeof value) {
      std::memcpy(&value, bytes_.data() + position, sizeof value);
    }
    return value;
  }

  /// Position of a field of the table at `table`; 0 when it is absent.
  uint64_t Field(uint64_t table, int index) const {
    const uint64_t vtable = table - static_cast<uint64_t>(int64_t{Load<int32_t>(table)});
    const uint64_t slot = 4 + 2 * static_cast<uint64_t>(index);
    if (slot + 2 > Load<uint16_t>(vtable)) return 0;
    const uint16_t offset = Load<uint16_t>(vtable + slot);
    return offset == 0 ? 0 : table + offset;
  }

  uint64_t size() const { return bytes_.size(); }

 private:
  const std::string_view bytes_;
};

Result<std::shared_ptr<arrow::Buffer>> ReadFooter(BoundFile& file) {
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file.GetSize());
  char tail[kTailBytes];
  ARROW_RETURN_NOT_OK(file.ReadAt(size - kTailBytes, kTailBytes, false, tail));
  int32_t length = 0;
  std::memcpy(&length, tail, sizeof length);
  if (std::string_view(tail + sizeof length, kMagic.size()) != kMagic || length <= 0 ||
      length > size - kTailBytes) {
    return Status::Invalid("no footer at the end of the file");
  }
  return file.ReadAt(size - kTailBytes - length, length, false);
}

}  // namespace

Result<std::vector<Block>> ReadBlocks(BoundFile& file) {
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file.GetSize());
  ARROW_ASSIGN_OR_RAISE(const auto footer, ReadFooter(file));
  const Flatbuffer bytes{std::string_view(*footer)};
  std::vector<Block> blocks;
  const uint64_t field = bytes.Field(bytes.Load<uint32_t>(0), kRecordBatchesField);
  if (field == 0) return blocks;
  const uint64_t vector = field + bytes.Load<uint32_t>(field);
  const uint64_t count = bytes.Load<uint32_t>(vector);
  if (count > bytes.size() / kBlockBytes) return Status::Invalid("bad list of record batches");
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = vector + 4 + i * kBlockBytes;
    const Block block{bytes.Load<int64_t>(at), bytes.Load<int32_t>(at + 8),
                      bytes.Load<int64_t>(at + 16)};
    if (block.offset < 0 || block.metadata_bytes < 0 || block.body_bytes < 0 ||
        block.offset > size || block.metadata_bytes > size - block.offset ||
        block.body_bytes > size - block.offset - block.metadata_bytes) {
      return Status::Invalid("record batch ", i, " is not inside the file");
    }
    blocks.push_back(block);
  }
  return blocks;
}

Status CheckBody(BoundFile& file, const Block& block) {
  ARROW_ASSIGN_OR_RAISE(auto metadata, file.ReadAt(block.offset, block.metadata_bytes, false));
  ARROW_ASSIGN_OR_RAISE(const auto message, arrow::ipc::ReadMessage(std::move(metadata), nullptr));
  if (message != nullptr && message->body_length() == block.body_bytes) return Status::OK();
  return Status::Invalid("expected a body of ", block.body_bytes, " bytes, got ",
                         message == nullptr ? -1 : message->body_length());
}

}  // namespace headrace::arrow_ipc
