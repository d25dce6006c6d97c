// The writer asks for the bound and then for the bytes of one buffer after the other. It keeps a
// buffer as it is when the bytes are not enough fewer.
#include "headrace/exec/spill/selective_codec.h"

#include <algorithm>

namespace headrace {
namespace {

// A buffer that got not small enough is kept as it is in so many batches.
constexpr int kPlainBatches = 31;

}  // namespace

bool SelectiveCodec::Begin() {
  next_ = 0;
  const auto waits = [](int plain_left) { return plain_left > 0; };
  if (plain_left_.empty() || !std::all_of(plain_left_.begin(), plain_left_.end(), waits)) {
    return true;
  }
  for (int& plain_left : plain_left_) --plain_left;
  return false;
}

int64_t SelectiveCodec::MaxCompressedLen(int64_t input_len, const uint8_t* input) {
  if (plain_left_.size() <= next_) plain_left_.resize(next_ + 1);
  return plain_left_[next_] > 0 ? input_len : codec_->MaxCompressedLen(input_len, input);
}

arrow::Result<int64_t> SelectiveCodec::Compress(int64_t input_len, const uint8_t* input,
                                                int64_t output_buffer_len, uint8_t* output_buffer) {
  int& plain_left = plain_left_[next_++];
  if (plain_left > 0) {
    --plain_left;
    return input_len;
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes,
                        codec_->Compress(input_len, input, output_buffer_len, output_buffer));
  const double savings = 1.0 - static_cast<double>(bytes) / static_cast<double>(input_len);
  if (savings < min_savings()) plain_left = kPlainBatches;
  return bytes;
}

arrow::Result<int64_t> SelectiveCodec::Decompress(int64_t input_len, const uint8_t* input,
                                                  int64_t output_buffer_len,
                                                  uint8_t* output_buffer) {
  return codec_->Decompress(input_len, input, output_buffer_len, output_buffer);
}

arrow::Result<std::shared_ptr<arrow::util::Compressor>> SelectiveCodec::MakeCompressor() {
  return codec_->MakeCompressor();
}

arrow::Result<std::shared_ptr<arrow::util::Decompressor>> SelectiveCodec::MakeDecompressor() {
  return codec_->MakeDecompressor();
}

}  // namespace headrace
