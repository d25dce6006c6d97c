// Hashes of keys without their encodings: for exchanges that send rows to the owner of a key group.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// The hash of every row's key cells, as EncodedKeys::hashes of a KeyEncoder over the same columns.
/// `keys` are compacted columns in any encoding. kUnsupported for types that cannot be a key.
Status HashKeys(const std::vector<ArrayPtr>& keys, int64_t num_rows, arrow::MemoryPool* pool,
                std::vector<uint64_t>* hashes);

}  // namespace headrace
