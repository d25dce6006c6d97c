// StreamRows and GroupUpdates: a batch on its way into the groups of a stream aggregate, and what
// the groups it touched looked like before and after.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/op/keyed_groups.h"
#include "headrace/exec/op/stream_window.h"

namespace headrace {

/// The rows of a batch that are not late.
struct StreamRows {
  EncodedKeys keys;
  std::vector<std::vector<Argument>> arguments;  // per call
  std::vector<int64_t> deadlines;                // per row; empty without a window
  std::vector<uint32_t> added;                   // rows by what is done with them
  std::vector<uint32_t> removed;
  RowPosition first;
  int64_t late_rows = 0;

  /// `window` may be null.
  static Result<StreamRows> Make(const Batch& batch, const AggregateTerms& terms,
                                 const StreamWindow* window, arrow::MemoryPool* pool);
  /// `states` holds the state row of every row.
  Status AddAndRemove(const AggregateTerms& terms, const std::vector<std::byte*>& states,
                      std::span<KernelContext> contexts, arrow::MemoryPool* pool) const;
};

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
