// Sorting of one buffer: pairs of key prefix and row reference are sorted, then rows are gathered.
#include "headrace/exec/op/sort/sort_block.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "headrace/base/check.h"

namespace headrace {
namespace {

// What sorting needs per row besides the row and its key.
constexpr int64_t kSortBytesPerRow = 64;

int64_t GatheredBytes(const RowStore& store, const KeyedRow& row) {
  return store.BytesOf(row.row) + static_cast<int64_t>(row.key.size() + sizeof(int64_t));
}

}  // namespace

RowPosition BlockPositions::operator[](int64_t row) const {
  if (splits == nullptr) return {first.split, first.row + row};
  return {static_cast<const arrow::Int64Array&>(*splits).Value(row),
          static_cast<const arrow::Int64Array&>(*rows).Value(row)};
}

SortedBlock::SortedBlock(std::vector<ArrayPtr> columns, SortKeys keys)
    : columns(std::move(columns)),
      num_rows(keys.num_rows),
      has_keys_(true),
      keys_(std::move(keys)) {
  bytes = Batch(this->columns, num_rows).num_bytes() + keys_.num_bytes();
}

SortedBlock::SortedBlock(std::vector<ArrayPtr> columns, int64_t num_rows, BlockPositions positions,
                         std::shared_ptr<const SortKeyEncoder> encoder, arrow::MemoryPool* pool)
    : columns(std::move(columns)),
      num_rows(num_rows),
      positions_(std::move(positions)),
      encoder_(std::move(encoder)),
      pool_(pool) {
  bytes = Batch(this->columns, num_rows).num_bytes();
  first_key_ = KeyOf(0);
  last_key_ = KeyOf(num_rows - 1);
}

std::string SortedBlock::KeyOf(int64_t row) const {
  const std::vector<RowPosition> position = {positions_[row]};
  SortKeys key;
  const Batch one = Batch(columns, num_rows).Slice(row, 1);
  HEADRACE_CHECK(encoder_->Encode(one, &position, pool_, &key).ok(), "plain keys can be encoded");
  return std::string(key[0]);
}

void SortedBlock::MakeKeys() const {
  std::lock_guard lock(mutex_);
  if (has_keys()) return;
  std::vector<RowPosition> positions;
  positions.reserve(static_cast<size_t>(num_rows));
  for (int64_t row = 0; row < num_rows; ++row) positions.push_back(positions_[row]);
  const Status made = encoder_->Encode(Batch(columns, num_rows), &positions, pool_, &keys_);
  HEADRACE_CHECK(made.ok(), "plain keys can be encoded");
  has_keys_.store(true, std::memory_order_release);
}

std::string_view SortedBlock::MakeKeyAt(int64_t row) const {
  if (row == 0) return first_key_;
  if (row == num_rows - 1) return last_key_;
  MakeKeys();
  return keys_[row];
}

bool SortedBlock::IsBefore(int64_t row, std::string_view key) const {
  if (has_keys() || row == 0 || row == num_rows - 1) return KeyAt(row) < key;
  return KeyOf(row) < key;
}

RowPosition SortedBlock::PositionOf(int64_t row) const {
  return encoder_ == nullptr ? SortKeyEncoder::PositionOf(keys_[row]) : positions_[row];
}

int64_t SortedBlock::KeyBytesOf(int64_t count) const {
  constexpr auto kOffsetBytes = static_cast<int64_t>(sizeof(int64_t));
  if (!has_keys()) {
    return count *
           (static_cast<int64_t>(std::max(first_key_.size(), last_key_.size())) + kOffsetBytes);
  }
  return count * (static_cast<int64_t>(keys_.bytes.size()) / num_rows + 1 + kOffsetBytes);
}

Result<std::shared_ptr<SortedBlock>> GatherBlock(const RowStore& store,
                                                 std::span<const KeyedRow> rows,
                                                 arrow::MemoryPool* pool) {
  std::vector<RowRef> refs;
  refs.reserve(rows.size());
  size_t key_bytes = 0;
  for (const KeyedRow& row : rows) {
    refs.push_back(row.row);
    key_bytes += row.key.size();
  }
  ARROW_ASSIGN_OR_RAISE(auto columns, store.Gather(refs, pool));
  SortKeys keys;
  keys.num_rows = static_cast<int64_t>(rows.size());
  keys.offsets.reserve(rows.size() + 1);
  keys.bytes.resize(key_bytes);
  keys.offsets.push_back(0);
  size_t end = 0;
  for (const KeyedRow& row : rows) {
    std::memcpy(keys.bytes.data() + end, row.key.data(), row.key.size());
    end += row.key.size();
    keys.offsets.push_back(static_cast<int64_t>(end));
  }
  return std::make_shared<SortedBlock>(std::move(columns), std::move(keys));
}

std::vector<SortedBlockPtr> BlocksOfSorted(const Batch& batch, RowPosition first,
                                           const std::shared_ptr<const SortKeyEncoder>& encoder,
                                           int64_t block_bytes, Reservation reservation,
                                           arrow::MemoryPool* pool) {
  const int64_t count = batch.num_rows();
  const int64_t blocks = std::clamp<int64_t>(batch.num_bytes() / block_bytes, 1, count);
  std::vector<SortedBlockPtr> made;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = count * i / blocks;
    const int64_t rows = count * (i + 1) / blocks - begin;
    auto block = std::make_shared<SortedBlock>(
        batch.Slice(begin, rows).columns(), rows,
        BlockPositions{{first.split, first.row + begin}, nullptr, nullptr}, encoder, pool);
    block->reservation = reservation.Split(std::min(block->bytes, reservation.bytes()));
    made.push_back(std::move(block));
  }
  return made;
}

SortBuffer::SortBuffer(SchemaPtr schema, std::shared_ptr<MemoryBudget> budget)
    : schema_(std::move(schema)), store_(*schema_), reservation_(std::move(budget)) {}

int64_t SortBuffer::BytesOf(const Batch& batch, const SortKeys& keys) {
  const int64_t copied = batch.num_bytes() + keys.num_bytes();  // in order, while these are there
  return 2 * copied + batch.num_rows() * kSortBytesPerRow;
}

void SortBuffer::Add(const Batch& batch, SortKeys keys) {
  store_.Add(batch);
  key_bytes_ += keys.num_bytes();
  copied_bytes_ += batch.num_bytes() + keys.num_bytes();
  keys_.push_back(std::move(keys));
  num_rows_ += batch.num_rows();
  reservation_.SetOwn(key_bytes_ + copied_bytes_ + num_rows_ * kSortBytesPerRow);
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
  reservation_.SetOwn(key_bytes_ + num_rows_ * kSortBytesPerRow);  // the copies are made now
  const std::vector<KeyedRow> rows = SortedRows(rows_max);
  std::vector<SortedBlockPtr> blocks;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    for (int64_t bytes = 0; end < rows.size() && (end == begin || bytes < block_bytes); ++end) {
      bytes += GatheredBytes(store_, rows[end]);
    }
    ARROW_ASSIGN_OR_RAISE(auto block,
                          GatherBlock(store_, std::span(rows).subspan(begin, end - begin), pool));
    block->reservation = reservation_.Split(std::min(block->bytes, reservation_.bytes()));
    block->reservation.SetOwn(block->KeyBytesOf(block->num_rows));
    blocks.push_back(std::move(block));
    begin = end;
  }
  Clear();
  reservation_.Clear();
  return blocks;
}

Result<std::string> SortBuffer::KeepFirst(int64_t rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto block, GatherBlock(store_, SortedRows(rows), pool));
  Clear();
  std::string last(block->KeyAt(block->num_rows - 1));
  const Batch batch(std::move(block->columns), block->num_rows);
  SortKeys keys = block->TakeKeys();
  reservation_.TryResize(std::min(BytesOf(batch, keys), reservation_.bytes()));
  Add(batch, std::move(keys));
  return last;
}

void SortBuffer::Clear() {
  store_ = RowStore(*schema_);
  keys_.clear();
  key_bytes_ = 0;
  copied_bytes_ = 0;
  num_rows_ = 0;
}

}  // namespace headrace
