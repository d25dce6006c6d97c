// Slots lie in the order of their tags, as far as there is room: a slot's home is its tag scaled to
// the capacity, so a part grows by any factor, and in one pass over old and new.
#include "headrace/connect/memory/row_index.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "arrow/array/array_base.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"
#include "headrace/connect/memory/decimal_keys.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using arrow::Type;

constexpr int64_t kProbeRows = 64;  // whose cache lines are fetched together
constexpr uint32_t kCapacityMin = 4;
constexpr size_t kTextHeaderBytes = 5;  // of an encoded text: flag and length

template <typename T>
T Load(const uint8_t* values, size_t at) {
  T value;
  std::memcpy(&value, values + at * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
uint64_t LoadSigned(const uint8_t* values, size_t at) {
  return static_cast<uint64_t>(static_cast<int64_t>(Load<T>(values, at)));
}

// Without the call that memcmp is for the short strings that most keys are.
inline bool SameMemory(const uint8_t* left, const uint8_t* right, size_t size) {
  const auto word = [](const uint8_t* at) { return Load<uint64_t>(at, 0); };
  if (size < sizeof(uint64_t)) {
    if (size >= sizeof(uint32_t)) {
      return Load<uint32_t>(left, 0) == Load<uint32_t>(right, 0) &&
             Load<uint32_t>(left + size - 4, 0) == Load<uint32_t>(right + size - 4, 0);
    }
    for (size_t i = 0; i < size; ++i) {
      if (left[i] != right[i]) return false;
    }
    return true;
  }
  if (size > 64) return std::memcmp(left, right, size) == 0;
  for (size_t at = 0; at + sizeof(uint64_t) < size; at += sizeof(uint64_t)) {
    if (word(left + at) != word(right + at)) return false;
  }
  return word(left + size - 8) == word(right + size - 8);
}

std::string_view TextAt(const PageCells& page, uint32_t at) {
  const auto* ends = reinterpret_cast<const int32_t*>(page.values) + at;
  return {reinterpret_cast<const char*>(page.text) + ends[0],
          static_cast<size_t>(ends[1] - ends[0])};
}

}  // namespace

RowIndex::Form RowIndex::FormOf(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::BOOL:
      return Form::kBoolean;
    case Type::INT8:
      return Form::kInt8;
    case Type::UINT8:
      return Form::kUInt8;
    case Type::INT16:
      return Form::kInt16;
    case Type::UINT16:
      return Form::kUInt16;
    case Type::UINT32:
      return Form::kUInt32;
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
    case Type::DECIMAL32:
    case Type::INTERVAL_MONTHS:
      return Form::kInt32;
    case Type::UINT64:
    case Type::INT64:
    case Type::DATE64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
    case Type::DECIMAL64:
      return Form::kInt64;
    case Type::HALF_FLOAT:
      return Form::kHalf;
    case Type::FLOAT:
      return Form::kFloat;
    case Type::DOUBLE:
      return Form::kDouble;
    case Type::STRING:
    case Type::BINARY:
      return Form::kText;
    case Type::NA:
      return Form::kNone;
    default:
      return Form::kWide;
  }
}

// A cell as KeyEncoder has it in EncodedKeys::values.
inline uint64_t RowIndex::LoadFixed(Form form, const uint8_t* values, uint32_t at) {
  switch (form) {
    case Form::kInt64:
      return Load<uint64_t>(values, at);
    case Form::kInt32:
      return LoadSigned<int32_t>(values, at);
    case Form::kUInt32:
      return Load<uint32_t>(values, at);
    case Form::kInt16:
      return LoadSigned<int16_t>(values, at);
    case Form::kUInt16:
      return Load<uint16_t>(values, at);
    case Form::kInt8:
      return LoadSigned<int8_t>(values, at);
    case Form::kUInt8:
      return Load<uint8_t>(values, at);
    case Form::kHalf:
      return HalfCells::Canonical(Load<uint16_t>(values, at));
    case Form::kFloat:
      return SingleCells::Canonical(Load<uint32_t>(values, at));
    case Form::kDouble:
      return DoubleCells::Canonical(Load<uint64_t>(values, at));
    case Form::kBoolean:
      return values[at / 8] >> (at % 8) & 1;
    default:
      return 0;
  }
}

Result<std::unique_ptr<RowIndex>> RowIndex::Make(const RowPages& pages, const arrow::Schema& schema,
                                                 std::vector<int> columns) {
  std::vector<KeyCells> cells;
  for (const int column : columns) {
    if (column < 0 || column >= schema.num_fields()) {
      return Error(ErrorKind::kInternal, "no column number {} among {}", column,
                   schema.num_fields());
    }
    const arrow::DataType& type = *schema.field(column)->type();
    cells.push_back({&pages, column, FormOf(type), static_cast<uint32_t>(KeyWidthOf(type))});
  }
  ARROW_ASSIGN_OR_RAISE(KeyEncoder encoder, KeyEncoder::Make(KeyColumnsOf(schema, columns)));
  return std::unique_ptr<RowIndex>(
      new RowIndex(pages, std::move(columns), std::move(encoder), std::move(cells)));
}

Result<std::vector<ArrayPtr>> RowIndex::TakeKeys(std::span<const ArrayPtr> keys,
                                                 arrow::MemoryPool* pool) const {
  const std::vector<KeyColumn>& expected = encoder_.keys();
  if (keys.size() != expected.size()) {
    return Error(ErrorKind::kTypeMismatch, "expected {} key columns, got {}", expected.size(),
                 keys.size());
  }
  std::vector<ArrayPtr> taken(keys.begin(), keys.end());
  for (size_t i = 0; i < keys.size(); ++i) {
    const TypePtr& type = keys[i]->type();
    if (type->Equals(*expected[i].type) || SameLogicalType(*type, *expected[i].type)) continue;
    if (!arrow::is_decimal(type->id()) || !arrow::is_decimal(expected[i].type->id())) {
      return Error(ErrorKind::kTypeMismatch, "expected keys of type {}, got {}",
                   expected[i].type->ToString(), type->ToString());
    }
    ARROW_ASSIGN_OR_RAISE(taken[i], FitDecimals(keys[i], expected[i].type, pool));
  }
  return taken;
}

// REQUIRES: the encoded key has no null; keys of linked rows have none.
bool RowIndex::SameBytes(const EncodedKeys& keys, int64_t i, RowId row) const {
  const uint8_t* key = keys.bytes.data() + keys.offsets[static_cast<size_t>(i)];
  const uint32_t at = row & (RowPages::kPageRows - 1);
  for (const KeyCells& cells : cells_) {
    const PageCells& page = pages_.CellsOf(cells.column)[row >> RowPages::kPageBits];
    if (cells.form == Form::kText) {
      const std::string_view text = TextAt(page, at);
      const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
      if (Load<uint32_t>(key + 1, 0) != text.size()) return false;
      if (!SameMemory(key + kTextHeaderBytes, bytes, text.size())) return false;
      key += kTextHeaderBytes + text.size();
    } else if (cells.form == Form::kWide) {
      if (!SameMemory(key + 1, page.values + size_t{at} * cells.width, cells.width)) return false;
      key += 1 + cells.width;
    } else {
      const uint64_t value = LoadFixed(cells.form, page.values, at);
      if (std::memcmp(key + 1, &value, cells.width) != 0) return false;
      key += 1 + cells.width;
    }
  }
  return true;
}

inline bool RowIndex::SameKey(const EncodedKeys& keys, int64_t i, RowId row) const {
  if (!keys.is_fixed) return SameBytes(keys, i, row);
  const KeyCells& cells = cells_[0];
  const PageCells& page = pages_.CellsOf(cells.column)[row >> RowPages::kPageBits];
  return LoadFixed(cells.form, page.values, row & (RowPages::kPageRows - 1)) ==
         keys.values[static_cast<size_t>(i)];
}

RowIndex::Slot* RowIndex::FindSlot(const EncodedKeys& keys, int64_t i) const {
  const uint64_t hash = keys.hashes[static_cast<size_t>(i)];
  const Part& part = PartOf(hash);
  if (part.used == 0) return nullptr;
  const auto tag = static_cast<uint32_t>(hash);
  for (uint32_t at = HomeOf(part, tag); part.slots[at].row != kNoRow;) {
    Slot& slot = part.slots[at];
    if (slot.tag == tag && SameKey(keys, i, slot.row)) return &slot;
    if (++at == part.capacity) at = 0;
  }
  return nullptr;
}

void RowIndex::Prefetch(const EncodedKeys& keys, int64_t begin, int64_t end) const {
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t hash = keys.hashes[static_cast<size_t>(i)];
    const Part& part = PartOf(hash);
    __builtin_prefetch(part.slots.get() + HomeOf(part, static_cast<uint32_t>(hash)));
  }
}

void RowIndex::Find(const EncodedKeys& keys, RowId* heads) const {
  if (slots_ == 0 || cells_.empty() || cells_[0].form == Form::kNone) {
    std::fill_n(heads, keys.num_rows, kNoRow);
    return;
  }
  for (int64_t begin = 0; begin < keys.num_rows; begin += kProbeRows) {
    FindSome(keys, begin, std::min(keys.num_rows, begin + kProbeRows), heads);
  }
}

// Passes that wait for what the one before fetched: slots, the keys in the pages, comparison.
void RowIndex::FindSome(const EncodedKeys& keys, int64_t begin, int64_t end, RowId* heads) const {
  const uint64_t* hashes = keys.hashes.data();
  const KeyCells& first = cells_[0];
  const std::span<const PageCells> pages = pages_.CellsOf(first.column);
  const size_t width = first.form == Form::kText      ? 4
                       : first.form == Form::kBoolean ? 0
                                                      : first.width;
  if (end - begin > 1) Prefetch(keys, begin, end);
  for (int64_t i = begin; i < end; ++i) {
    const Part& part = PartOf(hashes[i]);
    heads[i] = kNoRow;
    if (part.used == 0 || keys.nulls[static_cast<size_t>(i)] != 0) continue;
    const auto tag = static_cast<uint32_t>(hashes[i]);
    const Slot* slots = part.slots.get();
    uint32_t at = HomeOf(part, tag);
    while (slots[at].row != kNoRow && slots[at].tag != tag) {
      if (++at == part.capacity) at = 0;
    }
    heads[i] = slots[at].row;
    if (heads[i] == kNoRow) continue;
    const PageCells& page = pages[heads[i] >> RowPages::kPageBits];
    __builtin_prefetch(page.values + (heads[i] & (RowPages::kPageRows - 1)) * width);
  }
  if (first.form == Form::kText) {
    for (int64_t i = begin; i < end; ++i) {
      if (heads[i] == kNoRow) continue;
      const PageCells& page = pages[heads[i] >> RowPages::kPageBits];
      __builtin_prefetch(TextAt(page, heads[i] & (RowPages::kPageRows - 1)).data());
    }
  }
  for (int64_t i = begin; i < end; ++i) {
    if (heads[i] == kNoRow || SameKey(keys, i, heads[i])) [[likely]]
      continue;
    const Slot* slot = FindSlot(keys, i);
    heads[i] = slot == nullptr ? kNoRow : slot->row;
  }
}

// At most three quarters are used, and growing is by two fifths: 11 to 15 bytes a row.
uint32_t RowIndex::CapacityFor(uint32_t capacity, int64_t used) {
  uint64_t wanted = std::max(capacity, kCapacityMin);
  while (static_cast<uint64_t>(used) * 4 > wanted * 3) wanted += wanted * 2 / 5 + 1;
  return static_cast<uint32_t>(wanted);
}

void RowIndex::Resize(Part* part, uint32_t capacity) {
  Part fresh{.slots = NewArray<Slot>(capacity), .capacity = capacity, .used = part->used};
  for (uint32_t old = 0; old < part->capacity; ++old) {
    if (part->slots[old].row == kNoRow) continue;
    uint32_t at = HomeOf(fresh, part->slots[old].tag);
    while (fresh.slots[at].row != kNoRow) at = at + 1 == capacity ? 0 : at + 1;
    fresh.slots[at] = part->slots[old];
  }
  slots_ += int64_t{capacity} - part->capacity;
  *part = std::move(fresh);
}

void RowIndex::AddSlot(uint64_t hash, RowId row) {
  Part& part = PartOf(hash);
  const uint32_t capacity = CapacityFor(part.capacity, int64_t{part.used} + 1);
  if (capacity != part.capacity) Resize(&part, capacity);
  const auto tag = static_cast<uint32_t>(hash);
  uint32_t at = HomeOf(part, tag);
  while (part.slots[at].row != kNoRow) at = at + 1 == part.capacity ? 0 : at + 1;
  part.slots[at] = {tag, row};
  ++part.used;
}

// Later slots of the same run move back into the hole, so that no tombstones are left.
void RowIndex::EraseSlot(uint64_t hash, Slot* slot) {
  Part& part = PartOf(hash);
  const uint32_t capacity = part.capacity;
  const auto behind = [&](uint32_t from, uint32_t to) {
    return to >= from ? to - from : to + capacity - from;
  };
  auto hole = static_cast<uint32_t>(slot - part.slots.get());
  for (uint32_t at = hole + 1 == capacity ? 0 : hole + 1; part.slots[at].row != kNoRow;
       at = at + 1 == capacity ? 0 : at + 1) {
    const uint32_t home = HomeOf(part, part.slots[at].tag);
    if (behind(home, at) < behind(hole, at)) continue;
    part.slots[hole] = part.slots[at];
    hole = at;
  }
  part.slots[hole] = {};
  --part.used;
  if (capacity > 4 * kCapacityMin && uint64_t{part.used} * 4 < capacity) {
    Resize(&part, capacity / 2);
  }
}

RowId RowIndex::Put(const EncodedKeys& keys, int64_t i, RowId row) {
  if (Slot* slot = FindSlot(keys, i); slot != nullptr) return std::exchange(slot->row, row);
  AddSlot(keys.hashes[static_cast<size_t>(i)], row);
  return kNoRow;
}

RowId RowIndex::Erase(const EncodedKeys& keys, int64_t i) {
  Slot* slot = FindSlot(keys, i);
  if (slot == nullptr) return kNoRow;
  const RowId row = slot->row;
  EraseSlot(keys.hashes[static_cast<size_t>(i)], slot);
  return row;
}

RowIndex::RowLink& RowIndex::MutableLinkOf(RowId row) {
  const size_t page = row >> RowPages::kPageBits;
  if (page >= links_.size()) links_.resize(page + 1);
  if (links_[page] == nullptr) {
    links_[page] = NewArray<RowLink>(RowPages::kPageRows);
  }
  return links_[page][row & (RowPages::kPageRows - 1)];
}

void RowIndex::Link(const EncodedKeys& keys, int64_t i, RowId row) {
  const Slot* slot = FindSlot(keys, i);
  if (slot == nullptr) return AddSlot(keys.hashes[static_cast<size_t>(i)], row);
  const RowId last = LastOf(slot->row);
  MutableLinkOf(last).next = row;
  MutableLinkOf(row) = {kNoRow, last};
  MutableLinkOf(slot->row).previous = row;
}

void RowIndex::Unlink(const EncodedKeys& keys, int64_t i, RowId row) {
  Slot* slot = FindSlot(keys, i);
  HEADRACE_CHECK(slot != nullptr, "a row that is not in its index");
  const RowLink link = LinkOf(row);
  if (slot->row == row && link.next == kNoRow) {
    return EraseSlot(keys.hashes[static_cast<size_t>(i)], slot);
  }
  MutableLinkOf(row) = {};
  if (slot->row == row) {
    slot->row = link.next;
  } else {
    MutableLinkOf(link.previous).next = link.next;
  }
  // The first of a chain holds the last; alone it holds nothing.
  const RowId head = slot->row;
  if (link.next == kNoRow) {
    MutableLinkOf(head).previous = link.previous == head ? kNoRow : link.previous;
  } else if (link.next == head && link.previous == head) {
    MutableLinkOf(head).previous = kNoRow;
  } else {
    MutableLinkOf(link.next).previous = link.previous;
  }
}

void RowIndex::Move(const EncodedKeys& keys, int64_t i, RowId from, RowId to) {
  Slot* slot = FindSlot(keys, i);
  HEADRACE_CHECK(slot != nullptr, "a row that is not in its index");
  const RowLink link = LinkOf(from);
  const bool is_head = slot->row == from;
  if (is_head) slot->row = to;
  if (link.previous == kNoRow) return;
  MutableLinkOf(from) = {};
  MutableLinkOf(to) = link;
  if (!is_head) MutableLinkOf(link.previous).next = to;
  MutableLinkOf(link.next == kNoRow ? slot->row : link.next).previous = to;
}

void RowIndex::DropPage(uint32_t page) {
  if (page < links_.size()) links_[page].reset();
}

void FreeIndexArray::operator()(void* array) const {
  if (disk != nullptr) return disk->Free(static_cast<uint8_t*>(array), bytes);
  *memory_bytes -= bytes;
  ::operator delete(array);
}

template <typename T>
RowIndex::ArrayOf<T> RowIndex::NewArray(int64_t count) {
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  void* place = nullptr;
  SpillMap* disk = disk_;
  if (disk != nullptr) {
    const Result<uint8_t*> on_disk = disk->Allocate(bytes);
    if (on_disk.ok()) place = *on_disk;
  }
  if (place == nullptr) {
    disk = nullptr;
    place = ::operator new(static_cast<size_t>(bytes));
    array_bytes_ += bytes;
  }
  T* const array = static_cast<T*>(place);
  std::uninitialized_fill_n(array, count, T());
  return ArrayOf<T>(array, FreeIndexArray{disk, &array_bytes_, bytes});
}

template <typename T>
void RowIndex::MoveArray(ArrayOf<T>* array, int64_t count) {
  if (*array == nullptr) return;
  ArrayOf<T> moved = NewArray<T>(count);
  std::copy_n(array->get(), count, moved.get());
  *array = std::move(moved);
}

void RowIndex::MoveToDisk(SpillMap* disk) {
  disk_ = disk;
  for (Part& part : parts_) MoveArray(&part.slots, part.capacity);
  for (ArrayOf<RowLink>& links : links_) MoveArray(&links, RowPages::kPageRows);
}

int64_t RowIndex::bytes() const {
  return static_cast<int64_t>(sizeof(*this) + links_.capacity() * sizeof(links_[0])) + array_bytes_;
}

int64_t RowIndex::BytesToAdd(const EncodedKeys& keys, bool has_links) const {
  if (is_on_disk()) return 0;
  std::array<int64_t, kKeyGroups> added{};
  for (const uint64_t hash : keys.hashes) ++added[static_cast<size_t>(KeyGroupOf(hash))];
  int64_t bytes = 0;
  int64_t largest = 0;  // while it grows, the old slots are there too
  for (size_t group = 0; group < added.size(); ++group) {
    const Part& part = parts_[group];
    const uint32_t capacity = CapacityFor(part.capacity, part.used + added[group]);
    if (capacity == part.capacity || added[group] == 0) continue;
    bytes += int64_t{capacity} - part.capacity;
    largest = std::max<int64_t>(largest, capacity);
  }
  return (bytes + largest) * static_cast<int64_t>(sizeof(Slot)) +
         (has_links ? keys.num_rows * kLinkBytes : 0);
}

}  // namespace headrace
