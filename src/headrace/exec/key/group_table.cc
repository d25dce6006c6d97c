// Lookups run in passes over some rows at a time, so that cache misses overlap. A slot is found by
// the low bits of the hash, its tag holds higher ones; the top 7 bits are the key group.
#include "headrace/exec/key/group_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "headrace/base/check.h"

namespace headrace {
namespace {

constexpr size_t kSlotsMin = 8;
constexpr size_t kCapacityMin = 4;
constexpr size_t kDeadBytesMin = 4096;
// Rows whose cache lines are fetched together.
constexpr int64_t kProbeRows = 64;

// At most 5/8 of the slots are used.
size_t SlotsFor(size_t groups) {
  size_t slots = groups == 0 ? 0 : kSlotsMin;
  while (groups > slots / 8 * 5) slots *= 2;
  return slots;
}

// Growth by a half, so that the memory after adding can be told before.
size_t CapacityFor(size_t needed, size_t capacity) {
  return needed <= capacity ? capacity : std::max({needed, capacity + capacity / 2, kCapacityMin});
}

template <typename T>
void MakeRoom(std::vector<T>& values, size_t more) {
  values.reserve(CapacityFor(values.size() + more, values.capacity()));
}

template <typename T>
size_t HeldBytes(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

// Sums memory of vectors after they grew one element at a time, one vector after the other.
class GrowthSum {
 public:
  template <typename T>
  void Add(const std::vector<T>& values, size_t more) {
    const size_t needed = values.size() + more;
    const bool grows = needed > values.capacity();
    AddBlock(grows ? std::max(needed + needed / 2, kCapacityMin) * sizeof(T) : HeldBytes(values),
             grows ? HeldBytes(values) : 0);
  }
  void AddBlock(size_t after, size_t copied) {
    held_ += after;
    // The copy before the last may be half a growth step smaller than the last.
    copied_ = std::max(copied_, copied == 0 ? 0 : after);
  }
  int64_t total() const { return static_cast<int64_t>(held_ + copied_); }

 private:
  size_t held_ = 0;
  size_t copied_ = 0;
};

}  // namespace

std::string_view GroupTable::BytesOf(uint32_t group) const {
  return {reinterpret_cast<const char*>(bytes_.data()) + values_[group], lengths_[group]};
}

inline bool GroupTable::SameKey(uint32_t group, const EncodedKeys& keys, uint32_t row) const {
  if (is_fixed_) {
    // Only null and 0 share a value.
    const uint64_t value = keys.values[row];
    return values_[group] == value && (value != 0 || nulls_[group] == keys.nulls[row]);
  }
  return hashes_[group] == keys.hashes[row] && BytesOf(group) == keys.Bytes(row);
}

inline uint32_t GroupTable::Probe(const EncodedKeys& keys, uint32_t row, size_t slot) const {
  const uint32_t tag = TagOf(keys.hashes[row]);
  for (const size_t mask = slots_.size() - 1;; slot = (slot + 1) & mask) {
    const Slot& candidate = slots_[slot];
    if (candidate.id_plus_1 == 0) return kNoGroup;
    if (candidate.tag == tag && SameKey(candidate.id_plus_1 - 1, keys, row)) {
      return candidate.id_plus_1 - 1;
    }
  }
}

int64_t GroupTable::Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                         uint32_t* groups_out) const {
  if (slots_.empty()) {
    std::fill_n(groups_out, count, kNoGroup);
    return count;
  }
  int64_t missing = 0;
  for (int64_t begin = 0; begin < count; begin += kProbeRows) {
    const int64_t rows_now = std::min(kProbeRows, count - begin);
    missing += FindSome(keys, rows + begin, rows_now, groups_out + begin);
  }
  return missing;
}

// Three passes, each waiting for what the one before prefetched: slots, keys, comparison.
int64_t GroupTable::FindSome(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                             uint32_t* groups_out) const {
  const size_t mask = slots_.size() - 1;
  for (int64_t i = 0; i < count; ++i) __builtin_prefetch(&slots_[keys.hashes[rows[i]] & mask]);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t hash = keys.hashes[rows[i]];
    size_t slot = hash & mask;
    while (slots_[slot].id_plus_1 != 0 && slots_[slot].tag != TagOf(hash)) slot = (slot + 1) & mask;
    groups_out[i] = slots_[slot].id_plus_1 - 1;  // kNoGroup when it is empty
    if (groups_out[i] != kNoGroup) PrefetchKey(groups_out[i]);
  }
  int64_t missing = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (groups_out[i] == kNoGroup) {
      ++missing;
    } else if (!SameKey(groups_out[i], keys, rows[i])) [[unlikely]] {
      groups_out[i] = Probe(keys, rows[i], keys.hashes[rows[i]] & mask);
      missing += groups_out[i] == kNoGroup;
    }
  }
  return missing;
}

void GroupTable::FindOrInsert(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                              uint32_t* groups_out, uint8_t* is_new_out) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t before = num_groups();
    groups_out[i] = Insert(keys, rows[i]);
    if (is_new_out != nullptr) is_new_out[i] = num_groups() > before ? 1 : 0;
  }
}

uint32_t GroupTable::Insert(const EncodedKeys& keys, uint32_t row) {
  const uint64_t hash = keys.hashes[row];
  if (!slots_.empty()) {
    const uint32_t found = Probe(keys, row, hash & (slots_.size() - 1));
    if (found != kNoGroup) return found;
  }
  const size_t slots = SlotsFor(static_cast<size_t>(num_groups()) + 1);
  if (slots > slots_.size()) Rehash(slots);
  const uint32_t id = NewId(keys, row);
  PutSlot(hash, id);
  return id;
}

uint32_t GroupTable::NewId(const EncodedKeys& keys, uint32_t row) {
  uint32_t id = static_cast<uint32_t>(hashes_.size());
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else {
    HEADRACE_CHECK(id < kNoGroup - 1, "too many groups in one table");
    MakeRoom(hashes_, 1);
    MakeRoom(nulls_, 1);
    MakeRoom(values_, 1);
    hashes_.push_back(0);
    nulls_.push_back(0);
    values_.push_back(0);
    if (!is_fixed_) {
      MakeRoom(lengths_, 1);
      lengths_.push_back(0);
    }
  }
  StoreKey(id, keys, row);
  return id;
}

void GroupTable::StoreKey(uint32_t id, const EncodedKeys& keys, uint32_t row) {
  hashes_[id] = keys.hashes[row];
  nulls_[id] = keys.nulls[row];
  if (is_fixed_) {
    values_[id] = keys.values[row];
    return;
  }
  const std::string_view key = keys.Bytes(row);
  values_[id] = bytes_.size();
  lengths_[id] = static_cast<uint32_t>(key.size());
  MakeRoom(bytes_, key.size());
  bytes_.insert(bytes_.end(), key.begin(), key.end());
}

void GroupTable::PutSlot(uint64_t hash, uint32_t id) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot].id_plus_1 != 0) slot = (slot + 1) & mask;
  slots_[slot] = {TagOf(hash), id + 1};
}

void GroupTable::Rehash(size_t capacity) {
  std::vector<Slot> old(capacity);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id_plus_1 != 0) PutSlot(hashes_[slot.id_plus_1 - 1], slot.id_plus_1 - 1);
  }
}

size_t GroupTable::SlotOf(uint32_t group) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hashes_[group] & mask;
  while (slots_[slot].id_plus_1 != group + 1) {
    HEADRACE_CHECK(slots_[slot].id_plus_1 != 0, "a group that is not in its table");
    slot = (slot + 1) & mask;
  }
  return slot;
}

// Later entries of the same probe sequence move back into the hole, so that no tombstones are left.
void GroupTable::Erase(uint32_t group) {
  const size_t mask = slots_.size() - 1;
  size_t hole = SlotOf(group);
  for (size_t next = (hole + 1) & mask; slots_[next].id_plus_1 != 0; next = (next + 1) & mask) {
    const size_t home = hashes_[slots_[next].id_plus_1 - 1] & mask;
    const bool stays = ((next - home) & mask) < ((next - hole) & mask);
    if (stays) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = Slot{};
  nulls_[group] = kErased;
  MakeRoom(free_, 1);
  free_.push_back(group);
  if (is_fixed_) return;
  dead_bytes_ += lengths_[group];
  lengths_[group] = 0;
  if (dead_bytes_ > kDeadBytesMin && dead_bytes_ > bytes_.size() / 2) DropDeadBytes();
}

void GroupTable::DropDeadBytes() {
  std::vector<uint8_t> live;
  live.reserve(bytes_.size() - dead_bytes_);
  for (size_t id = 0; id < values_.size(); ++id) {
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(values_[id]);
    values_[id] = live.size();
    live.insert(live.end(), begin, begin + lengths_[id]);
  }
  bytes_ = std::move(live);
  dead_bytes_ = 0;
}

bool GroupTable::KeyLess(uint32_t left, uint32_t right) const {
  if (!is_fixed_) return BytesOf(left) < BytesOf(right);
  return std::pair(nulls_[left], values_[left]) < std::pair(nulls_[right], values_[right]);
}

EncodedKeys GroupTable::StartKeys(bool is_fixed) {
  EncodedKeys keys;
  keys.is_fixed = is_fixed;
  if (!is_fixed) keys.offsets.push_back(0);
  return keys;
}

void GroupTable::AppendKeyOf(uint32_t group, EncodedKeys* out) const {
  ++out->num_rows;
  out->hashes.push_back(hashes_[group]);
  out->nulls.push_back(nulls_[group]);
  if (is_fixed_) {
    out->values.push_back(values_[group]);
    return;
  }
  const std::string_view key = BytesOf(group);
  out->bytes.insert(out->bytes.end(), key.begin(), key.end());
  out->offsets.push_back(static_cast<int64_t>(out->bytes.size()));
}

void GroupTable::KeysOf(const uint32_t* groups, int64_t count, EncodedKeys* out) const {
  *out = StartKeys(is_fixed_);
  out->hashes.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) AppendKeyOf(groups[i], out);
}

int64_t GroupTable::bytes() const {
  return static_cast<int64_t>(HeldBytes(slots_) + HeldBytes(hashes_) + HeldBytes(nulls_) +
                              HeldBytes(values_) + HeldBytes(lengths_) + HeldBytes(bytes_) +
                              HeldBytes(free_));
}

int64_t GroupTable::BytesToAdd(int64_t groups, int64_t key_bytes) const {
  const auto more = static_cast<size_t>(groups);
  const size_t fresh = more - std::min(more, free_.size());
  GrowthSum sum;
  const size_t slots = SlotsFor(static_cast<size_t>(num_groups()) + more);
  const bool grows = slots > slots_.size();
  sum.AddBlock(grows ? slots * sizeof(Slot) : HeldBytes(slots_), grows ? HeldBytes(slots_) : 0);
  sum.Add(hashes_, fresh);
  sum.Add(nulls_, fresh);
  sum.Add(values_, fresh);
  sum.Add(lengths_, is_fixed_ ? 0 : fresh);
  sum.Add(bytes_, is_fixed_ ? 0 : static_cast<size_t>(key_bytes));
  sum.Add(free_, 0);
  return sum.total();
}

}  // namespace headrace
