// GroupStore: the groups of one key group – their keys and states – with saving, loading and
// merging.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "headrace/exec/key/group_table.h"
#include "headrace/exec/op/aggregate/aggregate_terms.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// Saved batches of groups are cut to so many bytes, by estimate.
inline constexpr int64_t kSavedBytesMax = int64_t{256} << 10;

/// The states of a group are the payload of its row in the table. Owns a reservation for what it
/// holds: callers reserve before they insert, and settle after. One
/// thread.
class GroupStore {
 public:
  GroupStore(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget);
  ~GroupStore();

  const GroupTable& table() const { return table_; }
  int64_t num_groups() const { return table_.num_groups(); }
  std::byte* Row(uint32_t group) const { return table_.Payload(group); }
  /// Ids of all groups. With a total order of keys: by hash, then by key.
  std::vector<uint32_t> Groups() const;
  std::vector<uint32_t> OrderedGroups() const;

  /// Memory held.
  int64_t bytes() const { return table_.bytes() + extra_bytes_; }
  int64_t reserved_bytes() const { return reservation_.bytes(); }
  /// Makes the reservation large enough for `groups` groups more with keys of `key_bytes` together,
  /// and `extra_bytes` of memory of states. 0 when it is, else the bytes that were not granted.
  int64_t TryReserve(int64_t groups, int64_t key_bytes, int64_t extra_bytes);
  /// The same for groups that are appended.
  int64_t TryReserveAppended(int64_t groups, int64_t key_bytes);
  /// Makes the reservation what is held. 0, or the bytes that were not granted.
  int64_t Settle();

  /// Groups of the keys `rows` of `keys`; new ones get initial states. REQUIRES: TryReserve.
  void Insert(const EncodedKeys& keys, const uint32_t* rows, int64_t count, uint32_t* groups_out);
  /// Makes a group of every row, without looking whether its key has one: they are to be linked by
  /// LinkSome before anything is looked up. REQUIRES: TryReserveAppended.
  void Append(const EncodedKeys& keys, const uint32_t* rows, int64_t count, uint32_t* groups_out);
  void Erase(uint32_t group);
  /// After the states of a row changed: counts the memory they own.
  void CountExtra(std::byte* row);

  using BatchSink = std::function<Status(const arrow::RecordBatch&)>;
  /// Gives groups as batches of terms.saved_schema(), each of bounded size.
  Status Save(std::span<const uint32_t> groups, arrow::MemoryPool* pool,
              const BatchSink& sink) const;
  /// The same of terms.spilled_schema(), for this process alone.
  Status Spill(std::span<const uint32_t> groups, arrow::MemoryPool* pool,
               const BatchSink& sink) const;
  /// Merges rows of a spilled batch: row rows[i] into group groups[i].
  Status MergeSpilled(const arrow::RecordBatch& batch, std::span<const uint32_t> rows,
                      std::span<const uint32_t> groups, std::span<KernelContext> contexts);
  /// Merges the state rows `from` of another store into groups of this one.
  Status MergeRows(std::span<std::byte* const> from, std::span<const uint32_t> groups,
                   std::span<KernelContext> contexts);

  /// Takes the groups of another store over that Adopt of the table takes; they are to be linked.
  /// False when the memory was not granted: nothing has changed.
  bool TryAdopt(GroupStore& from);
  bool is_linked() const { return table_.is_linked(); }
  /// Links at most `count` groups that were appended or adopted: merges those of the same key.
  Status LinkSome(int64_t count, std::span<KernelContext> contexts);

  /// The key columns of groups, then the results of the calls.
  Result<std::vector<ArrayPtr>> Results(std::span<const uint32_t> groups, arrow::MemoryPool* pool,
                                        std::span<KernelContext> contexts) const;

 private:
  /// The columns behind the keys, of some states.
  using StateColumns = std::function<Result<std::vector<ArrayPtr>>(
      std::vector<ArrayPtr> keys, std::span<std::byte* const> states)>;
  Status Write(std::span<const uint32_t> groups, const SchemaPtr& schema,
               const StateColumns& columns, arrow::MemoryPool* pool, const BatchSink& sink) const;
  Result<std::vector<ArrayPtr>> KeyColumnsOf(std::span<const uint32_t> groups,
                                             arrow::MemoryPool* pool) const;
  int64_t TryHave(int64_t bytes);
  Status MergeRow(std::byte* into, std::byte* from, std::span<KernelContext> contexts);

  const AggregateTermsPtr terms_;
  GroupTable table_;
  std::vector<uint8_t> is_new_;
  int64_t extra_bytes_ = 0;
  Reservation reservation_;
};

/// The columns of terms.saved_schema() for states of the given keys.
Result<std::vector<ArrayPtr>> SaveStates(const AggregateTerms& terms,
                                         std::vector<ArrayPtr> key_columns,
                                         std::span<std::byte* const> states,
                                         arrow::MemoryPool* pool);

/// Merges rows of a saved batch: row rows[i] into states[i].
Status MergeSavedStates(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                        std::span<const uint32_t> rows, std::span<std::byte* const> states,
                        std::span<KernelContext> contexts);

/// The key columns of a saved batch, encoded. kBadData when it has another schema.
Status EncodeSavedKeys(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                       arrow::MemoryPool* pool, EncodedKeys* out);

/// The same of a spilled batch.
Status EncodeSpilledKeys(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                         arrow::MemoryPool* pool, EncodedKeys* out);

}  // namespace headrace
