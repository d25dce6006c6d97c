// MemoryTable: splits are ranges of rows over the batches as they were given.
#include "headrace/connect/memory/memory_table.h"

#include <algorithm>
#include <atomic>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/datum.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/connect/memory/row_ids.h"
#include "headrace/connect/memory/search_range.h"
#include "headrace/connect/memory/slice_reader.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

Status CheckBatch(const arrow::RecordBatch& batch, const arrow::Schema& schema) {
  if (batch.num_columns() != schema.num_fields()) {
    return Error(ErrorKind::kTypeMismatch, "expected batches of {} columns, got {}",
                 schema.num_fields(), batch.num_columns());
  }
  for (int i = 0; i < batch.num_columns(); ++i) {
    const arrow::Field& field = *schema.field(i);
    if (SameLogicalType(*field.type(), *batch.column(i)->type())) continue;
    return Error(ErrorKind::kTypeMismatch, "column {}: expected type {}, got {}", field.name(),
                 field.type()->ToString(), batch.column(i)->type()->ToString());
  }
  return Status::OK();
}

Status CheckChange(const ArrayPtr& change) {
  if (change->type_id() != arrow::Type::INT8) {
    return Error(ErrorKind::kTypeMismatch, "column _change: expected type int8, got {}",
                 change->type()->ToString());
  }
  const auto& values = static_cast<const arrow::Int8Array&>(*change);
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsValid(i) && (values.Value(i) == 1 || values.Value(i) == -1)) continue;
    return Error(ErrorKind::kBadData, "column _change, row {}: expected 1 or -1, got {}", i,
                 values.IsNull(i) ? "null" : std::to_string(values.Value(i)));
  }
  return Status::OK();
}

// The batch without column `change_index`, which becomes its changes; −1: it has none.
Result<Batch> SplitChange(const arrow::RecordBatch& record_batch, int change_index) {
  Batch batch = Batch::FromRecordBatch(record_batch);
  if (change_index < 0) return batch;
  std::vector<ArrayPtr> columns = batch.columns();
  ArrayPtr change = columns[static_cast<size_t>(change_index)];
  ARROW_RETURN_NOT_OK(CheckChange(change));
  columns.erase(columns.begin() + change_index);
  batch = batch.WithColumns(std::move(columns));
  batch.set_change(std::move(change));
  return batch;
}

std::vector<int64_t> StartsOf(const std::vector<Batch>& batches) {
  std::vector<int64_t> starts = {0};
  for (const Batch& batch : batches) starts.push_back(starts.back() + batch.num_rows());
  return starts;
}

}  // namespace

class MemoryTable::IndexReader final : public LookupReader {
 public:
  IndexReader(MemoryTable* table, const KeyIndex* index) : table_(table), index_(index) {}

  Status Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) override {
    std::vector<ArrayPtr> plain(keys.begin(), keys.end());
    for (ArrayPtr& key : plain) {
      ARROW_ASSIGN_OR_RAISE(key, Decode(key, arrow::default_memory_pool()));
    }
    ARROW_RETURN_NOT_OK(index_->CheckTypes(plain));
    matches->probe_rows.clear();
    matches->row_ids.clear();
    index_->Probe(plain, matches);
    return Status::OK();
  }

  Result<std::vector<ArrayPtr>> Gather(std::span<const int64_t> row_ids,
                                       std::span<const int> columns,
                                       arrow::MemoryPool* pool) override {
    ARROW_RETURN_NOT_OK(CheckColumns(columns, *table_->schema_));
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr ids, RowIdsOf(row_ids, pool));
    arrow::compute::ExecContext context(pool);
    std::vector<ArrayPtr> gathered;
    for (const int column : columns) {
      std::unique_lock lock(table_->mutex_);
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr values, table_->PlainColumn(column));
      lock.unlock();
      ARROW_ASSIGN_OR_RAISE(
          const arrow::Datum taken,
          arrow::compute::Take(values, ids, arrow::compute::TakeOptions(), &context));
      gathered.push_back(taken.make_array());
    }
    return gathered;
  }

 private:
  MemoryTable* const table_;
  const KeyIndex* const index_;
};

MemoryTable::MemoryTable(SchemaPtr schema, std::vector<Batch> batches, MemoryTableOptions options)
    : schema_(std::move(schema)),
      batches_(std::make_shared<const std::vector<Batch>>(std::move(batches))),
      starts_(std::make_shared<const std::vector<int64_t>>(StartsOf(*batches_))),
      options_(std::move(options)) {
  static std::atomic<int64_t> count{0};
  snapshot_ = fmt::format("memory table {}", ++count);
}

Result<std::shared_ptr<MemoryTable>> MemoryTable::Make(
    SchemaPtr schema, std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
    MemoryTableOptions options) {
  const bool has_changes = options.change_mode != ChangeMode::kAppend;
  const int change_index = has_changes ? schema->GetFieldIndex(kChangeColumn) : -1;
  std::vector<Batch> kept;
  for (const auto& record_batch : batches) {
    ARROW_RETURN_NOT_OK(CheckBatch(*record_batch, *schema));
    if (record_batch->num_rows() == 0) continue;
    ARROW_ASSIGN_OR_RAISE(kept.emplace_back(), SplitChange(*record_batch, change_index));
  }
  if (change_index >= 0) {
    ARROW_ASSIGN_OR_RAISE(schema, schema->RemoveField(change_index));
  }
  return std::shared_ptr<MemoryTable>(
      new MemoryTable(std::move(schema), std::move(kept), std::move(options)));
}

std::vector<std::shared_ptr<arrow::RecordBatch>> MemoryTable::RecordBatches() const {
  HEADRACE_CHECK(options_.change_mode == ChangeMode::kAppend, "a table of rows, not of changes");
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const Batch& batch : *batches_) batches.push_back(batch.ToRecordBatch(schema_));
  return batches;
}

std::optional<int64_t> MemoryTable::row_count() const {
  if (options_.change_mode != ChangeMode::kAppend) return std::nullopt;
  return starts_->back();
}

Result<std::vector<Split>> MemoryTable::Splits(const ScanRequest& request) {
  const bool is_table =
      options_.change_mode == ChangeMode::kAppend && options_.boundedness == Boundedness::kBounded;
  const int64_t wanted = options_.rows_per_split.value_or(is_table ? kBatchRowsMax : 0);
  std::pair<int64_t, int64_t> range = {0, starts_->back()};
  if (is_table) {
    ARROW_ASSIGN_OR_RAISE(range,
                          SearchRange(*batches_, *starts_, options_.ordering, request.bounds));
  }
  const auto [first, end] = range;
  const int64_t rows = wanted > 0 ? wanted : std::max<int64_t>(end, 1);
  std::vector<Split> splits;
  for (int64_t begin = first; begin < end; begin += rows) {
    if (request.limit.has_value() && begin - first >= *request.limit) break;
    const auto index = static_cast<int64_t>(splits.size());
    splits.push_back({.index = index,
                      .begin = begin,
                      .end = std::min(begin + rows, end),
                      .name = fmt::format("{} from row {}", options_.name, begin)});
  }
  return splits;
}

Result<std::unique_ptr<SplitReader>> MemoryTable::Open(const Split& split,
                                                       const ScanRequest& request,
                                                       const ReadContext& context) {
  ARROW_RETURN_NOT_OK(CheckColumns(request.projection, *schema_));
  return OpenRowRange({.batches = batches_,
                       .starts = starts_,
                       .begin = split.begin,
                       .end = split.end,
                       .pending_before_batches = options_.pending_before_batches},
                      request, context);
}

Result<ArrayPtr> MemoryTable::PlainColumn(int column) {
  ArrayPtr& plain = plain_columns_[column];
  if (plain != nullptr) return plain;
  const TypePtr type = PlainType(schema_->field(column)->type());
  if (batches_->empty()) {
    ARROW_ASSIGN_OR_RAISE(plain, arrow::MakeEmptyArray(type));
    return plain;
  }
  std::vector<Batch> parts;
  for (const Batch& batch : *batches_) {
    parts.emplace_back(std::vector<ArrayPtr>{batch.column(column)}, batch.num_rows());
  }
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  ARROW_ASSIGN_OR_RAISE(const Batch all, ConcatenateBatches(parts, pool));
  ARROW_ASSIGN_OR_RAISE(plain, Encode(all.column(0), type, pool));
  return plain;
}

Result<const KeyIndex*> MemoryTable::IndexOf(const std::vector<int>& columns) {
  const auto it = indexes_.find(columns);
  if (it != indexes_.end()) return it->second.get();
  std::vector<ArrayPtr> keys;
  std::vector<TypePtr> types;
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), PlainColumn(column));
    types.push_back(keys.back()->type());
  }
  ARROW_ASSIGN_OR_RAISE(auto index, KeyIndex::Make(std::move(types)));
  ARROW_RETURN_NOT_OK(index->Add(keys));
  return indexes_.emplace(columns, std::move(index)).first->second.get();
}

Result<std::unique_ptr<LookupReader>> MemoryTable::OpenReader(std::span<const int> columns) {
  ARROW_RETURN_NOT_OK(CheckColumns(columns, *schema_));
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const KeyIndex* index,
                        IndexOf(std::vector<int>(columns.begin(), columns.end())));
  return std::make_unique<IndexReader>(this, index);
}

}  // namespace headrace
