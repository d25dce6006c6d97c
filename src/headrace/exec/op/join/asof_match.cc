// The part of matchers that holds the right rows.
#include "headrace/exec/op/join/asof_match.h"

#include <utility>

namespace headrace {

int32_t AsofMatcher::Keep(const Batch& batch) {
  const int32_t chunk = store_.Add(batch);
  const auto index = static_cast<size_t>(chunk);
  if (index >= bytes_of_chunk_.size()) bytes_of_chunk_.resize(index + 1, 0);
  bytes_of_chunk_[index] = batch.num_bytes() + store_.bytes_per_chunk();
  row_bytes_ += bytes_of_chunk_[index];
  return chunk;
}

void AsofMatcher::Drop(int32_t chunk) {
  store_.Remove(chunk);
  row_bytes_ -= std::exchange(bytes_of_chunk_[static_cast<size_t>(chunk)], 0);
}

}  // namespace headrace
