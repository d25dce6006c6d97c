// The blocks stand in the footer, a flatbuffer.
#include "headrace/format/arrow_ipc/blocks.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "arrow/buffer.h"
#include "arrow/ipc/message.h"
#include "headrace/format/arrow_ipc/compressed_lengths.h"
#include "headrace/format/arrow_ipc/flatbuffer.h"

namespace headrace::arrow_ipc {
namespace {

constexpr std::string_view kMagic = "ARROW1";
constexpr int64_t kTailBytes = 10;  // length of the footer, magic
constexpr int kRecordBatchesField = 3;
constexpr uint64_t kBlockBytes = 24;  // int64 offset, int32 metadata, 4 of padding, int64 body

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
  const uint64_t vector = bytes.Follow(bytes.Field(bytes.Root(), kRecordBatchesField));
  if (vector == 0) return blocks;
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
  if (message == nullptr || message->body_length() != block.body_bytes) {
    return Status::Invalid("expected a body of ", block.body_bytes, " bytes, got ",
                           message == nullptr ? -1 : message->body_length());
  }
  const int64_t body = block.offset + block.metadata_bytes;
  return CheckCompressedLengths(*message, [&](int64_t offset) -> Result<int64_t> {
    int64_t length = 0;
    ARROW_RETURN_NOT_OK(file.ReadAt(body + offset, sizeof length, false, &length));
    return length;
  });
}

}  // namespace headrace::arrow_ipc
