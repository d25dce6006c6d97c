// Sorting of one buffer: references to rows are sorted by keys, then rows are gathered. Blocks do
// not keep keys: to make them anew is faster than to copy them, and they take a third of a row.
#include "headrace/exec/op/sort/sort_block.h"

#include <algorithm>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "headrace/base/check.h"

namespace headrace {
namespace {

// A row's place in the input.
constexpr int64_t kPlaceBytes = 2 * static_cast<int64_t>(sizeof(int64_t));
// Blocks of rows that are at most so many times as large as the mean are cut by that.
constexpr int64_t kEvenRowsFactor = 4;

ArrayPtr NumbersOf(std::shared_ptr<arrow::Buffer> numbers, int64_t count) {
  return std::make_shared<arrow::Int64Array>(count, std::move(numbers));
}

// The places that `place_of` gives, of `count` rows.
template <typename PlaceOf>
Result<RowPlaces> MakePlaces(int64_t count, PlaceOf place_of, arrow::MemoryPool* pool) {
  const auto bytes = count * static_cast<int64_t>(sizeof(int64_t));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> splits, arrow::AllocateBuffer(bytes, pool));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> rows, arrow::AllocateBuffer(bytes, pool));
  auto* splits_out = splits->mutable_data_as<int64_t>();
  auto* rows_out = rows->mutable_data_as<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const RowPosition place = place_of(i);
    splits_out[i] = place.split;
    rows_out[i] = place.row;
  }
  return RowPlaces{{}, NumbersOf(std::move(splits), count), NumbersOf(std::move(rows), count)};
}

}  // namespace

Result<RowPlaces> RowPlaces::Of(std::span<const RowPosition> positions, arrow::MemoryPool* pool) {
  return MakePlaces(
      static_cast<int64_t>(positions.size()),
      [&](int64_t row) { return positions[static_cast<size_t>(row)]; }, pool);
}

RowPosition RowPlaces::operator[](int64_t row) const {
  if (!are_columns()) return {first.split, first.row + row};
  return {static_cast<const arrow::Int64Array&>(*splits).Value(row),
          static_cast<const arrow::Int64Array&>(*rows).Value(row)};
}

Result<RowPlaces> RowPlaces::AsColumns(int64_t count, arrow::MemoryPool* pool) const {
  if (are_columns()) return *this;
  return MakePlaces(count, [this](int64_t row) { return (*this)[row]; }, pool);
}

SortedBlock::SortedBlock(std::vector<ArrayPtr> columns, int64_t num_rows, RowPlaces places,
                         std::shared_ptr<const SortKeyEncoder> encoder, arrow::MemoryPool* pool)
    : columns(std::move(columns)),
      num_rows(num_rows),
      places_(std::move(places)),
      encoder_(std::move(encoder)),
      pool_(pool) {
  bytes = Batch(this->columns, num_rows).num_bytes();
  if (places_.are_columns()) bytes += num_rows * kPlaceBytes;
  first_key_ = KeyOf(0);
  last_key_ = KeyOf(num_rows - 1);
}

std::string SortedBlock::KeyOf(int64_t row) const {
  const std::vector<RowPosition> position = {places_[row]};
  SortKeys key;
  const Batch one = Batch(columns, num_rows).Slice(row, 1);
  HEADRACE_CHECK(encoder_->Encode(one, &position, pool_, &key).ok(), "plain keys can be encoded");
  return std::string(key[0]);
}

void SortedBlock::MakeKeys() const {
  std::lock_guard lock(mutex_);
  if (has_keys_.load(std::memory_order_acquire)) return;
  std::vector<RowPosition> positions;
  positions.reserve(static_cast<size_t>(num_rows));
  for (int64_t row = 0; row < num_rows; ++row) positions.push_back(places_[row]);
  const Status made = encoder_->Encode(Batch(columns, num_rows), &positions, pool_, &keys_);
  HEADRACE_CHECK(made.ok(), "plain keys can be encoded");
  has_keys_.store(true, std::memory_order_release);
}

const SortKeys& SortedBlock::keys() const {
  if (!has_keys_.load(std::memory_order_acquire)) MakeKeys();
  return keys_;
}

std::string_view SortedBlock::KeyAt(int64_t row) const {
  if (row == 0) return first_key_;
  if (row == num_rows - 1) return last_key_;
  return keys()[row];
}

// A block that is cut at a key is compared in few rows: all its keys, which would stay until it is
// merged, are not worth to be made.
bool SortedBlock::IsBefore(int64_t row, std::string_view key) const {
  const bool is_known = row == 0 || row == num_rows - 1 || has_keys_.load();
  return is_known ? KeyAt(row) < key : KeyOf(row) < key;
}

int64_t SortedBlock::key_bytes() const {
  return static_cast<int64_t>(std::max(first_key_.size(), last_key_.size()) + sizeof(int64_t));
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
        RowPlaces{{first.split, first.row + begin}, nullptr, nullptr}, encoder, pool);
    block->reservation = reservation.Split(std::min(block->bytes, reservation.bytes()));
    made.push_back(std::move(block));
  }
  return made;
}

SortBuffer::SortBuffer(SchemaPtr schema, std::shared_ptr<const SortKeyEncoder> encoder,
                       std::shared_ptr<MemoryBudget> budget)
    : schema_(std::move(schema)),
      encoder_(std::move(encoder)),
      store_(*schema_),
      reservation_(std::move(budget)) {}

// Rows are copied in order, while these are there.
int64_t SortBuffer::BytesOf(const Batch& batch, const SortKeys& keys) {
  return 2 * batch.num_bytes() + keys.num_bytes() +
         batch.num_rows() * (kPlaceBytes + kSortRowBytes);
}

void SortBuffer::Add(const Batch& batch, RowPlaces places, SortKeys keys) {
  const int32_t chunk = store_.Add(batch);
  row_bytes_max_ = std::max(row_bytes_max_, store_.BytesMaxOf(chunk));
  key_bytes_ += keys.num_bytes();
  copied_bytes_ += batch.num_bytes() + batch.num_rows() * kPlaceBytes;
  chunks_.push_back({std::move(keys), std::move(places)});
  num_rows_ += batch.num_rows();
  reservation_.SetOwn(key_bytes_ + copied_bytes_ + num_rows_ * kSortRowBytes);
}

std::vector<RowRef> SortBuffer::SortedRows(int64_t rows_max) const {
  std::vector<KeySlice> slices;
  for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    const SortKeys& keys = chunks_[chunk].keys;
    slices.push_back({&keys, static_cast<int32_t>(chunk), 0, keys.num_rows});
  }
  std::vector<RowRef> rows;
  SortRows(slices, &rows);
  rows.resize(static_cast<size_t>(std::min(rows_max, num_rows_)));
  return rows;
}

std::string_view SortBuffer::KeyOf(RowRef row) const {
  return chunks_[static_cast<size_t>(row.chunk)].keys[row.row];
}

size_t SortBuffer::BlockEnd(const std::vector<RowRef>& rows, size_t begin,
                            int64_t block_bytes) const {
  const int64_t mean = copied_bytes_ / num_rows_ + 1;
  if (row_bytes_max_ <= kEvenRowsFactor * mean) {
    return std::min(rows.size(), begin + static_cast<size_t>(block_bytes / mean) + 1);
  }
  size_t end = begin;
  for (int64_t bytes = 0; end < rows.size() && (end == begin || bytes < block_bytes); ++end) {
    bytes += store_.BytesOf(rows[end]) + kPlaceBytes;
  }
  return end;
}

Result<RowPlaces> SortBuffer::GatherPlaces(std::span<const RowRef> rows,
                                           arrow::MemoryPool* pool) const {
  const auto place_of = [&](int64_t i) {
    const RowRef row = rows[static_cast<size_t>(i)];
    return chunks_[static_cast<size_t>(row.chunk)].places[row.row];
  };
  return MakePlaces(static_cast<int64_t>(rows.size()), place_of, pool);
}

Result<std::shared_ptr<SortedBlock>> SortBuffer::GatherBlock(std::span<const RowRef> rows,
                                                             arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(auto columns, store_.Gather(rows, pool));
  ARROW_ASSIGN_OR_RAISE(RowPlaces places, GatherPlaces(rows, pool));
  return std::make_shared<SortedBlock>(std::move(columns), static_cast<int64_t>(rows.size()),
                                       std::move(places), encoder_, pool);
}

Result<std::vector<SortedBlockPtr>> SortBuffer::Sort(int64_t block_bytes, int64_t rows_max,
                                                     arrow::MemoryPool* pool) {
  reservation_.SetOwn(key_bytes_ + num_rows_ * kSortRowBytes);  // the copies are made now
  const std::vector<RowRef> rows = SortedRows(rows_max);
  std::vector<SortedBlockPtr> blocks;
  for (size_t begin = 0; begin < rows.size();) {
    const size_t end = BlockEnd(rows, begin, block_bytes);
    ARROW_ASSIGN_OR_RAISE(auto block,
                          GatherBlock(std::span(rows).subspan(begin, end - begin), pool));
    block->reservation = reservation_.Split(std::min(block->bytes, reservation_.bytes()));
    block->reservation.SetOwn(0);
    blocks.push_back(std::move(block));
    begin = end;
  }
  Clear();
  reservation_.Clear();
  return blocks;
}

SortKeys SortBuffer::GatherKeys(std::span<const RowRef> rows) const {
  SortKeys keys;
  keys.num_rows = static_cast<int64_t>(rows.size());
  keys.offsets.push_back(0);
  for (const RowRef row : rows) {
    const std::string_view key = KeyOf(row);
    keys.bytes.insert(keys.bytes.end(), key.begin(), key.end());
    keys.offsets.push_back(static_cast<int64_t>(keys.bytes.size()));
  }
  return keys;
}

Result<std::string> SortBuffer::KeepFirst(int64_t rows, arrow::MemoryPool* pool) {
  const std::vector<RowRef> kept = SortedRows(rows);
  ARROW_ASSIGN_OR_RAISE(auto columns, store_.Gather(kept, pool));
  ARROW_ASSIGN_OR_RAISE(RowPlaces places, GatherPlaces(kept, pool));
  SortKeys keys = GatherKeys(kept);
  const Batch batch(std::move(columns), keys.num_rows);
  std::string last(keys[keys.num_rows - 1]);
  Clear();
  reservation_.TryResize(std::min(BytesOf(batch, keys), reservation_.bytes()));
  Add(batch, std::move(places), std::move(keys));
  return last;
}

void SortBuffer::Clear() {
  store_ = RowStore(*schema_);
  chunks_.clear();
  key_bytes_ = 0;
  copied_bytes_ = 0;
  num_rows_ = 0;
  row_bytes_max_ = 0;
}

}  // namespace headrace
