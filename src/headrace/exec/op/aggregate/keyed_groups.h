// KeyedGroups: the groups of one lane, one store per key group, fed slice by slice of a batch.
// Where keys hardly come again, looking them up row by row is wasted: their groups are appended,
// and linked when a store has collected many, while its slots are in a cache.
#pragma once

#include <array>
#include <compare>
#include <memory>
#include <span>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/op/aggregate/group_store.h"

namespace headrace {

/// One thread. Stores exist from their first group on.
class KeyedGroups {
 public:
  KeyedGroups(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget);

  /// From now on new stores append groups, each until it sees that keys come again. What is
  /// appended is linked by Link, or by whoever takes the store.
  void ExpectNewKeys() { expects_new_keys_ = true; }
  /// After CountAndSettle: links the stores of the slice that have many groups to be linked.
  Status Link(std::span<KernelContext> contexts);

  /// Finds or makes the groups of rows [begin, end) of `keys`. Memory is reserved before anything
  /// is made: 0, or the bytes that were not granted. `extra_bytes` is what states may come to own.
  int64_t Assign(const EncodedKeys& keys, int64_t begin, int64_t end, int64_t extra_bytes);
  /// State rows of the slice assigned last, in row order.
  const std::vector<std::byte*>& states() const { return states_; }
  /// Key group and group id of its rows, in row order.
  struct GroupRef {
    int key_group = 0;
    uint32_t group = 0;
    auto operator<=>(const GroupRef&) const = default;
  };
  const std::vector<GroupRef>& groups() const { return groups_; }

  /// After the states of the slice changed: makes reservations what is held. 0, or the bytes that
  /// were not granted, which are to be asked for and settled again.
  int64_t CountAndSettle();
  int64_t Settle();

  std::byte* Row(GroupRef ref) const { return store(ref.key_group)->Row(ref.group); }
  /// The key columns of groups, then the results of the calls.
  Result<std::vector<ArrayPtr>> Results(std::span<const GroupRef> groups, arrow::MemoryPool* pool,
                                        std::span<KernelContext> contexts) const;
  /// Forgets groups, and stores that have none left.
  void Erase(std::span<const GroupRef> groups);

  GroupStore* store(int key_group) const { return stores_[static_cast<size_t>(key_group)].get(); }
  std::unique_ptr<GroupStore> TakeStore(int key_group);
  int64_t num_groups() const;
  int64_t reserved_bytes() const;
  /// The key group whose store holds most memory; −1: there is none.
  int LargestKeyGroup() const;

 private:
  /// Rows of the slice that belong to one key group: [begin, end) of rows_.
  struct Part {
    int key_group = 0;
    size_t begin = 0;
    size_t end = 0;
    int64_t missing = 0;  // rows whose group does not exist yet
  };
  void Partition(const EncodedKeys& keys, int64_t begin, int64_t end);
  int64_t FindAndReserve(const EncodedKeys& keys, Part& part, bool* is_refused);
  void InsertMissing(const EncodedKeys& keys, const Part& part);

  const AggregateTermsPtr terms_;
  const std::shared_ptr<MemoryBudget> budget_;
  bool expects_new_keys_ = false;
  std::array<std::unique_ptr<GroupStore>, kKeyGroups> stores_;
  std::array<bool, kKeyGroups> appends_{};  // the store, instead of looking up
  Reservation extra_;  // for what states may come to own while a slice is added
  std::vector<Part> parts_;
  std::vector<uint32_t> rows_;     // of the slice, by key group
  std::vector<uint32_t> found_;    // the group of rows_[i]
  std::vector<uint32_t> missing_;  // rows of a part that had no group
  std::vector<uint32_t> made_;     // and their groups
  std::vector<std::byte*> states_;
  std::vector<GroupRef> groups_;
};

}  // namespace headrace
