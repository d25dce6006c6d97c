// HashBytes of many byte strings that lie one after the other.
#pragma once

#include <cstdint>

namespace headrace {

/// hashes[i] = HashBytes of bytes[offsets[i]] … bytes[offsets[i + 1] - 1].
void HashEach(const uint8_t* bytes, const int64_t* offsets, int64_t count, uint64_t* hashes);

}  // namespace headrace
