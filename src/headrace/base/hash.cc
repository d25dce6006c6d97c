// XXH3 behind one function, so that its header stays out of ours.
#include "headrace/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace headrace {

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace headrace
