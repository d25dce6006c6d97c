// HashAggregateGlobal: what the lanes of a hash aggregate hand over – groups by key group, in
// memory and on disk – and its output takes, a key group at a time.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "headrace/base/limits.h"
#include "headrace/exec/op/aggregate/group_store.h"
#include "headrace/exec/op/aggregate/kept_rows.h"
#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// A section of groups that were spilled; the file goes with its last section.
struct SpilledGroups {
  std::shared_ptr<SpillFile> file;
  StateSection section;
};

/// Everything that is known of the groups of one key group: to be merged.
struct KeyGroupPieces {
  std::vector<std::unique_ptr<GroupStore>> stores;
  std::vector<SpilledGroups> spilled;
  bool empty() const { return stores.empty() && spilled.empty(); }
};

/// Rows of one key group that are not grouped yet: in memory, and in sections of their own.
struct KeptSources {
  std::vector<Batch> held;
  std::vector<SpilledGroups> spilled;
  bool empty() const { return held.empty() && spilled.empty(); }
};

/// Writes groups of a store as sections of its key group.
Status SpillGroups(const GroupStore& store, std::span<const uint32_t> groups, int key_group,
                   arrow::MemoryPool* pool, SpillFile& file);

class HashAggregateGlobal final : public GlobalState {
 public:
  explicit HashAggregateGlobal(bool has_keys) : has_keys_(has_keys) {}

  /// Settles the number of parts: few groups are not worth many.
  Status Seal(const OperatorContext& context) override;
  int64_t num_parts() const override { return num_parts_; }
  /// The key groups of a part: [first, last).
  std::pair<int, int> KeyGroupsOfPart(int64_t part) const;
  Result<int64_t> Reclaim(int64_t bytes) override;

  /// `files` are sealed.
  void Absorb(int key_group, std::unique_ptr<GroupStore> store);
  void Absorb(std::shared_ptr<SpillFile> file);
  void KeepContext(const OperatorContext& context);
  KeyGroupPieces Take(int key_group);

  /// Rows of a lane; `file` (null: none) has those that were spilled, and is sealed.
  void AbsorbRows(std::vector<DividedRows> rows, std::shared_ptr<SpillFile> file,
                  const SchemaPtr& schema);
  bool HasRows(int key_group);
  /// What is known of a key group stays until DropRows. What is held is to be let go soon: it may
  /// be written meanwhile.
  KeptSources RowsOf(int key_group);
  void DropRows(int key_group);
  /// Writes at least so many bytes of kept rows, if there are so many; gives those freed.
  Result<int64_t> SpillRows(int64_t bytes);

  /// Without keys: merges the one row of a lane.
  Status MergeTotal(const AggregateTermsPtr& terms, std::byte* row, arrow::MemoryPool* pool);
  /// Null: no lane came.
  StateRow* total() const { return total_.get(); }

 private:
  const bool has_keys_;
  int num_parts_ = 1;  // set by Seal
  std::mutex mutex_;   // guards all below
  Result<int64_t> SpillRowsLocked(int64_t bytes);

  std::array<KeyGroupPieces, kKeyGroups> pieces_;
  std::vector<DividedRows> rows_;
  std::array<std::vector<SpilledGroups>, kKeyGroups> spilled_rows_;
  std::bitset<kKeyGroups> are_grouped_;  // key groups whose rows nobody wants any more
  SchemaPtr row_schema_;
  std::optional<OperatorContext> context_;  // of a lane
  AggregateTermsPtr terms_;
  std::unique_ptr<StateRow> total_;
};

}  // namespace headrace
