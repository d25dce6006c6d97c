// MutableTable: a small table that is changed by key while it is read, looked up and subscribed to.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/connect/memory/key_index.h"
#include "headrace/table/source.h"

namespace headrace {

/// Every version of every row is kept, numbered in the order of its writing; table order is the
/// order of the last writes. A scan reads the rows there were when its split was opened. Rows are
/// kept in plain types. Thread safe.
class MutableTable final : public Source,
                           public Lookup,
                           public Changes,
                           public std::enable_shared_from_this<MutableTable> {
 public:
  /// `key`: at least one column of `schema`; keys are never null.
  static Result<std::shared_ptr<MutableTable>> Make(std::string name, SchemaPtr schema,
                                                    std::vector<int> key);
  ~MutableTable() override;

  /// Row by row: replaces the row with the same key (old row −1, new row +1) or adds it (+1). A
  /// failed call changes nothing.
  Status Upsert(const arrow::RecordBatch& rows);
  /// Removes rows by key (−1); `keys` has the key columns in key order. Unknown keys are skipped.
  Status Delete(const arrow::RecordBatch& keys);
  /// Subscribers end after the changes there are.
  void CloseChanges();
  int64_t num_rows() const;
  /// The changes as an unbounded source in retract mode with one split.
  SourcePtr Stream();

  std::string name() const override { return name_; }
  const SchemaPtr& schema() const override { return schema_; }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  /// The same at all times: a query sees the table as it is when it runs.
  Result<std::string> Snapshot() override { return snapshot_; }
  Lookup* lookup() override { return this; }
  Changes* changes() override { return this; }

  Status EnsureIndex(std::span<const int> columns) override;
  Result<std::vector<Match>> Probe(std::span<const int> columns,
                                   std::span<const ArrayPtr> keys) override;
  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> row_ids,
                                       std::span<const int> columns) override;

  Result<std::unique_ptr<SplitReader>> Subscribe(const std::string& from,
                                                 const ReadContext& context) override;

 private:
  struct State;
  class ChangeReader;
  class ChangeStream;
  MutableTable(std::string name, SchemaPtr schema, std::vector<int> key,
               std::unique_ptr<State> state);
  Result<std::unique_ptr<SplitReader>> OpenChanges(const std::string& from,
                                                   const ScanRequest& request,
                                                   const ReadContext& context);
  void WakeSubscribers();

  const std::string name_;
  const SchemaPtr schema_;
  const std::vector<int> key_;
  std::string snapshot_;
  mutable std::mutex mutex_;
  const std::unique_ptr<State> state_;  // guarded by mutex_
};

}  // namespace headrace
