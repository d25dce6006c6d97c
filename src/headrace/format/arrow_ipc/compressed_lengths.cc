// Reads from the flatbuffer of a message where its buffers stand: the classes that Arrow has for it
// are not public.
#include "headrace/format/arrow_ipc/compressed_lengths.h"

#include "arrow/buffer.h"
#include "headrace/format/arrow_ipc/flatbuffer.h"

namespace headrace::arrow_ipc {
namespace {

// Message.fbs
constexpr int kMessageHeaderField = 2;
constexpr int kDictionaryDataField = 1;
constexpr int kBuffersField = 2;
constexpr int kCompressionField = 3;
constexpr int kCodecField = 0;
constexpr uint64_t kBufferBytes = 16;  // int64 offset, int64 length
constexpr int8_t kLz4Codec = 0;

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kNotCompressed = -1;
/// LZ4 makes at most 255 bytes of one; zstd a block of 128 KiB of 4 bytes.
constexpr int64_t kLz4RatioMax = 255;
constexpr int64_t kZstdRatioMax = int64_t{1} << 15;

Status CheckBuffer(const Flatbuffer& metadata, uint64_t buffer, int64_t ratio_max,
                   int64_t body_bytes, const ReadLength& read) {
  const auto offset = metadata.Load<int64_t>(buffer);
  const auto length = metadata.Load<int64_t>(buffer + 8);
  if (offset < 0 || length < 0 || offset > body_bytes || length > body_bytes - offset) {
    return Status::Invalid("a buffer of ", length, " bytes at ", offset, " leaves the body of ",
                           body_bytes, " bytes");
  }
  if (length <= kLengthBytes) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int64_t plain, read(offset));
  if (plain == kNotCompressed) return Status::OK();
  if (plain >= 0 && plain / ratio_max <= length) return Status::OK();
  return Status::Invalid("a compressed buffer of ", length, " bytes claims to hold ", plain);
}

}  // namespace

Status CheckCompressedLengths(const arrow::ipc::Message& message, const ReadLength& read) {
  const bool is_dictionary = message.type() == arrow::ipc::MessageType::DICTIONARY_BATCH;
  if (!is_dictionary && message.type() != arrow::ipc::MessageType::RECORD_BATCH) {
    return Status::OK();
  }
  const Flatbuffer metadata{std::string_view(*message.metadata())};
  uint64_t batch = metadata.Follow(metadata.Field(metadata.Root(), kMessageHeaderField));
  if (is_dictionary) batch = metadata.Follow(metadata.Field(batch, kDictionaryDataField));
  const uint64_t compression = metadata.Follow(metadata.Field(batch, kCompressionField));
  if (compression == 0) return Status::OK();
  const uint64_t codec = metadata.Field(compression, kCodecField);
  const bool is_lz4 = codec == 0 || metadata.Load<int8_t>(codec) == kLz4Codec;
  const uint64_t buffers = metadata.Follow(metadata.Field(batch, kBuffersField));
  const uint64_t count = buffers == 0 ? 0 : metadata.Load<uint32_t>(buffers);
  if (count > metadata.size() / kBufferBytes) return Status::Invalid("bad list of buffers");
  for (uint64_t i = 0; i < count; ++i) {
    ARROW_RETURN_NOT_OK(CheckBuffer(metadata, buffers + 4 + i * kBufferBytes,
                                    is_lz4 ? kLz4RatioMax : kZstdRatioMax, message.body_length(),
                                    read));
  }
  return Status::OK();
}

Status CheckCompressedLengths(const arrow::ipc::Message& message) {
  const auto body = message.body();
  if (body == nullptr) return Status::OK();
  const Flatbuffer bytes{std::string_view(*body)};
  return CheckCompressedLengths(message, [&](int64_t offset) -> Result<int64_t> {
    return bytes.Load<int64_t>(static_cast<uint64_t>(offset));
  });
}

}  // namespace headrace::arrow_ipc
