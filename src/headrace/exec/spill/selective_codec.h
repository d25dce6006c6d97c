// SelectiveCodec: compresses the buffers of record batches that get smaller by it.
#pragma once

#include <memory>
#include <vector>

#include "arrow/util/compression.h"

namespace headrace {

/// A codec for IpcWriteOptions, with min_savings() as the savings wanted there: buffers are told
/// apart by their number in the batch. One that got not small enough is not tried in the batches
/// that come next. One thread.
class SelectiveCodec final : public arrow::util::Codec {
 public:
  explicit SelectiveCodec(std::unique_ptr<arrow::util::Codec> codec) : codec_(std::move(codec)) {}

  /// The part that a buffer has to get smaller by. The processor's time for LZ4 is that of copying
  /// some times what it saves; who asks for Zstandard wants small files.
  double min_savings() const {
    return codec_->compression_type() == arrow::Compression::LZ4_FRAME ? 0.5 : 0.125;
  }

  /// Before each batch. False: none of its buffers is to be tried, and it need not come here.
  bool Begin();

  arrow::Result<int64_t> Compress(int64_t input_len, const uint8_t* input,
                                  int64_t output_buffer_len, uint8_t* output_buffer) override;
  int64_t MaxCompressedLen(int64_t input_len, const uint8_t* input) override;
  arrow::Result<int64_t> Decompress(int64_t input_len, const uint8_t* input,
                                    int64_t output_buffer_len, uint8_t* output_buffer) override;
  arrow::Result<std::shared_ptr<arrow::util::Compressor>> MakeCompressor() override;
  arrow::Result<std::shared_ptr<arrow::util::Decompressor>> MakeDecompressor() override;
  arrow::Compression::type compression_type() const override { return codec_->compression_type(); }
  int minimum_compression_level() const override { return codec_->minimum_compression_level(); }
  int maximum_compression_level() const override { return codec_->maximum_compression_level(); }
  int default_compression_level() const override { return codec_->default_compression_level(); }

 private:
  const std::unique_ptr<arrow::util::Codec> codec_;
  std::vector<int> plain_left_;  // per buffer: batches in which it is not to be tried
  size_t next_ = 0;              // the number of the next buffer
};

}  // namespace headrace
