// One lane of a stream aggregate. The groups of a batch are looked up, rows are added or taken
// back, and the updates to be seen go to an outbox that leaves in pieces.
#include "headrace/exec/op/stream/stream_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate/aggregate_slice.h"
#include "headrace/exec/op/aggregate/keyed_groups.h"
#include "headrace/exec/op/stream/stream_rows.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using GroupRef = KeyedGroups::GroupRef;

Result<AggregateTermsPtr> TermsOf(const StreamAggregateSpec& spec) {
  return AggregateTerms::Make(spec.schema, spec.keys, spec.calls, GroupFields{.rows = true},
                              spec.change_mode == ChangeMode::kRetract);
}

class StreamAggregate final : public Operator {
 public:
  explicit StreamAggregate(const StreamAggregateSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_RETURN_NOT_OK(spec_.Check());
    ARROW_ASSIGN_OR_RAISE(terms_, TermsOf(spec_));
    contexts_ = terms_->ContextsOf(context.pool);
    groups_.emplace(terms_, context.budget);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!is_applied_) {
      if (!rows_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, Apply());
      if (refused > 0) return Flow::NeedMemory(refused);
      rows_.reset();
      is_applied_ = true;
    }
    // What states grew by is known only now.
    if (const int64_t refused = groups_->Settle()) return Flow::NeedMemory(refused);
    if (EmitFromOutbox(out)) return Flow::MoreOutput();
    is_applied_ = false;
    return Flow::NeedInput();
  }

  Result<Flow> Advance(int, Watermark, Out&) override { return Flow::NeedInput(); }

  Result<Flow> Finish(int, Out& out) override {
    if (!is_finishing_) {
      ARROW_ASSIGN_OR_RAISE(const int64_t refused, AddMissingTotal());
      if (refused > 0) return Flow::NeedMemory(refused);
      is_finishing_ = true;
      if (spec_.emit == EmitPolicy::kAtEnd) closing_ = AllGroups();
    }
    if (!closing_.empty()) return EmitClosing(out);
    return EmitFromOutbox(out) ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Status Save(StateWriter& writer) override {
    for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
      const GroupStore* store = groups_->store(key_group);
      if (store == nullptr) continue;
      ARROW_RETURN_NOT_OK(store->Save(
          store->Groups(), context().pool,
          [&](const arrow::RecordBatch& batch) { return writer.Write(key_group, batch); }));
    }
    return Status::OK();
  }

  Status Load(StateReader& reader) override {
    const auto [first, last] = KeyGroupsOfLane(context().lane, context().lanes);
    for (const StateSection& section : reader.sections()) {
      if (section.key_group < first || section.key_group >= last) continue;
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader.Read(section));
      ARROW_RETURN_NOT_OK(LoadGroups(section.key_group, *batch));
    }
    return Status::OK();
  }

 private:
  // -- Rows in --

  Status Prepare(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows_, StreamRows::Make(rows, *terms_, context().pool));
    return Status::OK();
  }

  // Puts the rows in; 0, or the bytes that were not granted when nothing was touched.
  Result<int64_t> Apply() {
    const int64_t count = rows_->keys.num_rows;
    const AggregateSlice all(*terms_, rows_->arguments, 0, count);
    if (const int64_t refused = groups_->Assign(rows_->keys, 0, count, all.extra_bytes())) {
      return refused;
    }
    const bool sees_changes = spec_.emit == EmitPolicy::kChanges;
    if (sees_changes && spec_.only_appears()) return ApplyFirsts();
    std::vector<GroupRef> touched;
    if (sees_changes || !rows_->removed.empty()) touched = Touched();
    GroupUpdates updates;
    if (sees_changes) {
      ARROW_RETURN_NOT_OK(updates.KeepOld(*groups_, Shown(touched), context().pool, contexts_));
    }
    ARROW_RETURN_NOT_OK(rows_->AddAndRemove(*terms_, groups_->states(), contexts_, context().pool));
    groups_->CountAndSettle();  // Push settles what is refused here
    if (sees_changes) {
      total_shown_ = true;
      ARROW_ASSIGN_OR_RAISE(outbox_,
                            updates.WithNew(*groups_, Shown(touched), context().pool, contexts_));
    }
    DropVanished(touched);
    return 0;
  }

  // Without calls a group is given once, when it has its first row.
  Result<int64_t> ApplyFirsts() {
    std::vector<GroupRef> firsts;
    for (const GroupRef& ref : Touched()) {
      if (terms_->RowsOf(groups_->Row(ref)) == 0) firsts.push_back(ref);
    }
    ARROW_RETURN_NOT_OK(rows_->AddAndRemove(*terms_, groups_->states(), contexts_, context().pool));
    groups_->CountAndSettle();  // Push settles what is refused here
    if (firsts.empty()) return 0;
    ARROW_ASSIGN_OR_RAISE(auto columns, groups_->Results(firsts, context().pool, contexts_));
    outbox_ = Batch(std::move(columns), static_cast<int64_t>(firsts.size()));
    return 0;
  }

  // The groups of the rows assigned last, each once, in order.
  std::vector<GroupRef> Touched() const {
    std::vector<GroupRef> touched = groups_->groups();
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    return touched;
  }

  // Groups that have a row in the output: the total always, once it was shown.
  std::vector<GroupRef> Shown(const std::vector<GroupRef>& groups) const {
    std::vector<GroupRef> shown;
    for (const GroupRef& ref : groups) {
      const bool has_row =
          spec_.keys.empty() ? total_shown_ : terms_->RowsOf(groups_->Row(ref)) > 0;
      if (has_row) shown.push_back(ref);
    }
    return shown;
  }

  // A group that is owed rows – they were taken back before they came – stays.
  void DropVanished(const std::vector<GroupRef>& touched) {
    std::vector<GroupRef> vanished;
    for (const GroupRef& ref : touched) {
      const bool is_empty = terms_->RowsOf(groups_->Row(ref)) == 0;
      if (is_empty && !spec_.keys.empty()) vanished.push_back(ref);
    }
    if (!vanished.empty()) groups_->Erase(vanished);
  }

  // -- Rows out --

  bool EmitFromOutbox(Out& out) {
    if (outbox_.num_rows() == 0) return false;
    const int64_t count = std::min(outbox_.num_rows(), context().batch_rows);
    out.Emit(outbox_.Slice(0, count));
    outbox_ =
        count == outbox_.num_rows() ? Batch() : outbox_.Slice(count, outbox_.num_rows() - count);
    return true;
  }

  std::vector<GroupRef> AllGroups() const {
    std::vector<GroupRef> all;
    for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
      const GroupStore* store = groups_->store(key_group);
      if (store == nullptr) continue;
      for (uint32_t group : store->Groups()) all.push_back({key_group, group});
    }
    return all;
  }

  // Emits and drops some groups off the end of closing_.
  Result<Flow> EmitClosing(Out& out) {
    const size_t count =
        std::min(closing_.size(), static_cast<size_t>(std::max<int64_t>(context().batch_rows, 1)));
    std::vector<GroupRef> some(closing_.rbegin(),
                               closing_.rbegin() + static_cast<std::ptrdiff_t>(count));
    closing_.resize(closing_.size() - count);
    total_shown_ = true;
    const std::vector<GroupRef> shown = Shown(some);
    if (!shown.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto columns, groups_->Results(shown, context().pool, contexts_));
      out.Emit(Batch(std::move(columns), static_cast<int64_t>(shown.size())));
    }
    groups_->Erase(some);
    return Flow::MoreOutput();
  }

  // Without keys there is one row, also of no input: its owner makes the group that never came.
  Result<int64_t> AddMissingTotal() {
    if (!spec_.keys.empty() || groups_->num_groups() > 0 || total_shown_) return 0;
    EncodedKeys key;
    ARROW_RETURN_NOT_OK(terms_->encoder().EncodeColumns({}, 1, context().pool, &key));
    if (LaneOfKeyGroup(KeyGroupOf(key.hashes[0]), context().lanes) != context().lane) return 0;
    if (const int64_t refused = groups_->Assign(key, 0, 1, 0)) return refused;
    if (spec_.emit == EmitPolicy::kAtEnd) return 0;
    total_shown_ = true;
    ARROW_ASSIGN_OR_RAISE(
        outbox_, GroupUpdates().WithNew(*groups_, groups_->groups(), context().pool, contexts_));
    return 0;
  }

  // -- State --

  Status LoadGroups(int key_group, const arrow::RecordBatch& batch) {
    EncodedKeys keys;
    ARROW_RETURN_NOT_OK(EncodeSavedKeys(*terms_, batch, context().pool, &keys));
    std::vector<uint32_t> rows;
    for (uint64_t hash : keys.hashes) {
      if (KeyGroupOf(hash) != key_group) {
        return Error(ErrorKind::kBadData, "a saved group of key group {} is under key group {}",
                     KeyGroupOf(hash), key_group);
      }
      rows.push_back(static_cast<uint32_t>(rows.size()));
    }
    const int64_t extra_bytes = terms_->has_extra() ? Batch::FromRecordBatch(batch).num_bytes() : 0;
    int64_t refused = groups_->Assign(keys, 0, keys.num_rows, extra_bytes);
    if (refused > 0) return context().budget->OverLimit(refused);
    ARROW_RETURN_NOT_OK(MergeSavedStates(*terms_, batch, rows, groups_->states(), contexts_));
    refused = groups_->CountAndSettle();
    if (refused > 0) return context().budget->OverLimit(refused);
    total_shown_ = spec_.keys.empty() && spec_.emit == EmitPolicy::kChanges;
    return Status::OK();
  }

  const StreamAggregateSpec spec_;
  AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  std::optional<KeyedGroups> groups_;

  std::optional<StreamRows> rows_;  // of the batch that is pushed, until they are applied
  bool is_applied_ = false;
  Batch outbox_;
  std::vector<GroupRef> closing_;  // taken from the end
  bool is_finishing_ = false;
  bool total_shown_ = false;  // without keys: the one row was emitted
};

}  // namespace

std::string StreamAggregateSpec::Describe() const {
  std::string text = DescribeAggregate(*schema, keys, calls);
  text += emit == EmitPolicy::kAtEnd ? ", emit=at_end" : ", emit=changes";
  return text;
}

Status StreamAggregateSpec::Check() const {
  if (change_mode == ChangeMode::kUpsert) {
    return Error(ErrorKind::kUnsupported,
                 "a stream aggregate takes rows that are added or taken back, got upserts");
  }
  return TermsOf(*this).status();
}

std::unique_ptr<Operator> StreamAggregateSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<StreamAggregate>(*this);
}

}  // namespace headrace
