// Blocks, miniblocks and differences.
#include "headrace/format/parquet/delta_decoder.h"

#include <algorithm>

#include "headrace/format/parquet/bit_unpack.h"

namespace headrace::parquet_format {
namespace {

constexpr int64_t kDeltasAtATime = 128;
constexpr int64_t kMiniblockValuesMax = int64_t{1} << 31;

Status TooShort() { return Status::Invalid("the differences end too early"); }

}  // namespace

Result<uint64_t> DeltaDecoder::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == end_) return TooShort();
    const uint8_t byte = *at_++;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return Status::Invalid("a number of more than 64 bits");
}

Result<uint64_t> DeltaDecoder::ZigZag() {
  ARROW_ASSIGN_OR_RAISE(const uint64_t value, Varint());
  return (value >> 1) ^ (~(value & 1) + 1);
}

Result<DeltaDecoder> DeltaDecoder::Make(const uint8_t* data, int64_t bytes) {
  DeltaDecoder decoder;
  decoder.at_ = data;
  decoder.end_ = data + bytes;
  ARROW_ASSIGN_OR_RAISE(const uint64_t block, decoder.Varint());
  ARROW_ASSIGN_OR_RAISE(const uint64_t miniblocks, decoder.Varint());
  ARROW_ASSIGN_OR_RAISE(const uint64_t count, decoder.Varint());
  ARROW_ASSIGN_OR_RAISE(decoder.last_, decoder.ZigZag());
  if (miniblocks == 0 || block > kMiniblockValuesMax || block % miniblocks != 0 ||
      block / miniblocks % 8 != 0 || block == 0 || count > kMiniblockValuesMax) {
    return Status::Invalid("blocks of ", block, " differences in ", miniblocks, " parts for ",
                           count, " values");
  }
  decoder.miniblocks_ = decoder.miniblock_ = static_cast<int64_t>(miniblocks);
  decoder.miniblock_values_ = static_cast<int64_t>(block / miniblocks);
  decoder.values_left_ = static_cast<int64_t>(count);
  return decoder;
}

Status DeltaDecoder::NextMiniblock() {
  if (widths_ != nullptr) at_ += std::min<int64_t>(MiniblockBytes(), end_ - at_);
  if (widths_ == nullptr || ++miniblock_ == miniblocks_) {
    ARROW_ASSIGN_OR_RAISE(min_delta_, ZigZag());
    if (end_ - at_ < miniblocks_) return TooShort();
    widths_ = at_;
    at_ += miniblocks_;
    miniblock_ = 0;
  }
  width_ = widths_[miniblock_];
  if (width_ > 64) return Status::Invalid("differences of ", width_, " bits");
  position_ = 0;
  miniblock_left_ = miniblock_values_;
  return Status::OK();
}

Status DeltaDecoder::Read(int64_t count, uint64_t* out) {
  if (count > values_left_) return TooShort();
  values_left_ -= count;
  if (count > 0 && !has_first_) {
    has_first_ = true;
    *out++ = last_;
    --count;
  }
  while (count > 0) {
    if (miniblock_left_ == 0) ARROW_RETURN_NOT_OK(NextMiniblock());
    const int64_t part = std::min({count, miniblock_left_, kDeltasAtATime});
    if ((position_ + part) * width_ > (end_ - at_) * 8) return TooShort();
    UnpackBits(at_, position_, part, width_, out);
    for (int64_t i = 0; i < part; ++i) out[i] = last_ += min_delta_ + out[i];
    position_ += part;
    miniblock_left_ -= part;
    count -= part;
    out += part;
  }
  return Status::OK();
}

Status DeltaDecoder::Skip(int64_t count) {
  uint64_t values[kDeltasAtATime];
  for (; count > 0; count -= kDeltasAtATime) {
    ARROW_RETURN_NOT_OK(Read(std::min(count, kDeltasAtATime), values));
  }
  return Status::OK();
}

const uint8_t* DeltaDecoder::end() const {
  if (widths_ == nullptr) return at_;
  return at_ + std::min<int64_t>(MiniblockBytes(), end_ - at_);
}

}  // namespace headrace::parquet_format
