// Pieces of key groups; those that nobody reads yet are spilled when memory is wanted elsewhere.
#include "headrace/exec/op/aggregate/hash_aggregate_state.h"

#include <algorithm>
#include <iterator>

namespace headrace {
namespace {

constexpr int64_t kGroupsPerPart = 4096;
constexpr int kAggregatePartsMax = 32;
constexpr int64_t kRowsSpilledAtOnce = int64_t{32} << 20;

}  // namespace

Status SpillGroups(const GroupStore& store, std::span<const uint32_t> groups, int key_group,
                   arrow::MemoryPool* pool, SpillFile& file) {
  return store.Spill(groups, pool,
                     [&](const arrow::RecordBatch& batch) { return file.Write(key_group, batch); });
}

void HashAggregateGlobal::Absorb(int key_group, std::unique_ptr<GroupStore> store) {
  std::lock_guard lock(mutex_);
  if (store->num_groups() == 0) return;
  pieces_[static_cast<size_t>(key_group)].stores.push_back(std::move(store));
}

void HashAggregateGlobal::Absorb(std::shared_ptr<SpillFile> file) {
  std::lock_guard lock(mutex_);
  for (const StateSection& section : file->sections()) {
    pieces_[static_cast<size_t>(section.key_group)].spilled.push_back({file, section});
  }
}

Status HashAggregateGlobal::Seal(const OperatorContext&) {
  std::lock_guard lock(mutex_);
  if (!has_keys_) return Status::OK();
  int64_t groups = 0;
  for (const KeyGroupPieces& pieces : pieces_) {
    for (const auto& store : pieces.stores) groups += store->num_groups();
    for (const SpilledGroups& spilled : pieces.spilled) groups += spilled.section.num_rows;
  }
  for (const DividedRows& divided : rows_) groups += divided.rows.num_rows();
  for (const auto& sections : spilled_rows_) {
    for (const SpilledGroups& spilled : sections) groups += spilled.section.num_rows;
  }
  while (num_parts_ < kAggregatePartsMax && num_parts_ * kGroupsPerPart < groups) num_parts_ *= 2;
  return Status::OK();
}

std::pair<int, int> HashAggregateGlobal::KeyGroupsOfPart(int64_t part) const {
  const int size = kKeyGroups / num_parts_;
  const int first = static_cast<int>(part) * size;
  return {first, first + size};
}

void HashAggregateGlobal::KeepContext(const OperatorContext& context) {
  std::lock_guard lock(mutex_);
  context_ = context;
}

KeyGroupPieces HashAggregateGlobal::Take(int key_group) {
  std::lock_guard lock(mutex_);
  return std::exchange(pieces_[static_cast<size_t>(key_group)], {});
}

void HashAggregateGlobal::AbsorbRows(std::vector<DividedRows> rows, std::shared_ptr<SpillFile> file,
                                     const SchemaPtr& schema) {
  std::lock_guard lock(mutex_);
  row_schema_ = schema;
  std::move(rows.begin(), rows.end(), std::back_inserter(rows_));
  if (file == nullptr) return;
  for (const StateSection& section : file->sections()) {
    spilled_rows_[static_cast<size_t>(section.key_group)].push_back({file, section});
  }
}

bool HashAggregateGlobal::HasRows(int key_group) {
  std::lock_guard lock(mutex_);
  return !spilled_rows_[static_cast<size_t>(key_group)].empty() ||
         std::any_of(rows_.begin(), rows_.end(), [key_group](const DividedRows& divided) {
           return divided.RowsOf(key_group) > 0;
         });
}

KeptSources HashAggregateGlobal::RowsOf(int key_group) {
  std::lock_guard lock(mutex_);
  KeptSources sources;
  for (const DividedRows& divided : rows_) {
    if (divided.RowsOf(key_group) > 0) sources.held.push_back(divided.Of(key_group));
  }
  sources.spilled = spilled_rows_[static_cast<size_t>(key_group)];
  return sources;
}

void HashAggregateGlobal::DropRows(int key_group) {
  std::lock_guard lock(mutex_);
  are_grouped_.set(static_cast<size_t>(key_group));
  spilled_rows_[static_cast<size_t>(key_group)].clear();
  if (are_grouped_.all()) rows_.clear();
}

Result<int64_t> HashAggregateGlobal::SpillRows(int64_t bytes) {
  std::lock_guard lock(mutex_);
  return SpillRowsLocked(bytes);
}

// Many at once, so that sections are worth their headers.
Result<int64_t> HashAggregateGlobal::SpillRowsLocked(int64_t bytes) {
  std::vector<DividedRows> spilled;
  int64_t freed = 0;
  while (!rows_.empty() && freed < std::max(bytes, kRowsSpilledAtOnce)) {
    freed += rows_.back().reservation.bytes();
    spilled.push_back(std::move(rows_.back()));
    rows_.pop_back();
  }
  if (spilled.empty()) return 0;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, SpillFile::Make(*context_, "aggregate"));
  ARROW_RETURN_NOT_OK(headrace::SpillRows(spilled, row_schema_, are_grouped_, *context_, *file));
  ARROW_RETURN_NOT_OK(file->Seal());
  for (const StateSection& section : file->sections()) {
    spilled_rows_[static_cast<size_t>(section.key_group)].push_back({file, section});
  }
  return freed;
}

// Rows go before groups, and of these the key groups that are read last.
Result<int64_t> HashAggregateGlobal::Reclaim(int64_t bytes) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(int64_t freed, SpillRowsLocked(bytes));
  std::shared_ptr<SpillFile> file;
  for (int group = kKeyGroups - 1; group >= 0 && freed < bytes; --group) {
    KeyGroupPieces& pieces = pieces_[static_cast<size_t>(group)];
    for (auto& store : pieces.stores) {
      if (file == nullptr) {
        ARROW_ASSIGN_OR_RAISE(file, SpillFile::Make(*context_, "aggregate"));
      }
      ARROW_RETURN_NOT_OK(SpillGroups(*store, store->Groups(), group, context_->pool, *file));
      freed += store->reserved_bytes();
      store.reset();
    }
    pieces.stores.clear();
  }
  if (file == nullptr) return freed;
  ARROW_RETURN_NOT_OK(file->Seal());
  for (const StateSection& section : file->sections()) {
    pieces_[static_cast<size_t>(section.key_group)].spilled.push_back({file, section});
  }
  return freed;
}

Status HashAggregateGlobal::MergeTotal(const AggregateTermsPtr& terms, std::byte* row,
                                       arrow::MemoryPool* pool) {
  std::lock_guard lock(mutex_);
  if (total_ == nullptr) {
    terms_ = terms;
    total_ = std::make_unique<StateRow>(*terms_);
  }
  std::vector<KernelContext> contexts = terms->ContextsOf(pool);
  return MergeStates(*terms, total_->get(), row, contexts);
}

}  // namespace headrace
