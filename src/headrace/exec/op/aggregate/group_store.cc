// Saved states are the functions' own bytes, one binary column per call; in spills those that own
// no memory are copied as they are. See docs/formats/state.md.
#include "headrace/exec/op/aggregate/group_store.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "arrow/array/array_binary.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/exec/key/sort_words.h"

namespace headrace {
namespace {

// Saved batches are cut to this many groups and, by estimate, kSavedBytesMax.
constexpr size_t kSavedRowsMax = 4096;

// The columns of a saved batch after the keys.
class SavedColumns {
 public:
  SavedColumns(const AggregateTerms& terms, const arrow::RecordBatch& batch)
      : terms_(terms), batch_(batch), next_(static_cast<int>(terms.encoder().keys().size())) {
    for (size_t i = 0; i < terms.calls().size(); ++i) {
      states_.push_back(static_cast<const arrow::BinaryArray*>(batch.column(next_++).get()));
    }
    if (terms.fields().first) first_split_ = NextValues();
    if (terms.fields().first) first_row_ = NextValues();
    if (terms.fields().rows) rows_ = NextValues();
  }

  Status Load(int64_t row, std::byte* into) const {
    for (size_t i = 0; i < states_.size(); ++i) {
      const AggregateCall& call = terms_.calls()[i];
      ARROW_RETURN_NOT_OK(call.kernel->load(into + call.offset, states_[i]->GetView(row)));
    }
    if (first_split_ != nullptr) terms_.FirstOf(into) = {first_split_[row], first_row_[row]};
    if (rows_ != nullptr) terms_.RowsOf(into) = rows_[row];
    return Status::OK();
  }

 private:
  const int64_t* NextValues() {
    return static_cast<const arrow::Int64Array&>(*batch_.column(next_++)).raw_values();
  }

  const AggregateTerms& terms_;
  const arrow::RecordBatch& batch_;
  int next_;
  std::vector<const arrow::BinaryArray*> states_;
  const int64_t* first_split_ = nullptr;
  const int64_t* first_row_ = nullptr;
  const int64_t* rows_ = nullptr;
};

Result<ArrayPtr> SavedInt64(std::span<std::byte* const> states, arrow::MemoryPool* pool,
                            const std::function<int64_t(std::byte*)>& value_of) {
  arrow::Int64Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(states.size())));
  for (std::byte* state : states) builder.UnsafeAppend(value_of(state));
  return builder.Finish();
}

// The rows of plain states as they lie in memory.
Result<std::vector<ArrayPtr>> CopyStates(const AggregateTerms& terms, std::vector<ArrayPtr> columns,
                                         std::span<std::byte* const> states,
                                         arrow::MemoryPool* pool) {
  const size_t width = terms.row_size();
  const auto rows = static_cast<int64_t>(states.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes,
                        arrow::AllocateBuffer(rows * static_cast<int64_t>(width), pool));
  uint8_t* at = bytes->mutable_data();
  for (const std::byte* state : states) {
    std::memcpy(at, state, width);
    at += width;
  }
  const TypePtr& type = terms.spilled_schema()->fields().back()->type();
  columns.push_back(std::make_shared<arrow::FixedSizeBinaryArray>(type, rows, std::move(bytes)));
  return columns;
}

Status MergeCopiedStates(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                         std::span<const uint32_t> rows, std::span<std::byte* const> states,
                         std::span<KernelContext> contexts) {
  const auto& copies = static_cast<const arrow::FixedSizeBinaryArray&>(*batch.columns().back());
  StateRow copy(terms);  // aligned
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(copy.get(), copies.GetValue(rows[i]), terms.row_size());
    ARROW_RETURN_NOT_OK(MergeStates(terms, states[i], copy.get(), contexts));
  }
  return Status::OK();
}

Status EncodeKeyColumns(const AggregateTerms& terms, const SchemaPtr& schema,
                        const arrow::RecordBatch& batch, arrow::MemoryPool* pool,
                        EncodedKeys* out) {
  if (!batch.schema()->Equals(*schema)) {
    return Error(ErrorKind::kBadData,
                 "saved groups are of another aggregation: expected {}, got {}", schema->ToString(),
                 batch.schema()->ToString());
  }
  std::vector<ArrayPtr> keys = batch.columns();
  keys.resize(terms.encoder().keys().size());
  return terms.encoder().EncodeColumns(std::move(keys), batch.num_rows(), pool, out);
}

}  // namespace

GroupStore::GroupStore(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget)
    : terms_(std::move(terms)),
      table_(terms_->encoder().is_fixed(), terms_->row_size(), terms_->row_align()),
      reservation_(std::move(budget), Backing::kOwn) {}

GroupStore::~GroupStore() {
  if (!terms_->has_destroy()) return;
  for (uint32_t group : Groups()) terms_->Destroy(Row(group));
}

std::vector<uint32_t> GroupStore::Groups() const {
  std::vector<uint32_t> groups;
  groups.resize(static_cast<size_t>(num_groups()));
  if (table_.num_ids() == num_groups()) {  // no holes: rows need not be looked at
    std::iota(groups.begin(), groups.end(), 0);
    return groups;
  }
  groups.clear();
  for (uint32_t id = 0; id < table_.num_ids(); ++id) {
    if (table_.Exists(id)) groups.push_back(id);
  }
  return groups;
}

std::vector<uint32_t> GroupStore::OrderedGroups() const {
  std::vector<uint32_t> groups = Groups();
  std::vector<SortWord> words;
  words.reserve(groups.size());
  for (uint32_t group : groups) words.push_back({group, table_.HashOf(group)});
  SortWords(words);
  for (size_t i = 0; i < words.size(); ++i) groups[i] = static_cast<uint32_t>(words[i].low);
  for (size_t begin = 0, end = 0; begin < words.size(); begin = end) {
    while (end < words.size() && words[end].high == words[begin].high) ++end;
    if (end - begin == 1) continue;
    std::sort(groups.begin() + static_cast<std::ptrdiff_t>(begin),
              groups.begin() + static_cast<std::ptrdiff_t>(end),
              [this](uint32_t left, uint32_t right) { return table_.KeyLess(left, right); });
  }
  return groups;
}

int64_t GroupStore::TryHave(int64_t bytes) {
  const int64_t more = bytes - reservation_.bytes();
  return more <= 0 || reservation_.TryGrow(more) ? 0 : more;
}

int64_t GroupStore::TryReserve(int64_t groups, int64_t key_bytes, int64_t extra_bytes) {
  return TryHave(table_.BytesToAdd(groups, key_bytes) + extra_bytes_ + extra_bytes);
}

int64_t GroupStore::TryReserveAppended(int64_t groups, int64_t key_bytes) {
  return TryHave(table_.BytesToAppend(groups, key_bytes) + extra_bytes_);
}

int64_t GroupStore::Settle() {
  const int64_t more = bytes() - reservation_.bytes();
  return reservation_.TryResize(bytes()) ? 0 : more;
}

void GroupStore::Insert(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                        uint32_t* groups_out) {
  is_new_.resize(static_cast<size_t>(count));
  table_.FindOrInsert(keys, rows, count, groups_out, is_new_.data());
  for (int64_t i = 0; i < count; ++i) {
    if (is_new_[static_cast<size_t>(i)] != 0) terms_->Init(Row(groups_out[i]));
  }
}

void GroupStore::Append(const EncodedKeys& keys, const uint32_t* rows, int64_t count,
                        uint32_t* groups_out) {
  table_.Append(keys, rows, count, groups_out);
  for (int64_t i = 0; i < count; ++i) terms_->Init(Row(groups_out[i]));
}

void GroupStore::Erase(uint32_t group) {
  if (terms_->has_extra()) extra_bytes_ -= terms_->CountedExtraOf(Row(group));
  terms_->Destroy(Row(group));
  table_.Erase(group);
}

void GroupStore::CountExtra(std::byte* row) {
  if (!terms_->has_extra()) return;
  int64_t& counted = terms_->CountedExtraOf(row);
  const int64_t now = terms_->ExtraBytesOf(row);
  extra_bytes_ += now - counted;
  counted = now;
}

Status GroupStore::Write(std::span<const uint32_t> groups, const SchemaPtr& schema,
                         const StateColumns& columns, arrow::MemoryPool* pool,
                         const BatchSink& sink) const {
  const int64_t mean_bytes = bytes() / std::max<int64_t>(num_groups(), 1) + 1;
  const size_t step =
      std::clamp<size_t>(static_cast<size_t>(kSavedBytesMax / mean_bytes), 1, kSavedRowsMax);
  std::vector<std::byte*> states;
  for (size_t begin = 0; begin < groups.size(); begin += step) {
    const auto some = groups.subspan(begin, std::min(step, groups.size() - begin));
    states.clear();
    for (uint32_t group : some) states.push_back(Row(group));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> keys, KeyColumnsOf(some, pool));
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> made, columns(std::move(keys), states));
    const auto rows = static_cast<int64_t>(some.size());
    ARROW_RETURN_NOT_OK(sink(*arrow::RecordBatch::Make(schema, rows, std::move(made))));
  }
  return Status::OK();
}

Status GroupStore::Save(std::span<const uint32_t> groups, arrow::MemoryPool* pool,
                        const BatchSink& sink) const {
  const auto columns = [&](std::vector<ArrayPtr> keys, std::span<std::byte* const> states) {
    return SaveStates(*terms_, std::move(keys), states, pool);
  };
  return Write(groups, terms_->saved_schema(), columns, pool, sink);
}

Status GroupStore::Spill(std::span<const uint32_t> groups, arrow::MemoryPool* pool,
                         const BatchSink& sink) const {
  if (!terms_->is_plain()) return Save(groups, pool, sink);
  const auto columns = [&](std::vector<ArrayPtr> keys, std::span<std::byte* const> states) {
    return CopyStates(*terms_, std::move(keys), states, pool);
  };
  return Write(groups, terms_->spilled_schema(), columns, pool, sink);
}

Status GroupStore::MergeRow(std::byte* into, std::byte* from, std::span<KernelContext> contexts) {
  ARROW_RETURN_NOT_OK(MergeStates(*terms_, into, from, contexts));
  CountExtra(into);
  return Status::OK();
}

Status GroupStore::MergeSpilled(const arrow::RecordBatch& batch, std::span<const uint32_t> rows,
                                std::span<const uint32_t> groups,
                                std::span<KernelContext> contexts) {
  std::vector<std::byte*> states;
  states.reserve(groups.size());
  for (uint32_t group : groups) states.push_back(Row(group));
  if (terms_->is_plain()) return MergeCopiedStates(*terms_, batch, rows, states, contexts);
  ARROW_RETURN_NOT_OK(MergeSavedStates(*terms_, batch, rows, states, contexts));
  for (std::byte* state : states) CountExtra(state);
  return Status::OK();
}

Status GroupStore::MergeRows(std::span<std::byte* const> from, std::span<const uint32_t> groups,
                             std::span<KernelContext> contexts) {
  for (size_t i = 0; i < from.size(); ++i) {
    ARROW_RETURN_NOT_OK(MergeRow(Row(groups[i]), from[i], contexts));
  }
  return Status::OK();
}

bool GroupStore::TryAdopt(GroupStore& from) {
  const int64_t wanted = table_.BytesToAdopt(from.table_) + extra_bytes_ + from.extra_bytes_;
  if (TryHave(wanted) > 0) return false;
  int64_t copied_extra = 0;
  for (uint32_t id = 0; terms_->has_extra() && id < GroupTable::kCopiedGroups; ++id) {
    if (from.table_.Exists(id)) copied_extra += terms_->CountedExtraOf(from.Row(id));
  }
  table_.Adopt(from.table_);
  extra_bytes_ += from.extra_bytes_ - copied_extra;
  from.extra_bytes_ = copied_extra;
  return true;
}

Status GroupStore::LinkSome(int64_t count, std::span<KernelContext> contexts) {
  return table_.Link(count, [&](std::byte* into, std::byte* from) {
    ARROW_RETURN_NOT_OK(MergeRow(into, from, contexts));
    if (terms_->has_extra()) extra_bytes_ -= terms_->CountedExtraOf(from);
    terms_->Destroy(from);
    return Status::OK();
  });
}

Result<std::vector<ArrayPtr>> GroupStore::KeyColumnsOf(std::span<const uint32_t> groups,
                                                       arrow::MemoryPool* pool) const {
  if (table_.is_fixed()) {
    EncodedKeys keys;
    table_.KeysOf(groups.data(), static_cast<int64_t>(groups.size()), &keys);
    return terms_->encoder().Decode(keys, pool);
  }
  std::vector<const uint8_t*> cells;
  cells.reserve(groups.size());
  int64_t key_bytes = 0;
  for (uint32_t group : groups) {
    const std::string_view key = table_.BytesOf(group);
    __builtin_prefetch(key.data());
    cells.push_back(reinterpret_cast<const uint8_t*>(key.data()));
    key_bytes += static_cast<int64_t>(key.size());
  }
  return terms_->encoder().DecodeBytes(std::move(cells), key_bytes, pool);
}

Result<std::vector<ArrayPtr>> GroupStore::Results(std::span<const uint32_t> groups,
                                                  arrow::MemoryPool* pool,
                                                  std::span<KernelContext> contexts) const {
  std::vector<std::byte*> states;
  states.reserve(groups.size());
  for (uint32_t group : groups) {
    table_.Prefetch(group);
    states.push_back(Row(group));
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> columns, KeyColumnsOf(groups, pool));
  ARROW_ASSIGN_OR_RAISE(auto results, FinishStates(*terms_, states, contexts));
  columns.insert(columns.end(), results.begin(), results.end());
  return columns;
}

Result<std::vector<ArrayPtr>> SaveStates(const AggregateTerms& terms,
                                         std::vector<ArrayPtr> key_columns,
                                         std::span<std::byte* const> states,
                                         arrow::MemoryPool* pool) {
  std::vector<ArrayPtr> columns = std::move(key_columns);
  std::string saved;
  for (const AggregateCall& call : terms.calls()) {
    arrow::BinaryBuilder builder(pool);
    for (const std::byte* state : states) {
      saved.clear();
      ARROW_RETURN_NOT_OK(call.kernel->save(state + call.offset, &saved));
      ARROW_RETURN_NOT_OK(builder.Append(saved));
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
  }
  const auto add = [&](const std::function<int64_t(std::byte*)>& value_of) {
    return SavedInt64(states, pool, value_of).Value(&columns.emplace_back());
  };
  if (terms.fields().first) {
    ARROW_RETURN_NOT_OK(add([&](std::byte* state) { return terms.FirstOf(state).split; }));
    ARROW_RETURN_NOT_OK(add([&](std::byte* state) { return terms.FirstOf(state).row; }));
  }
  if (terms.fields().rows) {
    ARROW_RETURN_NOT_OK(add([&](std::byte* state) { return terms.RowsOf(state); }));
  }
  return columns;
}

Status MergeSavedStates(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                        std::span<const uint32_t> rows, std::span<std::byte* const> states,
                        std::span<KernelContext> contexts) {
  const SavedColumns saved(terms, batch);
  StateRow loaded(terms);
  for (size_t i = 0; i < rows.size(); ++i) {
    ARROW_RETURN_NOT_OK(saved.Load(rows[i], loaded.get()));
    ARROW_RETURN_NOT_OK(MergeStates(terms, states[i], loaded.get(), contexts));
    loaded.Reset();
  }
  return Status::OK();
}

Status EncodeSavedKeys(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                       arrow::MemoryPool* pool, EncodedKeys* out) {
  return EncodeKeyColumns(terms, terms.saved_schema(), batch, pool, out);
}

Status EncodeSpilledKeys(const AggregateTerms& terms, const arrow::RecordBatch& batch,
                         arrow::MemoryPool* pool, EncodedKeys* out) {
  return EncodeKeyColumns(terms, terms.spilled_schema(), batch, pool, out);
}

}  // namespace headrace
