// RowIndex: the living rows of RowPages by the values of some columns.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "headrace/base/hash.h"
#include "headrace/base/limits.h"
#include "headrace/connect/memory/row_pages.h"
#include "headrace/memory/spill_map.h"
#include "headrace/table/source.h"
#include "headrace/types/key/cells.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// Gives an array of an index back to where it is from.
struct FreeIndexArray {
  SpillMap* disk = nullptr;         // null: memory
  int64_t* memory_bytes = nullptr;  // what is counted there
  int64_t bytes = 0;
  void operator()(void* array) const;
};

/// A hash table of 8-byte slots in one part per key group, so that growing is done in short steps.
/// Rows of the same key form a chain in the order of linking. Rows whose key has a null are in no
/// chain. Keys are read where they stand in the pages. Readers may run side by side while no one
/// writes.
class RowIndex {
 public:
  /// `columns` of `schema`, whose types are plain. kUnsupported for types that cannot be a key.
  static Result<std::unique_ptr<RowIndex>> Make(const RowPages& pages, const arrow::Schema& schema,
                                                std::vector<int> columns);

  const std::vector<int>& columns() const { return columns_; }
  const KeyEncoder& encoder() const { return encoder_; }

  /// `keys` (in any encoding; decimals of any scale) as the encoder takes them; kTypeMismatch.
  Result<std::vector<ArrayPtr>> TakeKeys(std::span<const ArrayPtr> keys,
                                         arrow::MemoryPool* pool) const;

  /// `heads[i]` = the first row with key `i`, or kNoRow.
  void Find(const EncodedKeys& keys, RowId* heads) const;
  /// The row behind `row` in its chain, or kNoRow.
  RowId Next(RowId row) const { return has_chains() ? LinkOf(row).next : kNoRow; }
  bool has_chains() const { return !links_.empty(); }

  /// Fetches the slots that keys [begin, end) will be looked for in.
  void Prefetch(const EncodedKeys& keys, int64_t begin, int64_t end) const;
  /// For unique keys: `row` becomes the one with key `i`; gives the one before, or kNoRow.
  RowId Put(const EncodedKeys& keys, int64_t i, RowId row);
  /// The same without a row: the key is gone.
  RowId Erase(const EncodedKeys& keys, int64_t i);
  /// Links `row`, whose key is `i`, behind all others of its key.
  void Link(const EncodedKeys& keys, int64_t i, RowId row);
  /// REQUIRES: the row is linked and can be read still.
  void Unlink(const EncodedKeys& keys, int64_t i, RowId row);
  /// Puts `to` into the place of `from`.
  void Move(const EncodedKeys& keys, int64_t i, RowId from, RowId to);
  /// No row of the page is linked any more.
  void DropPage(uint32_t page);

  /// From here on slots and links stand in `disk`, which outlives the index; in memory again where
  /// it is full. `disk` is always the same.
  void MoveToDisk(SpillMap* disk);
  bool is_on_disk() const { return disk_ != nullptr; }

  /// Of a row that shares its key.
  static constexpr int64_t kLinkBytes = 8;
  /// Memory held.
  int64_t bytes() const;
  /// At most held more when these keys are added, each to a chain.
  int64_t BytesToAdd(const EncodedKeys& keys, bool has_links) const;

 private:
  struct Slot {
    uint32_t tag = 0;  // the low bits of the hash
    RowId row = kNoRow;
  };
  template <typename T>
  using ArrayOf = std::unique_ptr<T[], FreeIndexArray>;
  struct Part {
    ArrayOf<Slot> slots;
    uint32_t capacity = 0;
    uint32_t used = 0;
  };
  /// A row alone with its key has neither; the first of a chain has the last as `previous`.
  struct RowLink {
    RowId next = kNoRow;
    RowId previous = kNoRow;
  };
  enum class Form : uint8_t {
    kInt8,
    kUInt8,
    kInt16,
    kUInt16,
    kInt32,
    kUInt32,
    kInt64,
    kHalf,
    kFloat,
    kDouble,
    kBoolean,
    kWide,
    kText,
    kNone,
  };
  struct KeyCells {
    const RowPages* pages;
    int column;
    Form form;
    uint32_t width;
  };

  RowIndex(const RowPages& pages, std::vector<int> columns, KeyEncoder encoder,
           std::vector<KeyCells> cells)
      : pages_(pages),
        columns_(std::move(columns)),
        encoder_(std::move(encoder)),
        cells_(std::move(cells)) {}

  static Form FormOf(const arrow::DataType& type);
  static uint64_t LoadFixed(Form form, const uint8_t* values, uint32_t at);
  bool SameKey(const EncodedKeys& keys, int64_t i, RowId row) const;
  bool SameBytes(const EncodedKeys& keys, int64_t i, RowId row) const;
  void FindSome(const EncodedKeys& keys, int64_t begin, int64_t end, RowId* heads) const;
  const Part& PartOf(uint64_t hash) const { return parts_[static_cast<size_t>(KeyGroupOf(hash))]; }
  Part& PartOf(uint64_t hash) { return parts_[static_cast<size_t>(KeyGroupOf(hash))]; }
  static uint32_t HomeOf(const Part& part, uint32_t tag) {
    return static_cast<uint32_t>(uint64_t{tag} * part.capacity >> 32);
  }
  Slot* FindSlot(const EncodedKeys& keys, int64_t i) const;
  void AddSlot(uint64_t hash, RowId row);
  void EraseSlot(uint64_t hash, Slot* slot);
  void Resize(Part* part, uint32_t capacity);
  static uint32_t CapacityFor(uint32_t capacity, int64_t used);

  RowLink LinkOf(RowId row) const {
    const size_t page = row >> RowPages::kPageBits;
    if (page >= links_.size() || links_[page] == nullptr) return {};
    return links_[page][row & (RowPages::kPageRows - 1)];
  }
  RowLink& MutableLinkOf(RowId row);
  RowId LastOf(RowId head) const {
    const RowId last = LinkOf(head).previous;
    return last == kNoRow ? head : last;
  }

  template <typename T>
  ArrayOf<T> NewArray(int64_t count);
  template <typename T>
  void MoveArray(ArrayOf<T>* array, int64_t count);

  const RowPages& pages_;
  const std::vector<int> columns_;
  const KeyEncoder encoder_;
  const std::vector<KeyCells> cells_;
  SpillMap* disk_ = nullptr;
  int64_t array_bytes_ = 0;  // in memory
  std::array<Part, kKeyGroups> parts_;
  int64_t slots_ = 0;                    // of all parts
  std::vector<ArrayOf<RowLink>> links_;  // by page; none: no row of it is in a chain
};

}  // namespace headrace
