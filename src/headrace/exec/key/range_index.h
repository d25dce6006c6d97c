// RangeIndex: finds the groups of a table by their keys alone, without hashes, where these are
// integers that lie close together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// An array from key to group. It is kept while the keys of a large table fill a small range, and
/// memory for it is granted; else it is empty. One thread.
class RangeIndex {
 public:
  explicit RangeIndex(std::shared_ptr<MemoryBudget> budget)
      : reservation_(std::move(budget), Backing::kOwn) {}

  /// Whether there is an array; then it knows all groups of the table.
  bool is_ready() const { return !groups_.empty(); }
  /// As Find of the table. REQUIRES: is_ready().
  int64_t Find(const GroupTable& table, const EncodedKeys& keys, const uint32_t* rows,
               int64_t count, uint32_t* groups_out, std::byte** payloads_out) const;
  /// After `rows` rows were found in the table, or added to it: takes new groups in, or begins anew
  /// where that is worth it. REQUIRES: a table of fixed keys without holes, always the same.
  void Update(const GroupTable& table, int64_t rows);
  void Clear();

 private:
  bool AddNewGroups(const GroupTable& table);
  void Build(const GroupTable& table);

  std::vector<uint32_t> groups_;  // per value from base_ on: the group plus 1; 0: none
  uint64_t base_ = 0;
  uint32_t null_group_ = GroupTable::kNoGroup;
  int64_t num_groups_ = 0;  // of the table that are known
  int64_t num_rows_ = 0;    // since it was tried last to begin
  Reservation reservation_;
};

}  // namespace headrace
