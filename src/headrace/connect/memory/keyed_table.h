// KeyedTable: a materialized table – the latest row per key, changed by one thread while others
// read it, look it up and follow its changes.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/connect/memory/change_log.h"
#include "headrace/connect/memory/row_index.h"
#include "headrace/connect/memory/row_pages.h"
#include "headrace/connect/memory/table_lock.h"
#include "headrace/memory/budget.h"
#include "headrace/memory/spill_map.h"
#include "headrace/table/source.h"

namespace headrace {

struct KeyedTableOptions {
  /// What the table's memory is charged to; null: there is no limit.
  std::shared_ptr<MemoryBudget> budget;
  arrow::MemoryPool* pool = nullptr;  // null: the default one
  /// Where rows and indexes go that the budget refuses. Null: they are errors.
  std::shared_ptr<SpillSpace> spill;
  /// Rows written longer ago than this are deleted, a 64th of it late at most, by the next write,
  /// scan or subscription, or by Expire: a lookup in between finds them still.
  std::optional<int64_t> retention_micros;
  Clock* clock = nullptr;  // null: the machine's
};

/// A state of a table on its way to a checkpoint: all of it, or what came and went since the cut
/// before. The readers see that state whatever is written meanwhile; another thread may use them.
struct TableCut {
  int64_t since = -1;    // changes of the table at the cut before; −1: the rows are all
  int64_t changes = 0;   // of the table
  int64_t num_rows = 0;  // of the table
  int64_t num_read = 0;  // what the readers give together
  std::unique_ptr<SplitReader> deleted;  // keys, some more than once; to be applied first
  std::unique_ptr<SplitReader> rows;     // in table order; some with keys of `deleted`
};

/// Keys: −0 = 0, NaN = NaN; null is none. Table order is the order of the last writes. A batch of
/// up to kBatchRowsMax rows becomes visible at once. A call that fails changes nothing, unless
/// memory that was promised is refused: then the table fails from there on. Rows are kept in plain
/// types. Thread safe. Costs: a write of a row is O(1) amortised in rows and indexes. Of the rows
/// held two thirds live at least, but for compaction that is still to be done and for what readers
/// have pinned; an index takes 11 to 15 bytes a row, and 8 more where rows share a key. What the
/// budget refuses stands on disk and is read there, slower: first the rows written longest ago, and
/// when all are there, the indexes.
class KeyedTable final : public Source,
                         public Lookup,
                         public Changes,
                         public std::enable_shared_from_this<KeyedTable> {
 public:
  /// `key`: at least one column of `schema`, of types that GROUP BY takes (not nested ones).
  static Result<std::shared_ptr<KeyedTable>> Make(std::string name, SchemaPtr schema,
                                                  std::vector<int> key,
                                                  KeyedTableOptions options = {});
  ~KeyedTable() override;

  /// Row by row: replaces the row with the same key (old row −1, new row +1) or adds it (+1).
  /// kBadData that names row and column where a key is null; kMemoryLimit that names the table.
  Status Upsert(const arrow::RecordBatch& rows);
  /// Removes rows by key (−1); `keys` has the key columns in key order. Unknown keys are skipped.
  Status Delete(const arrow::RecordBatch& keys);
  /// Row by row: an upsert where `change` (int8; null: everywhere) is +1, a deletion by key where
  /// it is −1. A row taken back and given anew in one batch is replaced.
  Status Apply(const arrow::RecordBatch& rows, const ArrayPtr& change);
  /// Deletes what is older than the retention.
  Status Expire();
  std::optional<int64_t> retention_micros() const { return options_.retention_micros; }

  /// Rows now.
  int64_t num_rows() const;
  /// Memory held: pages, indexes, rows kept for readers, changes kept for subscribers.
  int64_t bytes() const;
  /// Held on disk.
  int64_t bytes_on_disk() const;
  /// Changes (−1 and +1) that the table has seen: what subscribers' positions count.
  int64_t num_changes() const { return log_.end(); }
  /// What there is to save behind the cut before, if that is at most `num_read_max` rows and keys;
  /// else everything. From the first cut on the keys that are deleted are remembered, as long as
  /// they are fewer than half of the rows. Cost: O(pages).
  Result<TableCut> Cut(int64_t num_read_max);
  /// After the rows of a saved table were upserted: counts changes on from its num_changes().
  void RestoreChanges(int64_t num_changes) { log_.StartAt(num_changes); }
  /// Subscribers end after the changes there are.
  void CloseChanges() { log_.Close(); }
  /// The changes as an unbounded source in retract mode with one split.
  SourcePtr Stream();

  std::string name() const override { return name_; }
  const SchemaPtr& schema() const override { return schema_; }
  std::vector<int> key() const override { return key_; }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  /// The rows when it is called, in table order.
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  /// The same at all times: a query sees the table as it is when it runs.
  Result<std::string> Snapshot() override { return snapshot_; }
  Lookup* lookup() override { return this; }
  Changes* changes() override { return this; }
  /// Building an index takes the table for as long as that lasts.
  Result<std::unique_ptr<LookupReader>> OpenReader(std::span<const int> columns) override;
  /// Positions: "<change>", or "<change>:<rows>" of the rows there were at that change. kStale when
  /// the changes are not kept any more.
  Result<std::unique_ptr<SplitReader>> Subscribe(const std::string& from,
                                                 const ReadContext& context) override;

 private:
  static constexpr uint64_t kNoEpoch = ~uint64_t{0};
  class Pin;
  class RowScan;
  class Scan;
  class KeyScan;
  class IndexReader;
  class ChangeReader;
  class ChangeStream;
  /// What one write does, in the order of its rows.
  struct Written {
    std::vector<RowId> added;
    std::vector<ArrayPtr> columns;  // of `added`
    std::vector<int64_t> removed;   // rows that stood before
    std::vector<int64_t> deleted;   // rows that went and were not replaced
    std::vector<int64_t> changed;   // all rows that came or went
    std::vector<int8_t> signs;
  };

  KeyedTable(std::string name, SchemaPtr schema, std::vector<int> key, KeyedTableOptions options);
  Status Fail(const Status& status) const;
  Status CheckKeys(const std::vector<ArrayPtr>& columns) const;
  Status Write(const std::vector<ArrayPtr>& columns, int64_t num_rows, const int8_t* signs);
  Status Reserve(const Batch& rows, const EncodedKeys& keys, bool deletes);
  template <typename MoreBytes>
  Status Claim(const MoreBytes& more_bytes);
  Result<bool> MoveToDisk(int64_t bytes);
  Status ApplyRows(const std::vector<ArrayPtr>& columns, const EncodedKeys& keys,
                   const int8_t* signs);
  Status RemoveKeys(const EncodedKeys& keys);
  void RemoveOne(RowId row, uint64_t first_added, Written* written);
  Status Settle(Written* written);
  Status UpdateIndex(RowIndex* index, const Written& written);
  Status LogChanges(const Written& written);
  Status RememberDeleted(const Written& written);
  Status CompactPages(int64_t written_rows);
  Status EncodeFor(const RowIndex& index, const std::vector<ArrayPtr>& columns, int64_t num_rows,
                   EncodedKeys* keys) const;
  Status EncodeRows(const RowIndex& index, std::span<const int64_t> rows, EncodedKeys* keys) const;
  void ReleasePages();
  int64_t CountBytes() const;
  Result<RowIndex*> IndexOf(const std::vector<int>& columns);
  Status FillIndex(RowIndex* index);
  int64_t WriteTime();
  Result<std::unique_ptr<SplitReader>> OpenChanges(const std::string& from,
                                                   const ScanRequest& request,
                                                   const ReadContext& context);

  const std::string name_;
  const SchemaPtr schema_;
  const std::vector<int> key_;
  const KeyedTableOptions options_;
  arrow::MemoryPool* const pool_;
  Clock& clock_;
  std::string snapshot_;

  std::mutex write_mutex_;  // before lock_
  int64_t last_write_micros_ = 0;

  mutable TableLock lock_;          // readers share it; what follows changes under it alone
  std::unique_ptr<SpillMap> disk_;  // null: all is in memory
  RowPages pages_;
  std::unique_ptr<RowIndex> by_key_;
  std::map<std::vector<int>, std::unique_ptr<RowIndex>> indexes_;
  std::set<const Pin*> pins_;
  uint64_t epoch_ = 0;
  int64_t cut_changes_ = -1;           // at the last cut
  std::unique_ptr<RowPages> deleted_;  // keys, since then; null: the next cut is everything
  int64_t deleted_max_ = 0;
  Reservation reservation_;
  Status broken_;
  ChangeLog log_;
};

}  // namespace headrace
