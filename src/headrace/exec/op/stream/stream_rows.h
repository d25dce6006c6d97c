// StreamRows and GroupUpdates: a batch on its way into the groups of a stream aggregate, and what
// the groups it touched looked like before and after.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/op/aggregate/keyed_groups.h"

namespace headrace {

/// The rows of a batch, taken apart.
struct StreamRows {
  EncodedKeys keys;
  std::vector<std::vector<Argument>> arguments;  // per call
  std::vector<uint32_t> added;                   // rows by what is done with them
  std::vector<uint32_t> removed;
  RowPosition first;

  /// `batch` is compacted.
  static Result<StreamRows> Make(const Batch& batch, const AggregateTerms& terms,
                                 arrow::MemoryPool* pool);
  /// Rows whose state is null are neither added nor removed.
  void LeaveOut(const std::vector<std::byte*>& states);
  /// `states` holds the state row of every row.
  Status AddAndRemove(const AggregateTerms& terms, const std::vector<std::byte*>& states,
                      std::span<KernelContext> contexts, arrow::MemoryPool* pool) const;
};

/// Old rows (change −1) and new rows (+1) in one batch, by their numbers; of the same number the
/// old row comes directly before the new one.
Result<Batch> InterleaveUpdates(const Batch& old_rows, const std::vector<uint64_t>& old_numbers,
                                const Batch& new_rows, const std::vector<uint64_t>& new_numbers,
                                arrow::MemoryPool* pool);

/// Old rows (change −1) and new rows (+1) of groups, in one batch; a group's old row comes directly
/// before its new one.
class GroupUpdates {
 public:
  /// `groups` are sorted; here those that have a row before the change, and below after it.
  Status KeepOld(const KeyedGroups& groups, std::vector<KeyedGroups::GroupRef> refs,
                 arrow::MemoryPool* pool, std::span<KernelContext> contexts);
  Result<Batch> WithNew(const KeyedGroups& groups, const std::vector<KeyedGroups::GroupRef>& refs,
                        arrow::MemoryPool* pool, std::span<KernelContext> contexts) const;

 private:
  std::vector<KeyedGroups::GroupRef> old_refs_;
  Batch old_rows_;
};

}  // namespace headrace
