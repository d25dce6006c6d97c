// Output side of the hash aggregate: merges the pieces of one key group at a time and emits its
// groups in the order of their hashes. A key group that does not fit is divided by the next bit of
// the hashes: what was merged is written by halves, and what was not is read for each of them.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate/hash_aggregate.h"
#include "headrace/exec/op/aggregate/hash_aggregate_state.h"
#include "headrace/exec/op/aggregate/row_groups.h"

namespace headrace {
namespace {

// Groups merged in one step.
constexpr size_t kMergeRows = 1024;
// Groups linked in one step, and how many a store must have to be taken over.
constexpr int64_t kLinkRows = 65536;
constexpr int64_t kAdoptedIdsMin = 2048;
// Fewer groups than this part of a batch wait for those of the next key group.
constexpr int64_t kHeldFraction = 4;
// A key group is divided into 2^10 parts at most; rows of parts of so many bits are sorted.
constexpr int kDividingBitsMax = 10;
constexpr int kSortedBitsMax = 4;
constexpr int kBitsOfKeyGroup = 7;
// What is held is loaded in pieces of so many bytes.
constexpr int64_t kHeldBytesAtOnce = int64_t{64} << 20;
// Rows of a part have at most about so many bytes together.
constexpr int64_t kLoadedBytesMax = int64_t{1} << 30;
// Groups of rows that are in work have their states at once.
constexpr int64_t kChunksPerBudget = 32;

class HashAggregateOutput final : public Operator {
 public:
  HashAggregateOutput(const HashAggregateOutputSpec& spec, std::shared_ptr<GlobalState> global)
      : spec_(spec), global_(std::static_pointer_cast<HashAggregateGlobal>(std::move(global))) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    const GroupFields fields{.first = spec_.order == GroupOrder::kFirstAppearance};
    ARROW_ASSIGN_OR_RAISE(form_, RowForm::Make(spec_.schema, spec_.keys, spec_.calls, fields));
    terms_ = form_.terms;
    contexts_ = terms_->ContextsOf(context.pool);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& part, Out& out) override {
    if (spec_.keys.empty()) return EmitTotal(out);
    switch (stage_) {
      case Stage::kPart:
        std::tie(key_group_, last_key_group_) = global_->KeyGroupsOfPart(part.ordinal().split);
        stage_ = Stage::kTake;
        return Flow::MoreOutput();
      case Stage::kTake:
        return Take(out);
      case Stage::kMerge:
        return Merge();
      case Stage::kLoad:
        return Load();
      case Stage::kAdd:
        return AddSection();
      case Stage::kEmit:
        return row_groups_ != nullptr ? EmitRowGroups(out) : Emit(out);
    }
    return Error(ErrorKind::kInternal, "an impossible stage");
  }

  // Rows that wait are written first; then what is in work is divided.
  Result<int64_t> Reclaim(int64_t bytes) override {
    const bool grows = stage_ == Stage::kMerge || stage_ == Stage::kLoad || stage_ == Stage::kAdd;
    if (!grows) return 0;
    ARROW_ASSIGN_OR_RAISE(const int64_t spilled, global_->SpillRows(bytes));
    if (spilled > 0 || part_.bits == kDividingBitsMax) return spilled;
    int64_t freed = merged_->reserved_bytes();
    for (const auto& store : pieces_.stores) freed += store->reserved_bytes();
    if (row_groups_ != nullptr) freed += row_groups_->reserved_bytes();
    if (freed == 0) return 0;
    ARROW_RETURN_NOT_OK(DivideLoaded().status());
    return freed;
  }

 private:
  enum class Stage : uint8_t { kPart, kTake, kMerge, kLoad, kAdd, kEmit };

  /// The groups of a key group whose next `bits` bits of the hash are `prefix`.
  struct HashPart {
    int bits = 0;
    uint64_t prefix = 0;
    std::vector<SpilledGroups> spilled;  // that have groups of it
    bool adds = false;                   // rows are added to the groups, a section at a time:
    std::vector<SpilledGroups> rows{};   // those that were not yet

    bool Has(uint64_t hash) const {
      return bits == 0 || hash << kBitsOfKeyGroup >> (64 - bits) == prefix;
    }
  };

  Result<Flow> EmitTotal(Out& out) {
    StateRow empty(*terms_);
    const StateRow* total = global_->total() == nullptr ? &empty : global_->total();
    std::byte* const row = total->get();
    ARROW_ASSIGN_OR_RAISE(auto columns, FinishStates(*terms_, {&row, 1}, contexts_));
    ARROW_RETURN_NOT_OK(AppendFirst(*terms_, {&row, 1}, context().pool, &columns));
    out.Emit(Batch(std::move(columns), 1));
    return Flow::NeedInput();
  }

  Result<Flow> Take(Out& out) {
    for (; key_group_ < last_key_group_; ++key_group_) {
      pieces_ = global_->Take(key_group_);
      has_rows_ = global_->HasRows(key_group_);
      if (pieces_.empty() && !has_rows_) continue;
      part_ = {0, 0, std::move(pieces_.spilled)};
      StartPart();
      return Flow::MoreOutput();
    }
    if (held_rows_ > 0) return EmitHeld(out);
    stage_ = Stage::kPart;
    return Flow::NeedInput();
  }

  void StartPart() {
    if (!part_.spilled.empty() || has_rows_) {
      Count(context().metrics, &OperatorMetrics::partitions);
    }
    stage_ = Stage::kMerge;
    next_row_ = 0;
    next_adopted_ = 0;
    next_section_ = 0;
    section_ = nullptr;
    auto& stores = pieces_.stores;
    if (stores.empty()) {
      merged_ = std::make_unique<GroupStore>(terms_, context().budget);
      return;
    }
    const auto largest = std::max_element(
        stores.begin(), stores.end(),
        [](const auto& a, const auto& b) { return a->num_groups() < b->num_groups(); });
    merged_ = std::move(*largest);
    stores.erase(largest);
  }

  // Writes all that is in memory by the next bit of the hashes; the second half waits.
  Status Divide() {
    HashPart halves[2];
    for (uint64_t bit = 0; bit < 2; ++bit) {
      halves[bit] = {part_.bits + 1, part_.prefix * 2 + bit, {}, part_.adds, part_.rows};
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, SpillFile::Make(context(), "aggregate"));
    ARROW_RETURN_NOT_OK(SpillByHalf(*merged_, merged_->Groups(), halves[1], *file));
    while (!pieces_.stores.empty()) {
      const GroupStore& store = *pieces_.stores.back();
      std::vector<uint32_t> groups = next_row_ == 0 ? store.Groups() : std::move(source_groups_);
      groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(next_row_));
      ARROW_RETURN_NOT_OK(SpillByHalf(store, groups, halves[1], *file));
      pieces_.stores.pop_back();
      next_row_ = 0;  // only the last store may have been merged in part
    }
    ARROW_RETURN_NOT_OK(file->Seal());
    for (const StateSection& section : file->sections()) {
      halves[section.key_group].spilled.push_back({file, section});
    }
    for (size_t i = next_section_; i < part_.spilled.size(); ++i) {
      for (HashPart& half : halves) half.spilled.push_back(part_.spilled[i]);
    }
    part_ = std::move(halves[0]);
    waiting_.push_back(std::move(halves[1]));
    Count(context().metrics, &OperatorMetrics::passes);
    return Status::OK();
  }

  // As sections of "key group" 0 or 1.
  Status SpillByHalf(const GroupStore& store, const std::vector<uint32_t>& groups,
                     const HashPart& second, SpillFile& file) {
    std::vector<uint32_t> halves[2];
    for (uint32_t group : groups) {
      halves[second.Has(store.table().HashOf(group)) ? 1 : 0].push_back(group);
    }
    for (int half = 0; half < 2; ++half) {
      if (halves[half].empty()) continue;
      ARROW_RETURN_NOT_OK(SpillGroups(store, halves[half], half, context().pool, file));
    }
    return Status::OK();
  }

  Result<Flow> Merge() {
    if (const int64_t refused = merged_->Settle()) return Flow::NeedMemory(refused);
    if (next_adopted_ < pieces_.stores.size()) {
      // What does not fit is copied below.
      GroupStore& store = *pieces_.stores[next_adopted_++];
      if (store.table().num_ids() >= kAdoptedIdsMin) merged_->TryAdopt(store);
      return Flow::MoreOutput();
    }
    if (!merged_->is_linked()) {
      ARROW_RETURN_NOT_OK(merged_->LinkSome(kLinkRows, contexts_));
      return Flow::MoreOutput();
    }
    if (!pieces_.stores.empty()) return MergeStore(*pieces_.stores.back());
    if (next_section_ < part_.spilled.size()) return MergeSection();
    if (!has_rows_) return EndMerge();
    return part_.bits <= kSortedBitsMax ? StartLoad() : StartAdd();
  }

  Flow EndMerge() {
    order_ = merged_->OrderedGroups();
    next_row_ = 0;
    stage_ = Stage::kEmit;
    return Flow::MoreOutput();
  }

  // The rows of the part are sorted.
  Flow StartLoad() {
    row_groups_ = std::make_unique<RowGroups>(form_, *merged_, kBitsOfKeyGroup + part_.bits,
                                              GroupsAtOnce(), context().budget, context().pool);
    sources_ = global_->RowsOf(key_group_);
    loading_.reset();
    stage_ = Stage::kLoad;
    return Flow::MoreOutput();
  }

  int64_t GroupsAtOnce() const {
    const auto group_bytes = static_cast<int64_t>(terms_->row_size()) + kKeyBytes;
    return std::clamp<int64_t>(BytesAtOnce() / group_bytes, 1, context().batch_rows);
  }

  int64_t BytesAtOnce() const {
    return std::min(context().batch_bytes, context().budget->limit_bytes() / kChunksPerBudget);
  }

  Result<Flow> Load() {
    if (!loading_.has_value()) {
      if (sources_.empty()) return EndLoad();
      if (row_groups_->num_bytes() > kLoadedBytesMax) return DivideLoaded();
      ARROW_ASSIGN_OR_RAISE(const Batch rows, NextRows());
      ARROW_ASSIGN_OR_RAISE(loading_, RowsOfPart(rows));
    }
    if (loading_->num_rows() > 0) {
      if (const int64_t refused = row_groups_->Load(*loading_)) return Flow::NeedMemory(refused);
    }
    loading_.reset();
    return Flow::MoreOutput();
  }

  // What is in memory goes by halves of the part.
  Result<Flow> DivideLoaded() {
    row_groups_.reset();
    ARROW_RETURN_NOT_OK(Divide());
    StartPart();
    return Flow::MoreOutput();
  }

  // Of the sources; what is held goes first.
  Result<Batch> NextRows() {
    std::vector<Batch> together;
    for (int64_t bytes = 0; !sources_.held.empty() && bytes < kHeldBytesAtOnce;) {
      bytes += sources_.held.back().num_bytes();
      together.push_back(std::move(sources_.held.back()));
      sources_.held.pop_back();
    }
    if (!together.empty()) return ConcatenateBatches(together, context().pool);
    const SpilledGroups spilled = std::move(sources_.spilled.back());
    sources_.spilled.pop_back();
    ARROW_ASSIGN_OR_RAISE(const auto section, spilled.file->Read(spilled.section));
    return Batch::FromRecordBatch(*section);
  }

  Result<Batch> RowsOfPart(const Batch& rows) {
    if (part_.bits == 0) return rows;
    ARROW_RETURN_NOT_OK(terms_->encoder().Encode(rows, context().pool, &keys_));
    SelectRows();
    const arrow::UInt32Array indices(static_cast<int64_t>(rows_.size()),
                                     arrow::Buffer::Wrap(rows_));
    return rows.Take(indices, context().pool);
  }

  Result<Flow> EndLoad() {
    if (row_groups_->num_rows() == 0) {
      row_groups_.reset();
      return EndMerge();
    }
    ARROW_RETURN_NOT_OK(row_groups_->Sort());
    stage_ = Stage::kEmit;
    return Flow::MoreOutput();
  }

  // Dividing does not help rows of one key: they are added to its group.
  Result<Flow> StartAdd() {
    if (!part_.adds) {
      ARROW_RETURN_NOT_OK(global_->SpillRows(std::numeric_limits<int64_t>::max()).status());
      part_.rows = global_->RowsOf(key_group_).spilled;
      part_.adds = true;
    }
    section_ = nullptr;
    stage_ = Stage::kAdd;
    return Flow::MoreOutput();
  }

  Result<Flow> AddSection() {
    if (const int64_t refused = merged_->Settle()) return Flow::NeedMemory(refused);
    if (part_.rows.empty()) return EndMerge();
    if (section_ == nullptr) {
      const SpilledGroups& spilled = part_.rows.back();
      ARROW_ASSIGN_OR_RAISE(section_, spilled.file->Read(spilled.section));
    }
    ARROW_ASSIGN_OR_RAISE(const Batch rows, RowsOfPart(Batch::FromRecordBatch(*section_)));
    if (const int64_t refused = AssignGroups(terms_->has_extra() ? rows.num_bytes() : 0)) {
      return Flow::NeedMemory(refused);
    }
    if (rows.num_rows() > 0) {
      const std::vector<std::byte*> states = StatesOf(groups_);
      ARROW_RETURN_NOT_OK(form_.Add(rows, states, contexts_, context().pool));
      for (std::byte* state : states) merged_->CountExtra(state);
    }
    section_ = nullptr;
    part_.rows.pop_back();
    return Flow::MoreOutput();
  }

  // Some groups of a store in memory.
  Result<Flow> MergeStore(GroupStore& from) {
    if (next_row_ == 0) source_groups_ = from.Groups();
    const size_t count = std::min(kMergeRows, source_groups_.size() - next_row_);
    from.table().KeysOf(source_groups_.data() + next_row_, static_cast<int64_t>(count), &keys_);
    std::vector<std::byte*> states(count);
    int64_t extra_bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      states[i] = from.Row(source_groups_[next_row_ + i]);
      if (terms_->has_extra()) extra_bytes += terms_->CountedExtraOf(states[i]);
    }
    SelectRows();
    if (const int64_t refused = AssignGroups(extra_bytes)) return Flow::NeedMemory(refused);
    ARROW_RETURN_NOT_OK(merged_->MergeRows(states, groups_, contexts_));
    next_row_ += count;
    if (next_row_ == source_groups_.size()) {
      pieces_.stores.pop_back();
      next_row_ = 0;
    }
    return Flow::MoreOutput();
  }

  Result<Flow> MergeSection() {
    if (section_ == nullptr) {
      const SpilledGroups& spilled = part_.spilled[next_section_];
      ARROW_ASSIGN_OR_RAISE(section_, spilled.file->Read(spilled.section));
      ARROW_RETURN_NOT_OK(EncodeSpilledKeys(*terms_, *section_, context().pool, &keys_));
      SelectRows();
    }
    const int64_t extra_bytes =
        terms_->has_extra() ? Batch::FromRecordBatch(*section_).num_bytes() : 0;
    if (const int64_t refused = AssignGroups(extra_bytes)) return Flow::NeedMemory(refused);
    ARROW_RETURN_NOT_OK(merged_->MergeSpilled(*section_, rows_, groups_, contexts_));
    section_ = nullptr;
    part_.spilled[next_section_++].file.reset();
    return Flow::MoreOutput();
  }

  // Rows of keys_ that belong to this part.
  void SelectRows() {
    rows_.clear();
    for (size_t row = 0; row < keys_.hashes.size(); ++row) {
      if (part_.Has(keys_.hashes[row])) rows_.push_back(static_cast<uint32_t>(row));
    }
  }

  // Groups of merged_ for rows_ of keys_; 0, or the bytes that were not granted.
  int64_t AssignGroups(int64_t extra_bytes) {
    const auto count = static_cast<int64_t>(rows_.size());
    groups_.resize(rows_.size());
    const int64_t missing = merged_->table().Find(keys_, rows_.data(), count, groups_.data());
    int64_t key_bytes = 0;
    for (size_t i = 0; i < rows_.size() && !keys_.is_fixed; ++i) {
      const bool is_missing = groups_[i] == GroupTable::kNoGroup;
      if (is_missing) key_bytes += static_cast<int64_t>(keys_.Bytes(rows_[i]).size());
    }
    if (const int64_t refused = merged_->TryReserve(missing, key_bytes, extra_bytes)) {
      return refused;
    }
    for (size_t i = 0; i < rows_.size() && missing > 0; ++i) {
      if (groups_[i] == GroupTable::kNoGroup) merged_->Insert(keys_, &rows_[i], 1, &groups_[i]);
    }
    return 0;
  }

  // A key group makes batches of about one size; where it has few groups, several make one batch.
  Result<Flow> Emit(Out& out) {
    if (next_row_ < order_.size()) {
      const int64_t mean_bytes = merged_->bytes() / merged_->num_groups() + 1;
      const int64_t rows_max =
          std::clamp<int64_t>(context().batch_bytes / mean_bytes, 1, context().batch_rows);
      const auto rows_left = static_cast<int64_t>(order_.size() - next_row_);
      const int64_t batches_left = (rows_left + rows_max - 1) / rows_max;
      const int64_t count = (rows_left + batches_left - 1) / batches_left;
      if (held_rows_ > 0 && held_rows_ + count > rows_max) return EmitHeld(out);
      const auto groups = std::span(order_).subspan(next_row_, static_cast<size_t>(count));
      ARROW_ASSIGN_OR_RAISE(auto columns, merged_->Results(groups, context().pool, contexts_));
      ARROW_RETURN_NOT_OK(AppendFirst(*terms_, StatesOf(groups), context().pool, &columns));
      held_.emplace_back(std::move(columns), count);
      held_rows_ += count;
      next_row_ += static_cast<size_t>(count);
      return held_rows_ * kHeldFraction >= rows_max ? EmitHeld(out) : Flow::MoreOutput();
    }
    order_ = {};
    return NextPart();
  }

  Flow NextPart() {
    row_groups_.reset();
    merged_.reset();
    if (!waiting_.empty()) {
      part_ = std::move(waiting_.back());
      waiting_.pop_back();
      StartPart();
      return Flow::MoreOutput();
    }
    part_ = {};
    if (has_rows_) global_->DropRows(key_group_);
    ++key_group_;
    stage_ = Stage::kTake;
    return Flow::MoreOutput();
  }

  Result<Flow> EmitRowGroups(Out& out) {
    if (row_groups_->at_end()) return NextPart();
    if (const int64_t refused = row_groups_->Settle()) return Flow::NeedMemory(refused);
    ARROW_ASSIGN_OR_RAISE(std::optional<Batch> groups, row_groups_->Next(contexts_));
    if (!groups.has_value()) return Flow::MoreOutput();
    if (held_rows_ > 0 && held_rows_ + groups->num_rows() > context().batch_rows) {
      ARROW_RETURN_NOT_OK(EmitHeld(out).status());
    }
    held_rows_ += groups->num_rows();
    held_.push_back(*std::move(groups));
    const bool are_many =
        held_rows_ * kHeldFraction >= GroupsAtOnce() ||
        held_.back().num_bytes() * held_rows_ / held_.back().num_rows() * kHeldFraction >=
            BytesAtOnce();
    return are_many && out.empty() ? EmitHeld(out) : Flow::MoreOutput();
  }

  Result<Flow> EmitHeld(Out& out) {
    ARROW_ASSIGN_OR_RAISE(Batch batch, ConcatenateBatches(held_, context().pool));
    held_.clear();
    held_rows_ = 0;
    out.Emit(std::move(batch));
    return Flow::MoreOutput();
  }

  std::vector<std::byte*> StatesOf(std::span<const uint32_t> groups) const {
    std::vector<std::byte*> states;
    for (uint32_t group : groups) states.push_back(merged_->Row(group));
    return states;
  }

  const HashAggregateOutputSpec spec_;
  const std::shared_ptr<HashAggregateGlobal> global_;
  RowForm form_;
  AggregateTermsPtr terms_;  // over kept rows
  std::vector<KernelContext> contexts_;

  Stage stage_ = Stage::kPart;
  int key_group_ = 0;
  int last_key_group_ = 0;
  KeyGroupPieces pieces_;          // in memory
  HashPart part_;                  // in work
  std::vector<HashPart> waiting_;  // the next one last
  std::unique_ptr<GroupStore> merged_;
  bool has_rows_ = false;  // the key group has rows that were kept
  std::unique_ptr<RowGroups> row_groups_;
  KeptSources sources_;           // that are not in row_groups_
  std::optional<Batch> loading_;  // on its way there
  size_t next_row_ = 0;           // of source_groups_ or order_
  size_t next_adopted_ = 0;       // of pieces_.stores
  size_t next_section_ = 0;       // of part_.spilled
  std::shared_ptr<arrow::RecordBatch> section_;
  std::vector<uint32_t> source_groups_;
  EncodedKeys keys_;
  std::vector<uint32_t> rows_;
  std::vector<uint32_t> groups_;
  std::vector<uint32_t> order_;
  std::vector<Batch> held_;  // results that do not make a batch yet
  int64_t held_rows_ = 0;
};

}  // namespace

std::string HashAggregateOutputSpec::Describe() const {
  return DescribeAggregate(*schema, keys, calls);
}

std::unique_ptr<Operator> HashAggregateOutputSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<HashAggregateOutput>(*this, std::move(global));
}

}  // namespace headrace
