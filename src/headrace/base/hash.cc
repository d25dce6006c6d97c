// XXH3 behind functions, so that its header stays out of ours.
#include "headrace/base/hash.h"

#include "headrace/base/hash_each.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace headrace {

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void HashEach(const uint8_t* bytes, const int64_t* offsets, int64_t count, uint64_t* hashes) {
  for (int64_t i = 0; i < count; ++i) {
    hashes[i] = XXH3_64bits(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
  }
}

}  // namespace headrace
