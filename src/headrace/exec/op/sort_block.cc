// Sorting of one buffer: pairs of key prefix and row reference are sorted, then rows are gathered.
#include "headrace/exec/op/sort_block.h"

#include <algorithm>
#include <cstring>

namespace headrace {
namespace {

// What sorting needs per row besides the row and its key.
constexpr int64_t kSortBytesPerRow = 64;

int64_t GatheredBytes(const RowStore& store, const KeyedRow& row) {
  return store.BytesOf(row.row) + static_cast<int64_t>(row.key.size() + sizeof(int64_t));
}

}  // namespace

KeyPrefix KeyPrefix::Of(std::string_view key) {
  uint64_t words[2];
  std::memcpy(words, key.data(), sizeof(words));
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

Result<SortedBlock> GatherBlock(const RowStore& store, std::span<const KeyedRow> rows,
                                arrow::MemoryPool* pool) {
  std::vector<RowRef> refs;
  refs.reserve(rows.size());
  size_t key_bytes = 0;
  for (const KeyedRow& row : rows) {
    refs.push_back(row.row);
    key_bytes += row.key.size();
  }
  SortedBlock block;
  block.num_rows = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(block.columns, store.Gather(refs, pool));
  block.keys.num_rows = block.num_rows;
  block.keys.offsets.reserve(rows.size() + 1);
  block.keys.bytes.resize(key_bytes);
  block.keys.offsets.push_back(0);
  size_t end = 0;
  for (const KeyedRow& row : rows) {
    std::copy(row.key.begin(), row.key.end(), block.keys.bytes.data() + end);
    end += row.key.size();
    block.keys.offsets.push_back(static_cast<int64_t>(end));
  }
  block.bytes = Batch(block.columns, block.num_rows).num_bytes() + block.keys.num_bytes();
  return block;
}

SortBuffer::SortBuffer(SchemaPtr schema, std::shared_ptr<MemoryBudget> budget)
    : schema_(std::move(schema)), store_(*schema_), reservation_(std::move(budget)) {}

int64_t SortBuffer::BytesOf(const Batch& batch, const SortKeys& keys) {
  return batch.num_bytes() + keys.num_bytes() + batch.num_rows() * kSortBytesPerRow;
}

void SortBuffer::Add(const Batch& batch, SortKeys keys) {
  store_.Add(batch);
  key_bytes_ += keys.num_bytes();
  keys_.push_back(std::move(keys));
  num_rows_ += batch.num_rows();
  reservation_.SetOwn(key_bytes_ + num_rows_ * kSortBytesPerRow);
}

std::vector<KeyedRow> SortBuffer::SortedRows(int64_t rows_max) const {
  std::vector<KeyedRow> rows;
  rows.reserve(static_cast<size_t>(num_rows_));
  for (size_t chunk = 0; chunk < keys_.size(); ++chunk) {
    for (int64_t row = 0; row < keys_[chunk].num_rows; ++row) {
      rows.push_back({{static_cast<int32_t>(chunk), static_cast<int32_t>(row)}, keys_[chunk][row]});
    }
  }
  SortRows(&rows);
  rows.resize(static_cast<size_t>(std::min(rows_max, num_rows_)));
  return rows;
}

Result<std::vector<SortedBlockPtr>> SortBuffer::Sort(int64_t block_bytes, int64_t rows_max,
                                                     arrow::MemoryPool* pool) {
  const std::vector<KeyedRow> rows = SortedRows(rows_max);
  std::vector<SortedBlockPtr> blocks;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    for (int64_t bytes = 0; end < rows.size() && (end == begin || bytes < block_bytes); ++end) {
      bytes += GatheredBytes(store_, rows[end]);
    }
    ARROW_ASSIGN_OR_RAISE(SortedBlock block,
                          GatherBlock(store_, std::span(rows).subspan(begin, end - begin), pool));
    block.reservation = reservation_.Split(std::min(block.bytes, reservation_.bytes()));
    block.reservation.SetOwn(block.keys.num_bytes());
    blocks.push_back(std::make_shared<SortedBlock>(std::move(block)));
    begin = end;
  }
  Clear();
  reservation_.Clear();
  return blocks;
}

Result<std::string> SortBuffer::KeepFirst(int64_t rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(SortedBlock block, GatherBlock(store_, SortedRows(rows), pool));
  Clear();
  std::string last(block.keys[block.num_rows - 1]);
  const Batch batch(std::move(block.columns), block.num_rows);
  reservation_.TryResize(std::min(BytesOf(batch, block.keys), reservation_.bytes()));
  Add(batch, std::move(block.keys));
  return last;
}

void SortBuffer::Clear() {
  store_ = RowStore(*schema_);
  keys_.clear();
  key_bytes_ = 0;
  num_rows_ = 0;
}

}  // namespace headrace
