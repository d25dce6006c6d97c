// Words of hash and row are divided by the bits of the hash into buckets of a cache's size, which
// are sorted when they are needed. The groups of some words have their states side by side.
#include "headrace/exec/op/aggregate/row_groups.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr size_t kRowsPerBucket = 2048;
constexpr int kBucketBitsMax = 14;
// Rows added in one step.
constexpr size_t kRowsAtOnce = 16384;
// Of a row, beside its columns: its word, its encoded key and the hash of it.
constexpr int64_t kBytesBeside = 16 + 8 + 8 + 1;

constexpr uint64_t InverseOf(uint64_t odd) {
  uint64_t inverse = odd;
  for (int step = 0; step < 6; ++step) inverse *= 2 - odd * inverse;
  return inverse;
}

// The value of a hash by HashInteger.
uint64_t IntegerOfHash(uint64_t hash) {
  constexpr uint64_t kInverse = InverseOf(0xd6e8feb86659fd93ULL);
  hash ^= hash >> 32;
  hash *= kInverse;
  hash ^= hash >> 32;
  hash *= kInverse;
  return hash ^ hash >> 32;
}

}  // namespace

RowGroups::RowGroups(const RowForm& form, const GroupStore& states, int hash_bits,
                     int64_t groups_max, std::shared_ptr<MemoryBudget> budget,
                     arrow::MemoryPool* pool)
    : form_(form),
      terms_(*form.terms),
      states_(states),
      hash_bits_(hash_bits),
      groups_max_(static_cast<size_t>(groups_max)),
      pool_(pool),
      columns_reservation_(budget),
      words_reservation_(budget, Backing::kOwn),
      extra_reservation_(std::move(budget), Backing::kOwn) {}

RowGroups::~RowGroups() { DropStates(); }

int64_t RowGroups::Load(Batch rows) {
  const int64_t bytes = rows.num_bytes();
  int64_t beside = rows.num_rows() * kBytesBeside;
  if (!terms_.encoder().is_fixed()) beside += bytes + rows.num_rows() * kLengthBytes;
  if (loaded_.empty()) {
    beside += states_.num_groups() * static_cast<int64_t>(sizeof(SortWord)) +
              static_cast<int64_t>(groups_max_ * (terms_.row_size() + sizeof(SortWord)));
  }
  if (!columns_reservation_.TryGrow(2 * bytes)) return 2 * bytes + beside;
  if (!words_reservation_.TryGrow(beside)) {
    columns_reservation_.TryGrow(-2 * bytes);
    return 2 * bytes + beside;
  }
  num_rows_ += rows.num_rows();
  num_bytes_ += bytes;
  loaded_.push_back(std::move(rows));
  return 0;
}

Status RowGroups::Sort() {
  ARROW_ASSIGN_OR_RAISE(rows_, ConcatenateBatches(std::exchange(loaded_, {}), pool_));
  ARROW_RETURN_NOT_OK(terms_.encoder().Encode(rows_, pool_, &keys_));
  MakeWords();
  std::vector<uint64_t>().swap(keys_.hashes);
  std::vector<uint64_t>().swap(keys_.values);
  std::vector<ArrayPtr> columns = rows_.columns();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!form_.IsRead(static_cast<int>(i))) columns[i] = nullptr;
  }
  rows_ = Batch(std::move(columns), num_rows_);
  Shrink();
  block_ = AllocateBlock(groups_max_ * terms_.row_size() + 1, terms_.row_align());
  return Status::OK();
}

// Loading took more than is left.
void RowGroups::Shrink() {
  int64_t bytes = 0;
  for (const ArrayPtr& column : rows_.columns()) {
    if (column != nullptr) bytes += Batch({column}, num_rows_).num_bytes();
  }
  columns_reservation_.TryResize(std::min(bytes, columns_reservation_.bytes()));
  const size_t beside =
      words_.size() * sizeof(SortWord) + groups_max_ * (terms_.row_size() + sizeof(SortWord));
  const int64_t own = static_cast<int64_t>(beside) + keys_.num_bytes();
  words_reservation_.TryResize(std::min(own, words_reservation_.bytes()));
}

void RowGroups::MakeWords() {
  const std::vector<uint32_t> states = states_.Groups();
  words_.resize(static_cast<size_t>(num_rows_) + states.size());
  const int bits =
      std::min(static_cast<int>(std::bit_width(words_.size() / kRowsPerBucket)), kBucketBitsMax);
  const auto bucket_of = [&](uint64_t hash) {
    return bits == 0 ? 0 : static_cast<size_t>(hash << hash_bits_ >> (64 - bits));
  };
  std::vector<size_t> places((size_t{1} << bits) + 1);
  for (const uint64_t hash : keys_.hashes) ++places[bucket_of(hash) + 1];
  for (const uint32_t id : states) ++places[bucket_of(states_.table().HashOf(id)) + 1];
  for (size_t i = 1; i < places.size(); ++i) places[i] += places[i - 1];
  bucket_ends_.assign(places.begin() + 1, places.end());
  for (size_t row = 0; row < keys_.hashes.size(); ++row) {
    words_[places[bucket_of(keys_.hashes[row])]++] = {row, keys_.hashes[row]};
  }
  for (const uint32_t id : states) {
    const uint64_t hash = states_.table().HashOf(id);
    words_[places[bucket_of(hash)]++] = {kIsState | id, hash};
  }
}

// Equal keys come to stand together, also where others have the same hash.
void RowGroups::SortBucket() {
  const size_t begin = sorted_end_;
  sorted_end_ = bucket_ends_[next_bucket_++];
  SortWords({words_.data() + begin, sorted_end_ - begin});
  for (size_t first = begin, end = begin; first < sorted_end_; first = end) {
    bool same = true;
    for (end = first + 1; end < sorted_end_ && words_[end].high == words_[first].high; ++end) {
      same = same && SameKey(words_[first], words_[end]);
    }
    if (!same) SortByKey(first, end);
  }
}

void RowGroups::SortByKey(size_t begin, size_t end) {
  std::stable_sort(
      words_.begin() + static_cast<std::ptrdiff_t>(begin),
      words_.begin() + static_cast<std::ptrdiff_t>(end),
      [this](const SortWord& left, const SortWord& right) { return KeyLess(left, right); });
}

// Only null shares its hash with a value.
std::pair<uint8_t, uint64_t> RowGroups::FixedKeyOf(const SortWord& word) const {
  const uint32_t index = IndexOf(word);
  const bool is_null =
      word.high == kNullHash &&
      (IsState(word) ? states_.table().FixedKeyOf(index).second : keys_.nulls[index] != 0);
  if (is_null) return {1, 0};
  return {0, IntegerOfHash(word.high)};
}

std::string_view RowGroups::BytesKeyOf(const SortWord& word) const {
  const uint32_t index = IndexOf(word);
  return IsState(word) ? states_.table().BytesOf(index) : keys_.Bytes(index);
}

bool RowGroups::SameKey(const SortWord& left, const SortWord& right) const {
  return keys_.is_fixed ? FixedKeyOf(left) == FixedKeyOf(right)
                        : BytesKeyOf(left) == BytesKeyOf(right);
}

bool RowGroups::KeyLess(const SortWord& left, const SortWord& right) const {
  return keys_.is_fixed ? FixedKeyOf(left) < FixedKeyOf(right)
                        : BytesKeyOf(left) < BytesKeyOf(right);
}

void RowGroups::StartChunk() {
  first_words_.clear();
  chunk_end_ = added_end_ = chunk_begin_;
  while (chunk_end_ < words_.size()) {
    while (chunk_end_ == sorted_end_) SortBucket();
    const SortWord& word = words_[chunk_end_];
    const bool is_first = chunk_end_ == chunk_begin_ || word.high != words_[chunk_end_ - 1].high ||
                          !SameKey(words_[chunk_end_ - 1], word);
    if (is_first && IsFull()) break;
    if (is_first) first_words_.push_back(static_cast<uint32_t>(chunk_end_ - chunk_begin_));
    ++chunk_end_;
  }
  group_ = 0;
  for (size_t group = 0; group < first_words_.size(); ++group) {
    group_states_.push_back(block_.get() + group * terms_.row_size());
    terms_.Init(group_states_.back());
  }
}

// Where states own memory, few rows are in work, save those of one group.
bool RowGroups::IsFull() const {
  return first_words_.size() == groups_max_ ||
         (terms_.has_extra() && chunk_end_ - chunk_begin_ >= kRowsAtOnce);
}

int64_t RowGroups::Settle() {
  if (!terms_.has_extra()) return 0;
  int64_t bytes = 0;
  for (const std::byte* state : group_states_) bytes += terms_.ExtraBytesOf(state);
  const int64_t more = bytes - extra_reservation_.bytes();
  return extra_reservation_.TryResize(bytes) ? 0 : more;
}

Result<std::optional<Batch>> RowGroups::Next(std::span<KernelContext> contexts) {
  if (group_states_.empty()) StartChunk();
  if (added_end_ < chunk_end_) {
    ARROW_RETURN_NOT_OK(AddSome(contexts));
    if (added_end_ < chunk_end_) return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(Batch groups, EndChunk(contexts));
  DropStates();
  chunk_begin_ = chunk_end_;
  return groups;
}

Status RowGroups::AddSome(std::span<KernelContext> contexts) {
  if (terms_.calls().empty() && !terms_.fields().first) {
    added_end_ = chunk_end_;
    return Status::OK();
  }
  indices_.clear();
  row_states_.clear();
  const size_t end = std::min(chunk_end_, added_end_ + kRowsAtOnce);
  for (; added_end_ < end; ++added_end_) {
    const size_t next_group = group_ + 1;
    const bool is_next =
        next_group < first_words_.size() && chunk_begin_ + first_words_[next_group] == added_end_;
    if (is_next) group_ = next_group;
    const SortWord& word = words_[added_end_];
    if (IsState(word)) {
      std::byte* const from = states_.Row(IndexOf(word));
      ARROW_RETURN_NOT_OK(MergeStates(terms_, group_states_[group_], from, contexts));
      continue;
    }
    indices_.push_back(IndexOf(word));
    row_states_.push_back(group_states_[group_]);
  }
  return indices_.empty() ? Status::OK() : AddRows(contexts);
}

Status RowGroups::AddRows(std::span<KernelContext> contexts) {
  const auto count = static_cast<int64_t>(indices_.size());
  const arrow::UInt32Array indices(count, arrow::Buffer::Wrap(indices_));
  std::vector<ArrayPtr> columns = rows_.columns();
  for (ArrayPtr& column : columns) {
    if (column == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const Batch taken, Batch({column}, num_rows_).Take(indices, pool_));
    column = taken.column(0);
  }
  return form_.Add(Batch(std::move(columns), count), row_states_, contexts, pool_);
}

Result<Batch> RowGroups::EndChunk(std::span<KernelContext> contexts) {
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, Keys());
  ARROW_ASSIGN_OR_RAISE(auto results, FinishStates(terms_, group_states_, contexts));
  columns.insert(columns.end(), results.begin(), results.end());
  ARROW_RETURN_NOT_OK(AppendFirst(terms_, group_states_, pool_, &columns));
  return Batch(std::move(columns), static_cast<int64_t>(first_words_.size()));
}

Result<std::vector<ArrayPtr>> RowGroups::Keys() const {
  const size_t count = first_words_.size();
  if (keys_.is_fixed) {
    EncodedKeys keys = GroupTable::StartKeys(/*is_fixed=*/true);
    keys.num_rows = static_cast<int64_t>(count);
    keys.values.resize(count);
    keys.nulls.resize(count);
    for (size_t group = 0; group < count; ++group) {
      const auto key = FixedKeyOf(words_[chunk_begin_ + first_words_[group]]);
      keys.nulls[group] = key.first;
      keys.values[group] = key.second;
    }
    return terms_.encoder().Decode(keys, pool_);
  }
  std::vector<const uint8_t*> cells;
  cells.reserve(count);
  int64_t bytes = 0;
  for (const uint32_t first : first_words_) {
    const std::string_view key = BytesKeyOf(words_[chunk_begin_ + first]);
    cells.push_back(reinterpret_cast<const uint8_t*>(key.data()));
    bytes += static_cast<int64_t>(key.size());
  }
  return terms_.encoder().DecodeBytes(std::move(cells), bytes, pool_);
}

void RowGroups::DropStates() {
  for (std::byte* state : group_states_) terms_.Destroy(state);
  group_states_.clear();
}

}  // namespace headrace
