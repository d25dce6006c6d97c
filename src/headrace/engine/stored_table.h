// Stored tables: rows that outlive the query that gave them. They stay in memory while the tables'
// share of the session's budget has room for them, and are in a file of the session past it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "headrace/engine/session.h"
#include "headrace/table/source.h"

namespace headrace {

/// Rows that one statement gave, in order. Immutable and thread safe; several tables may share it.
/// Its file goes away with it.
class StoredRows {
 public:
  /// Rows that someone else holds.
  explicit StoredRows(std::vector<std::shared_ptr<arrow::RecordBatch>> batches);
  ~StoredRows();
  StoredRows(const StoredRows&) = delete;
  StoredRows& operator=(const StoredRows&) = delete;

  int64_t num_rows() const { return num_rows_; }
  /// In memory and on disk.
  int64_t num_bytes() const;
  bool is_file() const { return file_ != nullptr; }

 private:
  friend class StoredTable;
  friend class StoredRowsWriter;
  struct File;
  StoredRows();

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  Reservation claim_;
  std::unique_ptr<File> file_;
  int64_t num_rows_ = 0;
};

using StoredRowsPtr = std::shared_ptr<const StoredRows>;

/// Takes rows in order. One thread. Dropped before Finish it leaves nothing behind.
class StoredRowsWriter {
 public:
  /// Of tables with the columns of `schema`.
  StoredRowsWriter(Session& session, SchemaPtr schema);
  ~StoredRowsWriter();
  /// kMemoryLimit past spill_limit, kIo; nothing may be added after an error.
  Status Add(std::shared_ptr<arrow::RecordBatch> batch);
  Result<StoredRowsPtr> Finish();

  /// `rows` in a file.
  static Result<StoredRowsPtr> OnDisk(Session& session, const SchemaPtr& schema,
                                      const StoredRows& rows);

 private:
  Status Keep(const arrow::RecordBatch& batch);
  Status KeepGathered();
  Status MoveToFile();

  Session& session_;
  const SchemaPtr schema_;
  const int64_t batch_bytes_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> gathered_;  // few rows each
  int64_t gathered_rows_ = 0;
  int64_t gathered_bytes_ = 0;
  std::shared_ptr<StoredRows> rows_;
};

/// A table of stored rows. Immutable: a changed table is another one.
class StoredTable final : public Source {
 public:
  static Result<std::shared_ptr<StoredTable>> Make(Session& session, std::string name,
                                                   SchemaPtr schema,
                                                   std::vector<StoredRowsPtr> rows,
                                                   Ordering ordering = {});
  /// This table with `more` behind its rows, in no order.
  Result<std::shared_ptr<StoredTable>> WithRows(Session& session, StoredRowsPtr more) const;

  std::string name() const override { return name_; }
  const SchemaPtr& schema() const override { return schema_; }
  Ordering ordering() const override { return ordering_; }
  std::optional<int64_t> row_count() const override;
  Result<std::vector<Split>> Splits(const ScanRequest& request) override;
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override;
  Result<std::string> Snapshot() override { return snapshot_; }
  Lookup* lookup() override { return table_->lookup(); }
  /// In memory and on disk.
  int64_t num_bytes() const;

 private:
  StoredTable(std::string name, SchemaPtr schema, std::vector<StoredRowsPtr> rows,
              Ordering ordering, SourcePtr table);

  const std::string name_;
  const SchemaPtr schema_;
  const std::vector<StoredRowsPtr> rows_;
  const Ordering ordering_;
  const SourcePtr table_;  // over `rows_`
  const std::string snapshot_;
};

/// Makes other rows of those that a query gives.
using RowChange = std::function<Result<std::shared_ptr<arrow::RecordBatch>>(
    const std::shared_ptr<arrow::RecordBatch>&)>;
/// All rows of `plan`, `change`d if that is given, with the columns of `schema`.
Result<StoredRowsPtr> StoreRows(Session& session, PlanPtr plan, const SchemaPtr& schema,
                                const Poll& poll, const RowChange& change = nullptr);
/// All rows of `plan` as a table.
Result<std::shared_ptr<StoredTable>> StoreTable(Session& session, PlanPtr plan, std::string name,
                                                const Poll& poll);

}  // namespace headrace
