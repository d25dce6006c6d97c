// Values without their nulls, moved to where they belong between them; and values by their codes.
#pragma once

#include <cstdint>

namespace headrace::parquet_format {

/// The first `dense` of `rows` values are moved to the rows whose bit is set (as many as `dense`);
/// the others become zero. Bits start at `offset`.
void Spread(uint8_t* values, int width, int64_t rows, int64_t dense, const uint8_t* bits,
            int64_t offset);

/// out[i] = values[codes[i]]. REQUIRES: codes are in range.
void GatherValues(const uint8_t* values, int width, const uint32_t* codes, int64_t count,
                  uint8_t* out);

/// The greatest code; 0 when there are none.
uint32_t MaxCode(const uint32_t* codes, int64_t count);

/// Bytes 0 and 1 as bits.
void PackBooleans(const uint8_t* bytes, int64_t count, uint8_t* bits);

}  // namespace headrace::parquet_format
