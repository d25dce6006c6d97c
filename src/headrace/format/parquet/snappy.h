// Decompression of raw Snappy (the format without frames that Parquet has in its pages).
#pragma once

#include <cstdint>
#include <span>

#include "headrace/base/error.h"

namespace headrace::parquet_format {

/// Fills `out` with exactly what `in` holds; fails when `in` is not Snappy or of another length.
/// Neither is left, whatever `in` holds.
Status DecompressSnappy(std::span<const uint8_t> in, std::span<uint8_t> out);

/// The same in pieces, each of which goes on where the one before ended. One thread.
class SnappyStream {
 public:
  /// What compressors look back over; others may look back over all that there is.
  static constexpr int64_t kLookBack = int64_t{1} << 16;
  /// Input, unless it is the last, and room, unless for the rest, that a piece has at least.
  static constexpr int64_t kInMin = 16, kOutMin = 64;

  explicit SnappyStream(int64_t plain_bytes) : plain_bytes_(plain_bytes) {}

  struct Step {
    int64_t read = 0;
    int64_t written = 0;
    /// What was written before `out` is needed, too: nothing can be gone on with.
    bool needs_earlier = false;
  };
  /// Goes on with `in`, writing behind the first `before` bytes of `out`, which are the last that
  /// were written. Reads or writes something. Fails where the input is damaged, or ends before or
  /// after the output. REQUIRES: no more room than what is not yet written.
  Result<Step> Run(std::span<const uint8_t> in, bool in_is_last, std::span<uint8_t> out,
                   int64_t before);

 private:
  int64_t plain_bytes_;
  int64_t written_ = 0;
  int64_t literal_left_ = 0;  // of the one that the last piece ended in
  bool has_begun_ = false;
};

}  // namespace headrace::parquet_format
