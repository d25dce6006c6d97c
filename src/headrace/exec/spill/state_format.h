// Fixed parts of state files, as docs/formats/state.md gives them. All integers are little-endian.
#pragma once

#include <bit>
#include <cstdint>

namespace headrace {

static_assert(std::endian::native == std::endian::little, "state files are little-endian");

/// First and last 8 bytes of a file; the last character is the version.
inline constexpr char kStateMagic[9] = "HRSTATE1";
inline constexpr int64_t kStateMagicBytes = 8;
inline constexpr uint32_t kStateSectionMagic = 0x43535248;  // "HRSC"

/// Before the body of every section. `checksum` is XXH3-64 of all bytes of the section after it.
struct StateSectionHeader {
  uint64_t checksum = 0;
  uint32_t magic = kStateSectionMagic;
  int32_t key_group = 0;
  uint32_t schema = 0;
  /// Of the list of narrow columns (see narrow_columns.h) that the body begins with.
  uint32_t narrow_bytes = 0;
  int64_t num_rows = 0;
  int64_t body_bytes = 0;
};
static_assert(sizeof(StateSectionHeader) == 40);

/// One section in the footer.
struct StateIndexEntry {
  int32_t key_group = 0;
  uint32_t zero = 0;
  int64_t offset = 0;
  int64_t length = 0;
  int64_t num_rows = 0;
};
static_assert(sizeof(StateIndexEntry) == 32);

/// The last bytes of a file, after the footer.
struct StateTail {
  uint64_t footer_checksum = 0;
  int64_t footer_bytes = 0;
  char magic[kStateMagicBytes] = {};
};
static_assert(sizeof(StateTail) == 24);

}  // namespace headrace
