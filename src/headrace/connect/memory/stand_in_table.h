// StandInTable: a KeyedTable that streams may be joined with before it is loaded; until then rows
// find something else in its place.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "headrace/connect/memory/keyed_table.h"
#include "headrace/table/unready.h"

namespace headrace {

/// What a row of a stream finds while the table is not ready.
enum class StandIn {
  kDefaults,  // one row of declared values, null where none is declared; with the key asked for
  kNulls,     // one row of nulls, but for the key asked for
  kSkip,      // the row of the stream is left out
};

/// The table in all but Lookup. While it is not ready a lookup by a key without nulls finds one row
/// that is made up, or is left out, and the table is not asked; other conditions of the join are
/// judged over that row. Thread safe.
class StandInTable final : public Source, public Lookup, public UnreadyTable {
 public:
  /// `defaults`: one per column of the table, of its type; null: none (kDefaults only).
  StandInTable(std::shared_ptr<KeyedTable> table, StandIn kind, std::vector<ScalarPtr> defaults);

  /// From here on the table is asked.
  void SetReady() { ready_ = true; }
  int64_t rows_skipped() const { return rows_skipped_; }
  int64_t rows_with_defaults() const { return rows_with_defaults_; }
  int64_t rows_with_nulls() const { return rows_with_nulls_; }

  std::string name() const override { return table_->name(); }
  const SchemaPtr& schema() const override { return table_->schema(); }
  std::vector<int> key() const override { return table_->key(); }
  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    return table_->Splits(request);
  }
  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    return table_->Open(split, request, context);
  }
  Result<std::string> Snapshot() override { return table_->Snapshot(); }
  Lookup* lookup() override { return this; }
  Changes* changes() override { return table_->changes(); }

  Result<std::unique_ptr<LookupReader>> OpenReader(std::span<const int> columns) override;
  bool LeavesOut(int64_t rows) override;

 private:
  class Reader;
  void Count(int64_t rows);

  const std::shared_ptr<KeyedTable> table_;
  const StandIn kind_;
  const std::vector<ScalarPtr> defaults_;
  std::atomic<bool> ready_{false};
  std::atomic<int64_t> rows_skipped_{0};
  std::atomic<int64_t> rows_with_defaults_{0};
  std::atomic<int64_t> rows_with_nulls_{0};
};

}  // namespace headrace
