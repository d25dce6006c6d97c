// TableSink: rows of a query go into a KeyedTable as they come.
#pragma once

#include <memory>
#include <string>

#include "headrace/connect/memory/keyed_table.h"
#include "headrace/table/sink.h"

namespace headrace {

/// Appended and upserted rows replace the row of their key; rows taken back (−1 in the column
/// _change) delete it, unless the same batch gives it anew behind. Unlike with other sinks, rows
/// are visible once written: a table shows its state of now, and Abort leaves it as it is. The job
/// that restores a checkpoint fills the table anew.
class TableSink final : public Sink {
 public:
  explicit TableSink(std::shared_ptr<KeyedTable> table) : table_(std::move(table)) {}

  std::string name() const override { return "table " + table_->name(); }
  bool Accepts(ChangeMode) const override { return true; }
  /// The columns of the table by place, in any encoding, with or without _change among them;
  /// kTypeMismatch for others.
  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override;
  Status Write(const arrow::RecordBatch& batch) override;
  Status Prepare(int64_t) override { return Status::OK(); }
  Status Commit(int64_t) override { return Status::OK(); }
  Status Abort() override { return Status::OK(); }

 private:
  const std::shared_ptr<KeyedTable> table_;
  SchemaPtr schema_;
  int change_ = -1;  // place of the column _change
};

}  // namespace headrace
