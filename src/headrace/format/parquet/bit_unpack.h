// Bit-packed numbers as Parquet has them: `width` bits each, least significant bit first.
#pragma once

#include <cstdint>

namespace headrace::parquet_format {

/// Bytes that decoders may read behind the end of a page; what they hold does not matter.
inline constexpr int64_t kPagePadding = 64;

/// Numbers [first, first + count) of those at `in`. REQUIRES: width ≤ 32, and 16 readable bytes
/// behind the last number.
void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint32_t* out);
/// REQUIRES: width ≤ 64, and 9 readable bytes behind the last number.
void UnpackBits(const uint8_t* in, int64_t first, int64_t count, int width, uint64_t* out);

}  // namespace headrace::parquet_format
