// Groups of windows as rows and as saved batches.
#include "headrace/exec/op/stream/window_state.h"

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate/group_store.h"

namespace headrace {
namespace {

constexpr const char* kSavedStart = "window_start";
constexpr const char* kSavedEnd = "window_end";

Result<ArrayPtr> Int64sOf(const std::vector<int64_t>& values, arrow::MemoryPool* pool) {
  arrow::Int64Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.AppendValues(values));
  return builder.Finish();
}

std::vector<int64_t> ValuesOf(const arrow::Array& column) {
  const auto& values = static_cast<const arrow::Int64Array&>(column);
  return {values.raw_values(), values.raw_values() + values.length()};
}

}  // namespace

WindowGroups::WindowGroups(const WindowTerms& terms)
    : terms_(terms), keys_(GroupTable::StartKeys(terms.aggregates->encoder().is_fixed())) {}

void WindowGroups::Add(const GroupTable& table, uint32_t group, std::byte* state,
                       WindowTimes::Window window) {
  table.AppendKeyOf(group, &keys_);
  states_.push_back(state);
  starts_.push_back(window.start);
  ends_.push_back(window.end);
}

void WindowGroups::Clear() {
  keys_ = GroupTable::StartKeys(keys_.is_fixed);
  states_.clear();
  starts_.clear();
  ends_.clear();
}

Result<Batch> WindowGroups::Rows(arrow::MemoryPool* pool, std::span<KernelContext> contexts) const {
  ARROW_ASSIGN_OR_RAISE(auto columns, terms_.aggregates->encoder().Decode(keys_, pool));
  for (const std::vector<int64_t>* bounds : {&starts_, &ends_}) {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr ticks, Int64sOf(*bounds, pool));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ticks->View(terms_.time_type));
  }
  ARROW_ASSIGN_OR_RAISE(auto results, FinishStates(*terms_.aggregates, states_, contexts));
  columns.insert(columns.end(), results.begin(), results.end());
  return Batch(std::move(columns), size());
}

SchemaPtr WindowGroups::SavedSchema(const AggregateTerms& terms) {
  arrow::FieldVector fields = terms.saved_schema()->fields();
  for (const char* name : {kSavedStart, kSavedEnd}) {
    fields.push_back(arrow::field(name, arrow::int64(), /*nullable=*/false));
  }
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::RecordBatch>> WindowGroups::Saved(arrow::MemoryPool* pool) const {
  ARROW_ASSIGN_OR_RAISE(auto keys, terms_.aggregates->encoder().Decode(keys_, pool));
  ARROW_ASSIGN_OR_RAISE(auto columns,
                        SaveStates(*terms_.aggregates, std::move(keys), states_, pool));
  for (const std::vector<int64_t>* bounds : {&starts_, &ends_}) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Int64sOf(*bounds, pool));
  }
  return arrow::RecordBatch::Make(SavedSchema(*terms_.aggregates), size(), std::move(columns));
}

Result<SavedWindows> SavedWindows::Make(const AggregateTerms& terms, int key_group,
                                        const arrow::RecordBatch& batch, arrow::MemoryPool* pool) {
  const SchemaPtr expected = WindowGroups::SavedSchema(terms);
  if (!batch.schema()->Equals(*expected)) {
    return Error(ErrorKind::kBadData,
                 "saved windows are of another aggregation: expected {}, got {}",
                 expected->ToString(), batch.schema()->ToString());
  }
  SavedWindows saved;
  saved.ends = ValuesOf(*batch.column(batch.num_columns() - 1));
  saved.starts = ValuesOf(*batch.column(batch.num_columns() - 2));
  std::vector<ArrayPtr> columns = batch.columns();
  columns.resize(columns.size() - 2);
  saved.groups =
      arrow::RecordBatch::Make(terms.saved_schema(), batch.num_rows(), std::move(columns));
  ARROW_RETURN_NOT_OK(EncodeSavedKeys(terms, *saved.groups, pool, &saved.keys));
  for (uint64_t hash : saved.keys.hashes) {
    if (KeyGroupOf(hash) == key_group) continue;
    return Error(ErrorKind::kBadData, "a saved group of key group {} is under key group {}",
                 KeyGroupOf(hash), key_group);
  }
  if (terms.has_extra()) saved.extra_bytes = Batch::FromRecordBatch(*saved.groups).num_bytes();
  return saved;
}

}  // namespace headrace
