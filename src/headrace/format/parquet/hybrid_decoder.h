// HybridDecoder: levels and dictionary codes, in runs of one repeated number or of packed ones
// (Parquet, "Encodings": RLE).
#pragma once

#include <cstdint>

#include "headrace/base/error.h"

namespace headrace::parquet_format {

/// One thread. Borrows the bytes, behind which kPagePadding more are readable. Every call fails
/// when the bytes end before the numbers do.
class HybridDecoder {
 public:
  HybridDecoder() = default;
  /// REQUIRES: width ≤ 32.
  HybridDecoder(const uint8_t* data, int64_t bytes, int width)
      : at_(data), end_(data + bytes), width_(width) {}

  Status Read(int64_t count, uint32_t* out);
  Status Skip(int64_t count);
  /// Of width 1: the numbers as bits of `bitmap` from bit `offset`; how many are 1.
  Result<int64_t> ReadBits(int64_t count, uint8_t* bitmap, int64_t offset);
  /// Of width 1: passes over `count` numbers; how many were 1.
  Result<int64_t> SkipBits(int64_t count);

 private:
  template <typename OnRepeated, typename OnPacked>
  Status Visit(int64_t count, OnRepeated on_repeated, OnPacked on_packed);
  Status NextRun();

  const uint8_t* at_ = nullptr;  // behind the run
  const uint8_t* end_ = nullptr;
  int width_ = 0;
  int64_t left_ = 0;                 // in the run
  const uint8_t* packed_ = nullptr;  // of a packed run
  int64_t position_ = 0;             // in a packed run
  uint32_t repeated_ = 0;
};

}  // namespace headrace::parquet_format
