// GroupTable: hash table from keys to dense group ids (0, 1, 2 …), with a batch interface.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/exec/key/row_blocks.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// Linear probing over 8-byte slots of hash tag and group id. A group's key lies in a row, and
/// beside it a payload that belongs to the user. One thread.
class GroupTable {
 public:
  static constexpr uint32_t kNoGroup = 0xffffffffU;

  /// `is_fixed` is that of the encoder whose keys it takes.
  explicit GroupTable(bool is_fixed, size_t payload_size = 0, size_t payload_align = 1);

  /// groups_out[i] = group of keys row rows[i], or kNoGroup. Gives how many were not found.
  /// payloads_out[i] (when given) = its payload; of no meaning where it was not found.
  int64_t Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count, uint32_t* groups_out,
               std::byte** payloads_out = nullptr) const;
  /// The same, making a new group for every key that has none. is_new_out[i] (when given) = 1 where
  /// row rows[i] made its group.
  void FindOrInsert(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                    uint32_t* groups_out, uint8_t* is_new_out = nullptr);
  /// Makes room for so many groups, so that it does not grow while they come. Within what
  /// BytesToAdd says of them.
  void Reserve(int64_t groups);
  /// Makes a new group of every row, without looking whether its key has one: they have to be
  /// linked before anything is looked up.
  void Append(const EncodedKeys& keys, const uint32_t* rows, int64_t count, uint32_t* groups_out);
  /// Forgets a group; its id is given to a group made later.
  void Erase(uint32_t group);

  /// Groups of a table that Adopt does not take: they are to be copied before.
  static constexpr uint32_t kCopiedGroups = RowBlocks::kWholeBlocksFrom;
  /// Takes the groups of `other` from id kCopiedGroups on, without moving them; what is left there
  /// can be read only. REQUIRES: a table of the same encoder and payload, with more ids than that.
  /// The groups exist from now on, but have to be linked to be found.
  void Adopt(GroupTable& other);
  /// Links the groups of at most `count` ids. Where the key has one, `merge(into, from)` is called
  /// with the payloads of both, and `from` does not exist any more.
  using Merge = std::function<Status(std::byte* into, std::byte* from)>;
  Status Link(int64_t count, const Merge& merge);
  bool is_linked() const { return unlinked_ == num_ids_; }
  /// Ids, those of holes included, that are to be linked.
  int64_t num_unlinked() const { return num_ids_ - unlinked_; }
  /// Memory held at most after Adopt and Link.
  int64_t BytesToAdopt(const GroupTable& other) const;

  /// Fetches key and payload, which will be read soon.
  void Prefetch(uint32_t group) const {
    __builtin_prefetch(rows_[group]);
    __builtin_prefetch(rows_[group] + rows_.row_size() - 1);
  }
  /// payload_size bytes at an address that does not change; what they mean is up to the user.
  std::byte* Payload(uint32_t group) const { return rows_[group] + payload_offset_; }

  /// Groups that exist.
  int64_t num_groups() const { return num_ids_ - static_cast<int64_t>(free_.size()); }
  /// Ids are below this; those that were erased are holes.
  int64_t num_ids() const { return num_ids_; }
  bool Exists(uint32_t id) const { return NullOf(id) != kErased; }
  uint64_t HashOf(uint32_t group) const;
  /// Some total order of keys.
  bool KeyLess(uint32_t left, uint32_t right) const;
  /// Keys of `count` groups, as they were encoded. `out` is overwritten.
  void KeysOf(const uint32_t* groups, int64_t count, EncodedKeys* out) const;
  /// Appends one to keys that came from tables of the same encoder, or to StartKeys().
  void AppendKeyOf(uint32_t group, EncodedKeys* out) const;
  static EncodedKeys StartKeys(bool is_fixed);
  /// A fixed key: its value, and whether it is null.
  std::pair<uint64_t, bool> FixedKeyOf(uint32_t group) const {
    return {FixedOf(group).value, FixedOf(group).null != 0};
  }
  /// The encoding of a byte key; valid until groups are erased.
  std::string_view BytesOf(uint32_t group) const;
  bool is_fixed() const { return is_fixed_; }

  /// Memory held, with the slots that linking will want.
  int64_t bytes() const;
  /// Memory held at most, that which growing needs included, when up to `groups` groups whose keys
  /// have `key_bytes` bytes together are added.
  int64_t BytesToAdd(int64_t groups, int64_t key_bytes) const;
  /// The same for groups that are appended.
  int64_t BytesToAppend(int64_t groups, int64_t key_bytes) const;

 private:
  struct Slot {
    uint32_t tag = 0;        // the low bits of the hash
    uint32_t id_plus_1 = 0;  // 0: empty
  };
  /// What a row starts with.
  struct FixedKey {
    uint64_t value;
    uint8_t null;
  };
  struct BytesKey {
    uint64_t hash;
    uint32_t length;
    uint8_t null;
    char short_bytes[19];  // the key when it fits, else kFarOffset bytes in its address
  };
  static constexpr size_t kShortBytesMax = 19;
  static constexpr size_t kFarOffset = 3;  // so that the address is aligned
  static constexpr uint8_t kErased = 2;    // in `null`

  const FixedKey& FixedOf(uint32_t group) const {
    return *reinterpret_cast<const FixedKey*>(rows_[group]);
  }
  const BytesKey& BytesKeyOf(uint32_t group) const {
    return *reinterpret_cast<const BytesKey*>(rows_[group]);
  }
  static std::string_view BytesOf(const BytesKey& key);
  uint8_t NullOf(uint32_t id) const { return is_fixed_ ? FixedOf(id).null : BytesKeyOf(id).null; }
  void SetNull(uint32_t id, uint8_t null);
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash); }
  template <bool kIsFixed>
  static bool SameKey(const std::byte* key, const EncodedKeys& keys, uint32_t row);
  template <bool kIsFixed>
  int64_t FindAll(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                  uint32_t* groups_out, std::byte** payloads_out) const;
  template <bool kIsFixed>
  int64_t FindInCache(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                      uint32_t* groups_out, std::byte** payloads_out) const;
  template <bool kIsFixed>
  int64_t FindSome(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                   uint32_t* groups_out, std::byte** payloads_out) const;
  template <bool kIsFixed>
  uint32_t Probe(const EncodedKeys& keys, uint32_t row) const;
  template <bool kIsFixed>
  uint32_t Insert(const EncodedKeys& keys, uint32_t row);
  bool SameKeys(const std::byte* left, const std::byte* right) const;
  Status LinkOne(uint32_t id, const Merge& merge);
  size_t SlotBytesFor(int64_t groups) const;
  size_t HoleBytesFor(int64_t holes) const;
  uint32_t NewId();
  void StoreKey(uint32_t id, const EncodedKeys& keys, uint32_t row);
  void PutSlot(Slot slot);
  size_t SlotOf(uint32_t group) const;
  void Rehash(size_t capacity);
  void DropDeadBytes();

  bool is_fixed_;
  size_t payload_offset_;
  std::vector<Slot> slots_;  // a power of two of them
  RowBlocks rows_;           // per id: its key and payload
  ByteArena long_keys_;
  int64_t num_ids_ = 0;
  int64_t unlinked_ = 0;    // ids from here on are not linked
  int64_t live_bytes_ = 0;  // of keys in long_keys_
  int64_t dead_bytes_ = 0;  // of erased keys there
  std::vector<uint32_t> free_;
};

}  // namespace headrace
