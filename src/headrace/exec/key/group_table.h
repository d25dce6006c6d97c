// GroupTable: hash table from keys to dense group ids (0, 1, 2 …), with a batch interface.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "headrace/exec/key/key_encoder.h"

namespace headrace {

/// Linear probing over 8-byte slots of hash tag and group id. Keys are kept per group. One thread.
class GroupTable {
 public:
  static constexpr uint32_t kNoGroup = 0xffffffffU;

  /// `is_fixed` is that of the encoder whose keys it takes.
  explicit GroupTable(bool is_fixed) : is_fixed_(is_fixed) {}

  /// groups_out[i] = group of keys row rows[i], or kNoGroup. Gives how many were not found.
  int64_t Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
               uint32_t* groups_out) const;
  /// The same, making a new group for every key that has none. is_new_out[i] (when given) = 1 where
  /// row rows[i] made its group.
  void FindOrInsert(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                    uint32_t* groups_out, uint8_t* is_new_out = nullptr);
  /// Forgets a group; its id is given to a group made later.
  void Erase(uint32_t group);

  /// Groups that exist.
  int64_t num_groups() const { return num_ids() - static_cast<int64_t>(free_.size()); }
  /// Ids are below this; those that were erased are holes.
  int64_t num_ids() const { return static_cast<int64_t>(hashes_.size()); }
  bool Exists(uint32_t id) const { return nulls_[id] != kErased; }
  uint64_t HashOf(uint32_t group) const { return hashes_[group]; }
  /// Some total order of keys.
  bool KeyLess(uint32_t left, uint32_t right) const;
  /// Keys of `count` groups, as they were encoded. `out` is overwritten.
  void KeysOf(const uint32_t* groups, int64_t count, EncodedKeys* out) const;
  /// Appends one to keys that came from tables of the same encoder, or to StartKeys().
  void AppendKeyOf(uint32_t group, EncodedKeys* out) const;
  static EncodedKeys StartKeys(bool is_fixed);

  /// Memory held, exactly.
  int64_t bytes() const;
  /// Memory held at most, that which growing needs included, when up to `groups` groups whose keys
  /// have `key_bytes` bytes together are added.
  int64_t BytesToAdd(int64_t groups, int64_t key_bytes) const;

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t id_plus_1 = 0;  // 0: empty
  };

  static constexpr uint8_t kErased = 2;  // in nulls_

  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 25); }
  std::string_view BytesOf(uint32_t group) const;
  bool SameKey(uint32_t group, const EncodedKeys& keys, uint32_t row) const;
  int64_t FindSome(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                   uint32_t* groups_out) const;
  void PrefetchKey(uint32_t group) const {
    __builtin_prefetch(&values_[group]);
    if (!is_fixed_) __builtin_prefetch(&hashes_[group]);
  }
  uint32_t Probe(const EncodedKeys& keys, uint32_t row, size_t slot) const;
  uint32_t Insert(const EncodedKeys& keys, uint32_t row);
  uint32_t NewId(const EncodedKeys& keys, uint32_t row);
  void StoreKey(uint32_t id, const EncodedKeys& keys, uint32_t row);
  void PutSlot(uint64_t hash, uint32_t id);
  size_t SlotOf(uint32_t group) const;
  void Rehash(size_t capacity);
  void DropDeadBytes();

  const bool is_fixed_;
  std::vector<Slot> slots_;        // a power of two of them
  std::vector<uint64_t> hashes_;   // per id
  std::vector<uint8_t> nulls_;     // per id
  std::vector<uint64_t> values_;   // per id: the key, or where its bytes start
  std::vector<uint32_t> lengths_;  // per id, of byte keys
  std::vector<uint8_t> bytes_;
  size_t dead_bytes_ = 0;  // of erased keys, in bytes_
  std::vector<uint32_t> free_;
};

}  // namespace headrace
