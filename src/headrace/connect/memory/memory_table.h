// MemoryTable: a Source over record batches in memory, and the simulated twin of real connectors.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "headrace/connect/memory/key_index.h"
#include "headrace/table/source.h"

namespace headrace {

/// What a table is declared to be. Nothing here is checked against the rows but `_change`.
struct MemoryTableOptions {
  std::string name = "memory table";
  /// Rows of one split; 0: one split. By default one split for streams and tables with changes,
  /// else kBatchRowsMax rows.
  std::optional<int64_t> rows_per_split;
  Boundedness boundedness = Boundedness::kBounded;
  /// Other than kAppend: a column `_change` (int8, +1 or −1) of the batches becomes Batch::change;
  /// a table without one has insertions only.
  ChangeMode change_mode = ChangeMode::kAppend;
  std::vector<int> key;
  Ordering ordering;
  /// Readers return Pending (and wake at once) before every batch.
  bool pending_before_batches = false;
};

/// Immutable and thread safe. Rows stay in the encodings they came in, which may differ from batch
/// to batch. Lookup (append tables only) works on plain copies of the columns it is asked for.
class MemoryTable final : public Source, public Lookup {
 public:
  /// kTypeMismatch when a batch differs from `schema` in more than encodings.
  static Result<std::shared_ptr<MemoryTable>> Make(
      SchemaPtr schema, std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
      MemoryTableOptions options = {});

  /// The rows as they were given. REQUIRES: no changes.
  std::vector<std::shared_ptr<arrow::RecordBatch>> RecordBatches() const;

  std::string name() const override { return options_.name; }
  const SchemaPtr& schema() const override { return schema_; }
  Boundedness boundedness() const override { return options_.boundedness; }
  ChangeMode change_mode() const override { return options_.change_mode; }
  std::vector<int> key() const override { return options_.key; }
  Ordering ordering() const override { return options_.ordering; }
  std::optional<int64_t> row_count() const override;
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  Result<std::string> Snapshot() override { return snapshot_; }
  Lookup* lookup() override { return options_.change_mode == ChangeMode::kAppend ? this : nullptr; }

  Result<std::unique_ptr<LookupReader>> OpenReader(std::span<const int> columns) override;

 private:
  class IndexReader;
  MemoryTable(SchemaPtr schema, std::vector<Batch> batches, MemoryTableOptions options);
  /// The whole column in its plain type, made when first wanted. REQUIRES: mutex_ is held.
  Result<ArrayPtr> PlainColumn(int column);
  /// Builds it if there is none; it lives as long as the table. REQUIRES: mutex_ is held.
  Result<const KeyIndex*> IndexOf(const std::vector<int>& columns);

  const SchemaPtr schema_;
  const std::shared_ptr<const std::vector<Batch>> batches_;
  std::shared_ptr<const std::vector<int64_t>> starts_;
  const MemoryTableOptions options_;
  std::string snapshot_;

  std::mutex mutex_;
  std::map<int, ArrayPtr> plain_columns_;
  std::map<std::vector<int>, std::unique_ptr<KeyIndex>> indexes_;
};

}  // namespace headrace
