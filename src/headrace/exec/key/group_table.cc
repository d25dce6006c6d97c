// Lookups run in passes over some rows at a time, so that cache misses overlap. The low 32 bits of
// the hash are a slot's tag, and its place too, so growing reads no rows; the top 7 bits are the
// key group.
#include "headrace/exec/key/group_table.h"

#include <algorithm>
#include <utility>

#include "headrace/base/check.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr size_t kSlotsMin = 8;
constexpr size_t kCapacityMin = 4;
constexpr int64_t kDeadBytesMin = 4096;
constexpr int64_t kIdsMax = int64_t{1} << 31;
// Rows whose cache lines are fetched together.
constexpr int64_t kProbeRows = 64;
// Tables of so few slots are in a cache near by.
constexpr size_t kCachedSlotsMax = 1024;

// At most 5/8 of the slots are used.
size_t SlotsFor(size_t groups) {
  size_t slots = groups == 0 ? 0 : kSlotsMin;
  while (groups > slots / 8 * 5) slots *= 2;
  return slots;
}

template <typename T>
size_t HeldBytes(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

// Without the call that memcmp is for the short strings that most keys are.
inline bool SameBytes(std::string_view left, std::string_view right) {
  const size_t size = left.size();
  if (size != right.size()) return false;
  if (size < sizeof(uint64_t) || size > 64) return left == right;
  const auto word = [](const char* at) {
    uint64_t bytes;
    std::memcpy(&bytes, at, sizeof(bytes));
    return bytes;
  };
  size_t at = 0;
  for (; at + sizeof(uint64_t) < size; at += sizeof(uint64_t)) {
    if (word(left.data() + at) != word(right.data() + at)) return false;
  }
  const size_t last = size - sizeof(uint64_t);
  return word(left.data() + last) == word(right.data() + last);
}

}  // namespace

GroupTable::GroupTable(bool is_fixed, size_t payload_size, size_t payload_align)
    : is_fixed_(is_fixed),
      payload_offset_(RoundUp(is_fixed ? sizeof(FixedKey) : sizeof(BytesKey), payload_align)),
      rows_(RoundUp(payload_offset_ + payload_size, std::max(payload_align, alignof(BytesKey))),
            payload_align) {}

std::string_view GroupTable::BytesOf(const BytesKey& key) {
  if (key.length <= kShortBytesMax) return {key.short_bytes, key.length};
  const char* bytes;
  std::memcpy(&bytes, key.short_bytes + kFarOffset, sizeof(bytes));
  return {bytes, key.length};
}

std::string_view GroupTable::BytesOf(uint32_t group) const { return BytesOf(BytesKeyOf(group)); }

uint64_t GroupTable::HashOf(uint32_t group) const {
  if (!is_fixed_) return BytesKeyOf(group).hash;
  const FixedKey& key = FixedOf(group);
  return key.null != 0 ? kNullHash : HashInteger(key.value);
}

void GroupTable::SetNull(uint32_t id, uint8_t null) {
  std::byte* row = rows_[id];
  (is_fixed_ ? reinterpret_cast<FixedKey*>(row)->null : reinterpret_cast<BytesKey*>(row)->null) =
      null;
}

template <bool kIsFixed>
inline bool GroupTable::SameKey(const std::byte* key, const EncodedKeys& keys, uint32_t row) {
  if constexpr (kIsFixed) {
    // Only null and 0 share a value.
    const auto& fixed = *reinterpret_cast<const FixedKey*>(key);
    const uint64_t value = keys.values[row];
    return fixed.value == value && (value != 0 || fixed.null == keys.nulls[row]);
  } else {
    const auto& bytes = *reinterpret_cast<const BytesKey*>(key);
    return bytes.hash == keys.hashes[row] && SameBytes(BytesOf(bytes), keys.Bytes(row));
  }
}

template <bool kIsFixed>
uint32_t GroupTable::Probe(const EncodedKeys& keys, uint32_t row) const {
  if (slots_.empty()) return kNoGroup;
  const uint32_t tag = TagOf(keys.hashes[row]);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = tag & mask;; slot = (slot + 1) & mask) {
    const Slot& candidate = slots_[slot];
    if (candidate.id_plus_1 == 0) return kNoGroup;
    if (candidate.tag == tag && SameKey<kIsFixed>(rows_[candidate.id_plus_1 - 1], keys, row)) {
      return candidate.id_plus_1 - 1;
    }
  }
}

int64_t GroupTable::Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                         uint32_t* groups_out, std::byte** payloads_out) const {
  if (slots_.empty()) {
    std::fill_n(groups_out, count, kNoGroup);
    return count;
  }
  return is_fixed_ ? FindAll<true>(keys, rows, count, groups_out, payloads_out)
                   : FindAll<false>(keys, rows, count, groups_out, payloads_out);
}

template <bool kIsFixed>
int64_t GroupTable::FindAll(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                            uint32_t* groups_out, std::byte** payloads_out) const {
  if (slots_.size() <= kCachedSlotsMax) {
    return FindInCache<kIsFixed>(keys, rows, count, groups_out, payloads_out);
  }
  int64_t missing = 0;
  for (int64_t begin = 0; begin < count; begin += kProbeRows) {
    missing +=
        FindSome<kIsFixed>(keys, rows + begin, std::min(kProbeRows, count - begin),
                           groups_out + begin, payloads_out ? payloads_out + begin : nullptr);
  }
  return missing;
}

template <bool kIsFixed>
int64_t GroupTable::FindInCache(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                                uint32_t* groups_out, std::byte** payloads_out) const {
  const uint64_t* hashes = keys.hashes.data();
  const Slot* slots = slots_.data();
  const uintptr_t* bases = rows_.bases();
  const size_t mask = slots_.size() - 1;
  const size_t row_size = rows_.row_size();
  const size_t payload_offset = payload_offset_;
  int64_t missing = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t tag = TagOf(hashes[rows[i]]);
    uint32_t group = kNoGroup;
    for (size_t slot = tag & mask; slots[slot].id_plus_1 != 0; slot = (slot + 1) & mask) {
      if (slots[slot].tag != tag) continue;
      std::byte* const row = RowBlocks::At(bases, row_size, slots[slot].id_plus_1 - 1);
      if (!SameKey<kIsFixed>(row, keys, rows[i])) [[unlikely]]
        continue;
      group = slots[slot].id_plus_1 - 1;
      if (payloads_out != nullptr) payloads_out[i] = row + payload_offset;
      break;
    }
    groups_out[i] = group;
    missing += group == kNoGroup;
  }
  return missing;
}

// Three passes, each waiting for what the one before prefetched: slots, keys, comparison. The
// payload is wanted next: its lines are fetched with the key.
template <bool kIsFixed>
int64_t GroupTable::FindSome(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                             uint32_t* groups_out, std::byte** payloads_out) const {
  const uint64_t* hashes = keys.hashes.data();
  const Slot* slots = slots_.data();
  const uintptr_t* bases = rows_.bases();
  const size_t mask = slots_.size() - 1;
  const size_t row_size = rows_.row_size();
  std::byte* found[kProbeRows];
  for (int64_t i = 0; i < count; ++i) __builtin_prefetch(&slots[hashes[rows[i]] & mask]);
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t tag = TagOf(hashes[rows[i]]);
    size_t slot = tag & mask;
    while (slots[slot].id_plus_1 != 0 && slots[slot].tag != tag) slot = (slot + 1) & mask;
    const uint32_t group = slots[slot].id_plus_1 - 1;  // kNoGroup when it is empty
    groups_out[i] = group;
    if (group == kNoGroup) continue;
    found[i] = RowBlocks::At(bases, row_size, group);
    __builtin_prefetch(found[i]);
    if (row_size > kCacheLineBytes) __builtin_prefetch(found[i] + kCacheLineBytes);
  }
  int64_t missing = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (groups_out[i] == kNoGroup) {
      ++missing;
      continue;
    }
    if (!SameKey<kIsFixed>(found[i], keys, rows[i])) [[unlikely]] {
      groups_out[i] = Probe<kIsFixed>(keys, rows[i]);
      missing += groups_out[i] == kNoGroup;
      if (groups_out[i] != kNoGroup) found[i] = rows_[groups_out[i]];
    }
    if (payloads_out != nullptr) payloads_out[i] = found[i] + payload_offset_;
  }
  return missing;
}

void GroupTable::FindOrInsert(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                              uint32_t* groups_out, uint8_t* is_new_out) {
  for (int64_t begin = 0; begin < count; begin += kProbeRows) {
    const int64_t end = std::min(count, begin + kProbeRows);
    if (slots_.size() > kCachedSlotsMax) {
      const size_t mask = slots_.size() - 1;
      for (int64_t i = begin; i < end; ++i) {
        __builtin_prefetch(&slots_[keys.hashes[rows[i]] & mask], /*write=*/1);
      }
    }
    for (int64_t i = begin; i < end; ++i) {
      const int64_t before = num_groups();
      groups_out[i] = is_fixed_ ? Insert<true>(keys, rows[i]) : Insert<false>(keys, rows[i]);
      if (is_new_out != nullptr) is_new_out[i] = num_groups() > before ? 1 : 0;
    }
  }
}

template <bool kIsFixed>
uint32_t GroupTable::Insert(const EncodedKeys& keys, uint32_t row) {
  if (slots_.empty()) Rehash(kSlotsMin);
  const uint32_t tag = TagOf(keys.hashes[row]);
  const size_t mask = slots_.size() - 1;
  size_t slot = tag & mask;
  for (; slots_[slot].id_plus_1 != 0; slot = (slot + 1) & mask) {
    const uint32_t group = slots_[slot].id_plus_1 - 1;
    if (slots_[slot].tag == tag && SameKey<kIsFixed>(rows_[group], keys, row)) return group;
  }
  const bool is_full = static_cast<size_t>(num_groups()) >= slots_.size() / 8 * 5;
  if (is_full) Rehash(slots_.size() * 2);
  const uint32_t id = NewId();
  StoreKey(id, keys, row);
  if (is_full) {
    PutSlot({tag, id + 1});
  } else {
    slots_[slot] = {tag, id + 1};
  }
  return id;
}

void GroupTable::Append(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                        uint32_t* groups_out) {
  HEADRACE_CHECK(num_ids_ + count < kIdsMax, "too many groups in one table");
  for (int64_t i = 0; i < count; ++i) {
    const auto id = static_cast<uint32_t>(num_ids_++);
    rows_.MakeRoomFor(id);
    StoreKey(id, keys, rows[i]);
    groups_out[i] = id;
  }
}

uint32_t GroupTable::NewId() {
  if (!free_.empty()) {
    const uint32_t id = free_.back();
    free_.pop_back();
    return id;
  }
  HEADRACE_CHECK(num_ids_ < kIdsMax, "too many groups in one table");
  HEADRACE_DCHECK(is_linked(), "groups are not linked");
  const auto id = static_cast<uint32_t>(num_ids_++);
  unlinked_ = num_ids_;
  rows_.MakeRoomFor(id);
  return id;
}

void GroupTable::StoreKey(uint32_t id, const EncodedKeys& keys, uint32_t row) {
  if (is_fixed_) {
    new (rows_[id]) FixedKey{keys.values[row], keys.nulls[row]};
    return;
  }
  const std::string_view bytes = keys.Bytes(row);
  HEADRACE_CHECK(bytes.size() <= UINT32_MAX, "a key of 4 GiB");
  auto* key = new (rows_[id])
      BytesKey{keys.hashes[row], static_cast<uint32_t>(bytes.size()), keys.nulls[row], {}};
  if (bytes.size() <= kShortBytesMax) {
    bytes.copy(key->short_bytes, bytes.size());
    return;
  }
  const char* far = long_keys_.Add(bytes);
  live_bytes_ += key->length;
  std::memcpy(key->short_bytes + kFarOffset, &far, sizeof(far));
}

void GroupTable::PutSlot(Slot slot) {
  const size_t mask = slots_.size() - 1;
  size_t at = slot.tag & mask;
  while (slots_[at].id_plus_1 != 0) at = (at + 1) & mask;
  slots_[at] = slot;
}

void GroupTable::Rehash(size_t capacity) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(capacity));
  for (const Slot& slot : old) {
    if (slot.id_plus_1 != 0) PutSlot(slot);
  }
}

void GroupTable::Reserve(int64_t groups) {
  const size_t slots = SlotsFor(static_cast<size_t>(groups));
  if (slots > slots_.size()) Rehash(slots);
}

size_t GroupTable::SlotOf(uint32_t group) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = HashOf(group) & mask;
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
    const size_t home = slots_[next].tag & mask;
    const bool stays = ((next - home) & mask) < ((next - hole) & mask);
    if (stays) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = Slot{};
  SetNull(group, kErased);
  if (free_.size() == free_.capacity()) {
    free_.reserve(std::max(free_.capacity() + free_.capacity() / 2, kCapacityMin));
  }
  free_.push_back(group);
  if (is_fixed_ || BytesKeyOf(group).length <= kShortBytesMax) return;
  dead_bytes_ += BytesKeyOf(group).length;
  live_bytes_ -= BytesKeyOf(group).length;
  if (dead_bytes_ > kDeadBytesMin && dead_bytes_ > live_bytes_) DropDeadBytes();
}

void GroupTable::DropDeadBytes() {
  ByteArena live;
  for (uint32_t id = 0; id < num_ids_; ++id) {
    auto* key = reinterpret_cast<BytesKey*>(rows_[id]);
    if (key->null == kErased || key->length <= kShortBytesMax) continue;
    const char* far = live.Add(BytesOf(id));
    std::memcpy(key->short_bytes + kFarOffset, &far, sizeof(far));
  }
  long_keys_ = std::move(live);
  dead_bytes_ = 0;
}

bool GroupTable::KeyLess(uint32_t left, uint32_t right) const {
  if (!is_fixed_) return BytesOf(left) < BytesOf(right);
  const FixedKey& a = FixedOf(left);
  const FixedKey& b = FixedOf(right);
  return std::pair(a.null, a.value) < std::pair(b.null, b.value);
}

EncodedKeys GroupTable::StartKeys(bool is_fixed) {
  EncodedKeys keys;
  keys.is_fixed = is_fixed;
  if (!is_fixed) keys.offsets.push_back(0);
  return keys;
}

void GroupTable::AppendKeyOf(uint32_t group, EncodedKeys* out) const {
  ++out->num_rows;
  out->hashes.push_back(HashOf(group));
  out->nulls.push_back(NullOf(group));
  if (is_fixed_) {
    out->values.push_back(FixedOf(group).value);
    return;
  }
  const std::string_view key = BytesOf(group);
  out->bytes.insert(out->bytes.end(), key.begin(), key.end());
  out->offsets.push_back(static_cast<int64_t>(out->bytes.size()));
}

void GroupTable::KeysOf(const uint32_t* groups, int64_t count, EncodedKeys* out) const {
  const auto rows = static_cast<size_t>(count);
  out->is_fixed = is_fixed_;
  out->num_rows = count;
  out->hashes.resize(rows);
  out->nulls.resize(rows);
  out->values.resize(is_fixed_ ? rows : 0);
  out->offsets.assign(is_fixed_ ? 0 : rows + 1, 0);
  for (size_t i = 0; i < rows; ++i) {
    out->hashes[i] = HashOf(groups[i]);
    out->nulls[i] = NullOf(groups[i]);
    if (is_fixed_) {
      out->values[i] = FixedOf(groups[i]).value;
    } else {
      const std::string_view key = BytesOf(groups[i]);
      __builtin_prefetch(key.data());
      out->offsets[i + 1] = out->offsets[i] + static_cast<int64_t>(key.size());
    }
  }
  out->bytes.resize(is_fixed_ ? 0 : static_cast<size_t>(out->offsets[rows]));
  for (size_t i = 0; i < rows && !is_fixed_; ++i) {
    const std::string_view key = BytesOf(groups[i]);
    std::copy(key.begin(), key.end(), out->bytes.data() + out->offsets[i]);
  }
}

int64_t GroupTable::bytes() const {
  const size_t slot_bytes = is_linked() ? HeldBytes(slots_) : SlotBytesFor(num_groups());
  return static_cast<int64_t>(slot_bytes + HoleBytesFor(num_unlinked())) + rows_.bytes() +
         long_keys_.bytes();
}

// Memory of the list of holes at most when so many are added.
size_t GroupTable::HoleBytesFor(int64_t holes) const {
  if (holes == 0) return HeldBytes(free_);
  return std::max(HeldBytes(free_),
                  2 * (free_.size() + static_cast<size_t>(holes)) * sizeof(uint32_t));
}

// While it grows for the last time, the old slots are there too.
size_t GroupTable::SlotBytesFor(int64_t groups) const {
  const size_t slots = SlotsFor(static_cast<size_t>(groups));
  if (slots <= slots_.size()) return HeldBytes(slots_);
  return (slots + std::max(slots / 2, slots_.size())) * sizeof(Slot);
}

int64_t GroupTable::BytesToAdd(int64_t groups, int64_t key_bytes) const {
  const int64_t fresh = groups - std::min(groups, static_cast<int64_t>(free_.size()));
  const size_t slot_bytes = SlotBytesFor(num_groups() + groups);
  return static_cast<int64_t>(slot_bytes + HoleBytesFor(num_unlinked())) +
         rows_.BytesFor(num_ids_ + fresh) + (is_fixed_ ? 0 : long_keys_.BytesToAdd(key_bytes));
}

int64_t GroupTable::BytesToAppend(int64_t groups, int64_t key_bytes) const {
  return static_cast<int64_t>(SlotBytesFor(num_groups() + groups) +
                              HoleBytesFor(num_unlinked() + groups)) +
         rows_.BytesFor(num_ids_ + groups) + (is_fixed_ ? 0 : long_keys_.BytesToAdd(key_bytes));
}

int64_t GroupTable::BytesToAdopt(const GroupTable& other) const {
  const int64_t rows = std::max<int64_t>(rows_.capacity(), kCopiedGroups);
  // The rows between are holes, and to be looked at by Link.
  const int64_t holes = num_unlinked() + 2 * int64_t{kCopiedGroups} + other.num_ids_ +
                        static_cast<int64_t>(other.free_.size());
  return static_cast<int64_t>(SlotBytesFor(num_groups() + other.num_ids_) + HoleBytesFor(holes)) +
         rows_.BytesFor(rows + other.rows_.capacity()) + long_keys_.bytes() +
         other.long_keys_.bytes();
}

void GroupTable::Adopt(GroupTable& other) {
  HEADRACE_CHECK(other.num_ids_ > kCopiedGroups && rows_.row_size() == other.rows_.row_size(),
                 "a table that cannot be adopted");
  rows_.MakeRoomFor(kCopiedGroups - 1);
  const int64_t first = rows_.capacity();
  const int64_t adopted = other.num_ids_ - kCopiedGroups;
  HEADRACE_CHECK(first + adopted < kIdsMax, "too many groups in one table");
  for (int64_t hole = num_ids_; hole < first; ++hole) {
    const auto id = static_cast<uint32_t>(hole);
    is_fixed_ ? void(new (rows_[id]) FixedKey{0, kErased})
              : void(new (rows_[id]) BytesKey{0, 0, kErased, {}});
    free_.push_back(id);
  }
  const auto stays = [](uint32_t hole) { return hole < kCopiedGroups; };
  const auto adopted_holes = std::partition(other.free_.begin(), other.free_.end(), stays);
  for (auto hole = adopted_holes; hole != other.free_.end(); ++hole) {
    free_.push_back(*hole - kCopiedGroups + static_cast<uint32_t>(first));
  }
  other.free_.erase(adopted_holes, other.free_.end());
  rows_.Adopt(other.rows_);
  long_keys_.Adopt(other.long_keys_);
  live_bytes_ += other.live_bytes_;
  if (is_linked()) unlinked_ = first;
  num_ids_ = first + adopted;
  other.num_ids_ = other.unlinked_ = kCopiedGroups;
}

Status GroupTable::Link(int64_t count, const Merge& merge) {
  const size_t slots = SlotsFor(static_cast<size_t>(num_groups()));
  if (slots > slots_.size()) Rehash(slots);
  const int64_t last = std::min(num_ids_, unlinked_ + count);
  const size_t mask = slots_.size() - 1;
  while (unlinked_ < last) {
    const int64_t end = std::min(last, unlinked_ + kProbeRows);
    for (int64_t id = unlinked_; id < end; ++id) {
      __builtin_prefetch(&slots_[HashOf(static_cast<uint32_t>(id)) & mask], /*write=*/1);
    }
    for (; unlinked_ < end; ++unlinked_) {
      const auto id = static_cast<uint32_t>(unlinked_);
      if (Exists(id)) ARROW_RETURN_NOT_OK(LinkOne(id, merge));
    }
  }
  return Status::OK();
}

bool GroupTable::SameKeys(const std::byte* left, const std::byte* right) const {
  if (is_fixed_) {
    const auto& a = *reinterpret_cast<const FixedKey*>(left);
    const auto& b = *reinterpret_cast<const FixedKey*>(right);
    return a.value == b.value && a.null == b.null;
  }
  const auto& a = *reinterpret_cast<const BytesKey*>(left);
  const auto& b = *reinterpret_cast<const BytesKey*>(right);
  return a.hash == b.hash && SameBytes(BytesOf(a), BytesOf(b));
}

Status GroupTable::LinkOne(uint32_t id, const Merge& merge) {
  const uint32_t tag = TagOf(HashOf(id));
  const size_t mask = slots_.size() - 1;
  size_t at = tag & mask;
  for (; slots_[at].id_plus_1 != 0; at = (at + 1) & mask) {
    const uint32_t group = slots_[at].id_plus_1 - 1;
    if (slots_[at].tag != tag || !SameKeys(rows_[group], rows_[id])) continue;
    ARROW_RETURN_NOT_OK(merge(Payload(group), Payload(id)));
    SetNull(id, kErased);
    free_.push_back(id);
    return Status::OK();
  }
  slots_[at] = {tag, id + 1};
  return Status::OK();
}

}  // namespace headrace
