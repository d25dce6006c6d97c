// Counting per chunk; a rewrite adds chunks of rows that are wanted before it drops the old ones.
#include "headrace/exec/op/counted_rows.h"

#include <algorithm>

#include "headrace/base/check.h"

namespace headrace {

int32_t CountedRows::Add(const Batch& batch) {
  HEADRACE_CHECK(batch.num_rows() > 0, "a chunk has rows");
  const int32_t number = store_.Add(batch);
  const auto index = static_cast<size_t>(number);
  if (chunks_.size() <= index) chunks_.resize(index + 1);
  chunks_[index] = {batch.num_rows(), batch.num_rows(),
                    batch.num_bytes() + store_.bytes_per_chunk()};
  held_rows_ += batch.num_rows();
  wanted_rows_ += batch.num_rows();
  bytes_ += chunks_[index].bytes;
  return number;
}

void CountedRows::Drop(RowRef row) {
  Chunk& chunk = chunks_[static_cast<size_t>(row.chunk)];
  --wanted_rows_;
  if (--chunk.wanted > 0) return;
  store_.Remove(row.chunk);
  held_rows_ -= chunk.rows;
  bytes_ -= chunk.bytes;
  chunk = Chunk();
}

int64_t CountedRows::BytesToRewrite() const {
  // No more than half of the rows are wanted, but they may be the longest.
  return bytes_;
}

Status CountedRows::Rewrite(std::span<RowRef* const> refs, arrow::MemoryPool* pool) {
  HEADRACE_CHECK(static_cast<int64_t>(refs.size()) == wanted_rows_, "all rows are rewritten");
  std::vector<RowRef> part;
  for (size_t begin = 0; begin < refs.size(); begin += kRowsPerChunk) {
    const size_t end = std::min(refs.size(), begin + kRowsPerChunk);
    part.clear();
    for (size_t i = begin; i < end; ++i) part.push_back(*refs[i]);
    const auto count = static_cast<int64_t>(part.size());
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, store_.Gather(part, pool));
    const int32_t chunk = Add(Batch(std::move(columns), count));
    for (size_t i = begin; i < end; ++i) {
      Drop(*refs[i]);
      *refs[i] = {chunk, static_cast<int32_t>(i - begin)};
    }
  }
  return Status::OK();
}

}  // namespace headrace
