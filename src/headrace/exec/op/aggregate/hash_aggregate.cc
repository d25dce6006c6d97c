// Build side of the hash aggregate: rows go into the lane's front groups a slice at a time, and
// past them into those of key groups once they are many, or are kept as they came while nearly each
// has a new key; when memory is wanted rows, and the largest key groups, are written away.
#include "headrace/exec/op/aggregate/hash_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array/array_primitive.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate/aggregate_slice.h"
#include "headrace/exec/op/aggregate/front_groups.h"
#include "headrace/exec/op/aggregate/hash_aggregate_state.h"
#include "headrace/exec/op/aggregate/kept_rows.h"
#include "headrace/exec/op/aggregate/keyed_groups.h"
#include "headrace/types/key/key_codes.h"

namespace headrace {
namespace {

constexpr int64_t kReclaimBytesMax = int64_t{8} << 20;
constexpr int64_t kRowsReclaimedMax = int64_t{64} << 20;
// Where rows took at most so many times the memory of their groups, rows are kept instead.
constexpr double kRowBytesPerGroupByte = 2;
// Fewer rows per code are not worth coding them.
constexpr int64_t kRowsPerCodeMin = 4;
constexpr int kUncodedBatchesMax = 8;

GroupFields FieldsFor(GroupOrder order) {
  return {.first = order == GroupOrder::kFirstAppearance, .rows = false};
}

// A batch on its way into the groups.
struct PendingRows {
  Batch batch;       // compacted
  KeyCodes codes;    // empty: every row has its key
  EncodedKeys keys;  // of rows, or of codes
  std::vector<std::vector<Argument>> arguments;
  int64_t next = 0;
};

class HashAggregateBuild final : public Operator {
 public:
  explicit HashAggregateBuild(const HashAggregateBuildSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(terms_, AggregateTerms::Make(spec_.schema, spec_.keys, spec_.calls,
                                                       FieldsFor(spec_.order), /*removes=*/false));
    contexts_ = terms_->ContextsOf(context.pool);
    ARROW_ASSIGN_OR_RAISE(
        form_, RowForm::Make(spec_.schema, spec_.keys, spec_.calls, FieldsFor(spec_.order)));
    groups_.emplace(terms_, context.budget);
    if (!spec_.keys.empty()) front_ = std::make_unique<FrontGroups>(terms_, context.budget);
    total_.emplace(*terms_);
    slicer_.emplace(*terms_, *context.budget);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    const bool keeps = !rows_.has_value() && KeepsRows();
    if (!keeps && !rows_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
    if (spec_.keys.empty()) {
      ARROW_RETURN_NOT_OK(AddToTotal());
      rows_.reset();
      return Flow::NeedInput();
    }
    ARROW_ASSIGN_OR_RAISE(const Flow flow, keeps ? KeepRows(batch) : AddToGroups());
    if (flow == Flow::NeedInput()) ARROW_RETURN_NOT_OK(KeepToGroupsMax());
    return flow;
  }

  Result<Flow> Finish(int, Out&) override {
    if (front_ == nullptr) return Flow::NeedInput();
    ARROW_ASSIGN_OR_RAISE(const Flow flow, PassOn());
    if (flow == Flow::NeedInput()) front_.reset();
    return flow;
  }

  Status Combine(GlobalState& state) override {
    auto& global = static_cast<HashAggregateGlobal&>(state);
    global.KeepContext(context());
    if (spec_.keys.empty()) return global.MergeTotal(terms_, total_->get(), context().pool);
    if (file_ != nullptr) {
      ARROW_RETURN_NOT_OK(file_->Seal());
      global.Absorb(std::move(file_));
    }
    ARROW_RETURN_NOT_OK(HandRowsOver(global));
    for (int group = 0; group < kKeyGroups; ++group) {
      auto store = groups_->TakeStore(group);
      if (store != nullptr) global.Absorb(group, std::move(store));
    }
    return Status::OK();
  }

  // Frees a good part at once, so that spilled sections are worth their headers.
  Result<int64_t> Reclaim(int64_t bytes) override {
    const int64_t quarter = groups_->reserved_bytes() / 4;
    const int64_t wanted = std::max(bytes, std::min(quarter, kReclaimBytesMax));
    JudgeGroups();
    const int64_t before = BytesOfGroups();
    ARROW_ASSIGN_OR_RAISE(int64_t freed, SpillFront());
    if (kept_.has_value() && freed < wanted) {
      ARROW_ASSIGN_OR_RAISE(const int64_t freed_rows, SpillKept(wanted - freed));
      freed += freed_rows;
    }
    for (int group; freed < wanted && (group = groups_->LargestKeyGroup()) >= 0;) {
      const auto store = groups_->TakeStore(group);
      if (store->num_groups() > 0) ARROW_RETURN_NOT_OK(Spill(*store, store->Groups(), group));
      freed += store->reserved_bytes();
    }
    if (before > 0)
      row_bytes_ *= static_cast<double>(BytesOfGroups()) / static_cast<double>(before);
    return freed;
  }

 private:
  Status Spill(const GroupStore& store, std::span<const uint32_t> groups, int key_group) {
    if (file_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(context(), "aggregate"));
    }
    return SpillGroups(store, groups, key_group, context().pool, *file_);
  }

  // Those past the most that may be there go as if memory were short. Rows that are kept count as
  // groups.
  Status KeepToGroupsMax() {
    if (spec_.groups_max == MemoryBudget::kUnlimited) return Status::OK();
    for (int64_t freed = 1; freed > 0 && NumGroups() > spec_.groups_max / context().lanes;) {
      ARROW_ASSIGN_OR_RAISE(freed, Reclaim(1));
    }
    return Status::OK();
  }

  int64_t NumGroups() const {
    return groups_->num_groups() + (front_ == nullptr ? 0 : front_->store().num_groups()) +
           (kept_.has_value() ? kept_->num_rows() : 0);
  }

  bool KeepsRows() const { return kept_.has_value() && (states_grow_ || !kept_->HasRepeats()); }

  Result<Flow> KeepRows(const Batch& batch) {
    if (!keeping_.has_value()) {
      ARROW_ASSIGN_OR_RAISE(const Batch compacted, batch.Compact(context().pool));
      ARROW_ASSIGN_OR_RAISE(keeping_, form_.Read(compacted, context().pool));
      ARROW_RETURN_NOT_OK(form_.terms->encoder().Encode(*keeping_, context().pool, &spare_keys_));
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t refused, kept_->Add(*keeping_, spare_keys_.hashes));
    if (refused > 0) return Flow::NeedMemory(refused);
    keeping_.reset();
    return Flow::NeedInput();
  }

  int64_t BytesOfGroups() const {
    return groups_->reserved_bytes() + (front_ == nullptr ? 0 : front_->store().reserved_bytes());
  }

  // Where groups do not take much less memory than their rows did, rows are kept from here on: they
  // are written and read once. States that own memory will grow with their rows further.
  void JudgeGroups() {
    const bool are_large =
        row_bytes_ <= kRowBytesPerGroupByte * static_cast<double>(BytesOfGroups());
    if (spec_.keys.empty() || !are_large) return;
    states_grow_ = terms_->has_extra();
    if (!kept_.has_value()) kept_.emplace(form_, context());
  }

  Result<int64_t> SpillKept(int64_t bytes) {
    const int64_t quarter = kept_->reserved_bytes() / 4;
    if (quarter == 0) return 0;
    if (row_file_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(row_file_, SpillFile::Make(context(), "aggregate"));
    }
    return kept_->Spill(std::max(bytes, std::min(quarter, kRowsReclaimedMax)), *row_file_);
  }

  Status HandRowsOver(HashAggregateGlobal& global) {
    if (!kept_.has_value()) return Status::OK();
    ARROW_RETURN_NOT_OK(kept_->Divide());
    if (row_file_ != nullptr) ARROW_RETURN_NOT_OK(row_file_->Seal());
    global.AbsorbRows(kept_->Take(), std::move(row_file_), form_.schema);
    return Status::OK();
  }

  // Where memory is short there is no front any more.
  Result<int64_t> SpillFront() {
    if (front_ == nullptr) return 0;
    const auto left = front_->LeftByKeyGroup();
    for (int group = 0; group < kKeyGroups; ++group) {
      const std::vector<uint32_t>& groups = left[static_cast<size_t>(group)];
      if (!groups.empty()) ARROW_RETURN_NOT_OK(Spill(front_->store(), groups, group));
    }
    const int64_t freed = front_->store().reserved_bytes();
    front_.reset();
    return freed;
  }

  Status Prepare(const Batch& batch) {
    PendingRows rows;
    ARROW_ASSIGN_OR_RAISE(rows.batch, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows.arguments, terms_->ArgumentsOf(rows.batch, context().pool));
    if (!spec_.keys.empty()) ARROW_RETURN_NOT_OK(EncodeKeys(rows));
    row_bytes_ += static_cast<double>(form_.BytesOf(rows.batch));
    rows_ = std::move(rows);
    return Status::OK();
  }

  Status EncodeKeys(PendingRows& rows) {
    rows.keys = std::move(spare_keys_);
    rows.codes = std::move(spare_codes_);
    const KeyEncoder& encoder = terms_->encoder();
    if (!HasCodes(rows)) {
      rows.codes.first_rows.clear();
      return encoder.Encode(rows.batch, context().pool, &rows.keys);
    }
    const std::vector<uint32_t>& first_rows = rows.codes.first_rows;
    const auto count = static_cast<int64_t>(first_rows.size());
    const Batch column({rows.batch.column(spec_.keys[0])}, rows.batch.num_rows());
    const arrow::UInt32Array indices(count, arrow::Buffer::Wrap(first_rows));
    ARROW_ASSIGN_OR_RAISE(const Batch firsts, column.Take(indices, context().pool));
    return encoder.EncodeColumns(firsts.columns(), count, context().pool, &rows.keys);
  }

  // Whether the rows have few keys that are cheaply known. Where that was not so several times it
  // is tried no more.
  bool HasCodes(PendingRows& rows) {
    if (spec_.keys.size() != 1 || uncoded_batches_ >= kUncodedBatchesMax) return false;
    const int64_t codes_max = std::min(slicer_->rows(), rows.batch.num_rows()) / kRowsPerCodeMin;
    const bool has = CodeKeys(*rows.batch.column(spec_.keys[0]), codes_max, &rows.codes);
    uncoded_batches_ = has ? 0 : uncoded_batches_ + 1;
    return has;
  }

  Status AddToTotal() {
    std::byte* row = total_->get();
    const RowPosition first = rows_->batch.PositionOf(0);
    for (size_t i = 0; i < contexts_.size(); ++i) {
      const AggregateCall& call = terms_->calls()[i];
      const AggregateRows all{rows_->arguments[i], rows_->batch.num_rows(), first};
      ARROW_RETURN_NOT_OK(call.kernel->add_all(contexts_[i], row + call.offset, all));
    }
    if (terms_->fields().first) terms_->FirstOf(row) = std::min(terms_->FirstOf(row), first);
    return Status::OK();
  }

  Result<Flow> AddToGroups() {
    while (rows_->next < rows_->batch.num_rows()) {
      if (front_ != nullptr && front_->IsFull()) {
        if (!front_->HasRepeats()) groups_->ExpectNewKeys();
        if (!kept_.has_value() && front_->IsAllNew()) {
          kept_.emplace(form_, context());
        }
        ARROW_ASSIGN_OR_RAISE(const Flow flow, PassOn());
        if (flow != Flow::NeedInput()) return flow;
        const bool again = front_->IsWorthIt();
        front_.reset();
        if (again) front_ = std::make_unique<FrontGroups>(terms_, context().budget);
      }
      ARROW_ASSIGN_OR_RAISE(const int64_t refused,
                            front_ != nullptr ? AddSlice(*front_) : AddSlice(*groups_));
      if (refused > 0) return Flow::NeedMemory(refused);
      if (front_ == nullptr) ARROW_RETURN_NOT_OK(groups_->Link(contexts_));
    }
    const int64_t refused = front_ != nullptr ? front_->Settle() : groups_->Settle();
    if (refused > 0) return Flow::NeedMemory(refused);
    spare_keys_ = std::move(rows_->keys);
    spare_codes_ = std::move(rows_->codes);
    rows_.reset();
    return Flow::NeedInput();
  }

  // The next rows into some groups. Gives 0, or the bytes that were not granted.
  template <typename Groups>
  Result<int64_t> AddSlice(Groups& groups) {
    if (const int64_t refused = groups.Settle()) return refused;
    const int64_t begin = rows_->next;
    const int64_t end = std::min(rows_->batch.num_rows(), begin + slicer_->rows());
    const AggregateSlice slice(*terms_, rows_->arguments, begin, end);
    const bool is_coded = !rows_->codes.empty();
    const int64_t refused =
        groups.Assign(rows_->keys, is_coded ? 0 : begin, is_coded ? rows_->keys.num_rows : end,
                      slice.extra_bytes());
    if (refused > 0) {
      slicer_->Refused();
      return refused;
    }
    if (is_coded) Decode(groups.states(), begin, end);
    ARROW_RETURN_NOT_OK(
        slice.Add(contexts_, is_coded ? states_ : groups.states(), rows_->batch.PositionOf(begin)));
    slicer_->Granted();
    rows_->next = end;
    groups.CountAndSettle();
    return 0;
  }

  // The states of rows from those of their codes.
  void Decode(const std::vector<std::byte*>& states, int64_t begin, int64_t end) {
    states_.resize(static_cast<size_t>(end - begin));
    const uint32_t* codes = rows_->codes.codes.data() + begin;
    for (size_t row = 0; row < states_.size(); ++row) states_[row] = states[codes[row]];
  }

  // Some groups of the front go on to their key groups; kNeedInput: all have.
  Result<Flow> PassOn() {
    if (const int64_t refused = groups_->Settle()) return Flow::NeedMemory(refused);
    const std::span<const uint32_t> some = front_->Next(slicer_->rows());
    if (some.empty()) return Flow::NeedInput();
    const auto count = static_cast<int64_t>(some.size());
    const GroupStore& store = front_->store();
    store.table().KeysOf(some.data(), count, &front_keys_);
    int64_t extra_bytes = 0;
    for (size_t i = 0; terms_->has_extra() && i < some.size(); ++i) {
      extra_bytes += terms_->CountedExtraOf(store.Row(some[i]));
    }
    if (const int64_t refused = groups_->Assign(front_keys_, 0, count, extra_bytes)) {
      slicer_->Refused();
      return Flow::NeedMemory(refused);
    }
    for (size_t i = 0; i < some.size(); ++i) {
      ARROW_RETURN_NOT_OK(
          MergeStates(*terms_, groups_->states()[i], store.Row(some[i]), contexts_));
    }
    slicer_->Granted();
    front_->Passed(count);
    groups_->CountAndSettle();
    ARROW_RETURN_NOT_OK(groups_->Link(contexts_));
    return Flow::MoreOutput();
  }

  const HashAggregateBuildSpec spec_;
  AggregateTermsPtr terms_;
  RowForm form_;
  std::vector<KernelContext> contexts_;
  std::unique_ptr<FrontGroups> front_;  // null: rows go into groups_
  std::optional<KeyedGroups> groups_;
  std::optional<StateRow> total_;
  std::optional<AggregateSlicer> slicer_;
  std::optional<PendingRows> rows_;
  EncodedKeys spare_keys_;  // memory to use again
  KeyCodes spare_codes_;
  EncodedKeys front_keys_;
  std::vector<std::byte*> states_;  // of the rows of a slice with codes
  int uncoded_batches_ = 0;         // since one had codes
  std::shared_ptr<SpillFile> file_;
  std::optional<KeptRows> kept_;
  double row_bytes_ = 0;  // of the rows that are in groups
  bool states_grow_ = false;
  std::optional<Batch> keeping_;         // on its way into kept_; its keys are spare_keys_
  std::shared_ptr<SpillFile> row_file_;  // of what was kept
};

}  // namespace

std::string HashAggregateBuildSpec::Describe() const {
  return DescribeAggregate(*schema, keys, calls);
}

Status HashAggregateBuildSpec::Check() const {
  return AggregateTerms::Make(schema, keys, calls, FieldsFor(order), /*removes=*/false).status();
}

std::shared_ptr<GlobalState> HashAggregateBuildSpec::MakeGlobal() const {
  return std::make_shared<HashAggregateGlobal>(!keys.empty());
}

std::unique_ptr<Operator> HashAggregateBuildSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<HashAggregateBuild>(*this);
}

}  // namespace headrace
