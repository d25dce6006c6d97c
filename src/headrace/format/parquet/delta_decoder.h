// DeltaDecoder: DELTA_BINARY_PACKED – blocks of packed differences (Parquet, "Encodings").
#pragma once

#include <cstdint>

#include "headrace/base/error.h"

namespace headrace::parquet_format {

/// One thread; copies go on from where they were made. Borrows the bytes, behind which
/// kPagePadding more are readable. Every call fails when the bytes end before the numbers do.
class DeltaDecoder {
 public:
  static Result<DeltaDecoder> Make(const uint8_t* data, int64_t bytes);

  int64_t values_left() const { return values_left_; }
  /// Numbers modulo 2^64; those of 32 bits are the low half.
  Status Read(int64_t count, uint64_t* out);
  Status Skip(int64_t count);
  /// Behind all numbers. REQUIRES: values_left() == 0.
  const uint8_t* end() const;

 private:
  DeltaDecoder() = default;
  Result<uint64_t> Varint();
  Result<uint64_t> ZigZag();
  Status NextMiniblock();
  int64_t MiniblockBytes() const { return miniblock_values_ / 8 * width_; }

  const uint8_t* at_ = nullptr;  // the miniblock that is read, else the next header
  const uint8_t* end_ = nullptr;
  const uint8_t* widths_ = nullptr;  // of the miniblocks of the block
  int64_t miniblocks_ = 0;           // per block
  int64_t miniblock_values_ = 0;
  int64_t miniblock_ = 0;  // in the block, from 0; miniblocks_ before the first block
  int64_t position_ = 0;   // in the miniblock
  int64_t miniblock_left_ = 0;
  int64_t values_left_ = 0;
  int width_ = 0;
  bool has_first_ = false;
  uint64_t min_delta_ = 0;
  uint64_t last_ = 0;
};

}  // namespace headrace::parquet_format
