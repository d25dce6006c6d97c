// Lookups that find a made-up row. Its number is that of the row that asks, so that the key asked
// for can be given.
#include "headrace/connect/memory/stand_in_table.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_base.h"
#include "arrow/memory_pool.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {

class StandInTable::Reader final : public LookupReader {
 public:
  Reader(StandInTable& table, std::vector<int> columns, std::unique_ptr<LookupReader> reader)
      : table_(table), columns_(std::move(columns)), reader_(std::move(reader)) {}

  Status Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) override {
    stands_in_ = !table_.ready_;
    if (!stands_in_) {
      keys_.clear();
      return reader_->Probe(keys, matches);
    }
    keys_.clear();
    for (const ArrayPtr& key : keys) {
      ARROW_ASSIGN_OR_RAISE(keys_.emplace_back(), Decode(key, arrow::default_memory_pool()));
    }
    matches->probe_rows.clear();
    matches->row_ids.clear();
    const int64_t rows = keys_.empty() ? 0 : keys_.front()->length();
    for (int64_t row = 0; row < rows; ++row) {
      if (HasNull(row)) continue;
      matches->probe_rows.push_back(static_cast<uint32_t>(row));
      matches->row_ids.push_back(row);
    }
    table_.Count(static_cast<int64_t>(matches->row_ids.size()));
    return Status::OK();
  }

  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> row_ids,
                                       std::span<const int> columns,
                                       arrow::MemoryPool* pool) override {
    if (!stands_in_) return reader_->Gather(row_ids, columns, pool);
    std::vector<ArrayPtr> gathered;
    for (const int column : columns) {
      ARROW_ASSIGN_OR_RAISE(gathered.emplace_back(), MakeColumn(row_ids, column, pool));
    }
    return gathered;
  }

 private:
  bool HasNull(int64_t row) const {
    return std::any_of(keys_.begin(), keys_.end(),
                       [&](const ArrayPtr& key) { return key->IsNull(row); });
  }

  Result<ArrayPtr> MakeColumn(std::span<const int64_t> row_ids, int column,
                              arrow::MemoryPool* pool) const {
    const TypePtr type = PlainType(table_.schema()->field(column)->type());
    const auto key = std::find(columns_.begin(), columns_.end(), column);
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(pool, type, &builder));
    for (const int64_t row : row_ids) {
      ScalarPtr value;
      if (row >= 0 && key != columns_.end()) {
        ARROW_ASSIGN_OR_RAISE(value,
                              keys_[static_cast<size_t>(key - columns_.begin())]->GetScalar(row));
      } else if (row >= 0 && table_.kind_ == StandIn::kDefaults) {
        value = table_.defaults_[static_cast<size_t>(column)];
      }
      const bool is_null = value == nullptr || !value->is_valid;
      ARROW_RETURN_NOT_OK(is_null ? builder->AppendNull() : builder->AppendScalar(*value));
    }
    return builder->Finish();
  }

  StandInTable& table_;
  const std::vector<int> columns_;  // of the index
  const std::unique_ptr<LookupReader> reader_;
  bool stands_in_ = false;      // at the last probe
  std::vector<ArrayPtr> keys_;  // of it
};

StandInTable::StandInTable(std::shared_ptr<KeyedTable> table, StandIn kind,
                           std::vector<ScalarPtr> defaults)
    : table_(std::move(table)), kind_(kind), defaults_(std::move(defaults)) {}

Result<std::unique_ptr<LookupReader>> StandInTable::OpenReader(std::span<const int> columns) {
  ARROW_ASSIGN_OR_RAISE(auto reader, table_->OpenReader(columns));
  return std::make_unique<Reader>(*this, std::vector<int>(columns.begin(), columns.end()),
                                  std::move(reader));
}

bool StandInTable::LeavesOut(int64_t rows) {
  if (ready_ || kind_ != StandIn::kSkip) return false;
  rows_skipped_ += rows;
  return true;
}

void StandInTable::Count(int64_t rows) {
  if (kind_ == StandIn::kDefaults) rows_with_defaults_ += rows;
  if (kind_ == StandIn::kNulls) rows_with_nulls_ += rows;
}

}  // namespace headrace
