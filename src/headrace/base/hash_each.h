// HashBytes of many byte strings or values that lie one after the other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace {

/// hashes[i] = HashBytes of bytes[offsets[i]] … bytes[offsets[i + 1] - 1].
void HashEach(const uint8_t* bytes, const int64_t* offsets, int64_t count, uint64_t* hashes);

/// hashes[i] = HashBytes of the kBytes bytes at bytes + i * kBytes; of 1, 2, 4, 8, 16 or 32.
template <size_t kBytes>
void HashEachOf(const uint8_t* bytes, int64_t count, uint64_t* hashes);

}  // namespace headrace
