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

template <size_t kBytes>
void HashEachOf(const uint8_t* bytes, int64_t count, uint64_t* hashes) {
  for (int64_t i = 0; i < count; ++i) {
    hashes[i] = XXH3_64bits(bytes + i * static_cast<int64_t>(kBytes), kBytes);
  }
}
template void HashEachOf<1>(const uint8_t*, int64_t, uint64_t*);
template void HashEachOf<2>(const uint8_t*, int64_t, uint64_t*);
template void HashEachOf<4>(const uint8_t*, int64_t, uint64_t*);
template void HashEachOf<8>(const uint8_t*, int64_t, uint64_t*);
template void HashEachOf<16>(const uint8_t*, int64_t, uint64_t*);
template void HashEachOf<32>(const uint8_t*, int64_t, uint64_t*);

}  // namespace headrace
