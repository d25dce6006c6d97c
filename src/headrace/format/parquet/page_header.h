// PageHeader: what stands before every page, in Thrift's compact protocol (parquet.thrift).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "headrace/base/error.h"

namespace headrace::parquet_format {

/// As in parquet.thrift.
enum class Encoding : int32_t {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kBitPacked = 4,
  kDeltaBinaryPacked = 5,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8,
  kByteStreamSplit = 9,
};

struct PageHeader {
  enum class Kind : int32_t { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 };
  Kind kind = Kind::kIndex;
  int64_t plain_bytes = 0;   // uncompressed, with the levels
  int64_t stored_bytes = 0;  // in the file, behind the header
  std::optional<uint32_t> crc;
  int64_t num_values = 0;
  Encoding encoding = Encoding::kPlain;
  Encoding level_encoding = Encoding::kRle;  // of definition levels, version 1
  int64_t definition_bytes = 0;              // of levels, version 2
  int64_t repetition_bytes = 0;
  bool is_compressed = true;  // version 2
};

/// A header larger than this is taken for garbage.
inline constexpr int64_t kPageHeaderBytesMax = int64_t{16} << 20;

/// The header at the start of `bytes` and its length; nothing when it is longer than they are.
/// Sizes and counts are not negative, the rest is as the file says.
Result<std::optional<int64_t>> ParsePageHeader(std::span<const uint8_t> bytes, PageHeader* header);

}  // namespace headrace::parquet_format
