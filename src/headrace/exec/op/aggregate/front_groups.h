// FrontGroups: the first groups of one lane in one table, for as long as they are few and their
// keys come again; then they go on to the stores of their key groups.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/key/range_index.h"
#include "headrace/exec/op/aggregate/group_store.h"

namespace headrace {

/// One thread. Groups have the ids 0, 1, 2 … in the order in which they came.
class FrontGroups {
 public:
  FrontGroups(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget);

  /// Finds or makes the groups of rows [begin, end) of `keys`. Memory is reserved before anything
  /// is made: 0, or the bytes that were not granted. `extra_bytes` is what states may come to own.
  int64_t Assign(const EncodedKeys& keys, int64_t begin, int64_t end, int64_t extra_bytes);
  /// State rows of the rows assigned last.
  const std::vector<std::byte*>& states() const { return states_; }
  /// After those states changed: makes the reservation what is held; as KeyedGroups.
  int64_t CountAndSettle();
  int64_t Settle();

  /// Whether there are as many groups as it should hold, or keys hardly come again.
  bool IsFull() const { return store_.num_groups() >= groups_max_ || !repeats_; }
  /// Whether keys came again of late.
  bool HasRepeats() const { return repeats_; }
  /// Whether nearly every row made a group.
  bool IsAllNew() const { return num_rows_ * 15 <= store_.num_groups() * 16; }
  /// Whether to begin with another one once this is full.
  bool IsWorthIt() const { return num_rows_ >= kRowsPerGroupMin * store_.num_groups(); }

  const GroupStore& store() const { return store_; }
  /// Groups that have not gone on, by key group.
  std::array<std::vector<uint32_t>, kKeyGroups> LeftByKeyGroup() const;
  /// The next groups to go on, at most `count`; none: all have.
  std::span<const uint32_t> Next(int64_t count);
  /// Those that Next gave last are in their key groups.
  void Passed(int64_t count) { passed_ += count; }

 private:
  static constexpr int64_t kRowsPerGroupMin = 2;

  int64_t Find(const EncodedKeys& keys, const uint32_t* rows, int64_t count);
  void InsertMissing(const EncodedKeys& keys, const uint32_t* rows, size_t count);

  const AggregateTermsPtr terms_;
  GroupStore store_;
  RangeIndex index_;
  const int64_t groups_max_;
  Reservation extra_;              // for what states may come to own while a slice is added
  std::vector<uint32_t> numbers_;  // 0, 1, 2 …
  std::vector<uint32_t> found_;
  std::vector<std::byte*> states_;
  int64_t num_rows_ = 0;
  int64_t recent_rows_ = 0;  // since keys were judged last
  int64_t recent_new_ = 0;   // groups that they made
  bool repeats_ = true;
  int64_t passed_ = 0;
};

}  // namespace headrace
