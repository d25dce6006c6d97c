// Decompression of raw Snappy (the format without frames that Parquet has in its pages).
#pragma once

#include <cstdint>
#include <span>

#include "headrace/base/error.h"

namespace headrace::parquet_format {

/// Fills `out` with exactly what `in` holds; fails when `in` is not Snappy or of another length.
/// Neither is left, whatever `in` holds.
Status DecompressSnappy(std::span<const uint8_t> in, std::span<uint8_t> out);

}  // namespace headrace::parquet_format
