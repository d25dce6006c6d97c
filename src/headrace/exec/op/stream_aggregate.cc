// One lane of a stream aggregate. A batch is cleaned of late rows, its groups are looked up, rows
// are added or taken back, and the updates to be seen go to an outbox that leaves in pieces.
#include "headrace/exec/op/stream_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/aggregate_slice.h"
#include "headrace/exec/op/keyed_groups.h"
#include "headrace/exec/op/stream_rows.h"
#include "headrace/exec/op/stream_window.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using GroupRef = KeyedGroups::GroupRef;

Result<AggregateTermsPtr> TermsOf(const StreamAggregateSpec& spec) {
  const GroupFields fields{.rows = true, .deadline = spec.window.has_value()};
  return AggregateTerms::Make(spec.schema, spec.keys, spec.calls, fields,
                              spec.change_mode == ChangeMode::kRetract);
}

Result<std::optional<StreamWindow>> WindowOf(const StreamAggregateSpec& spec) {
  if (!spec.window.has_value()) return std::optional<StreamWindow>();
  ARROW_ASSIGN_OR_RAISE(StreamWindow window,
                        StreamWindow::Make(*spec.schema, spec.keys, *spec.window));
  return std::optional<StreamWindow>(window);
}

const SchemaPtr& WatermarkSchema() {
  static const auto* schema =
      new SchemaPtr(arrow::schema({arrow::field("watermark", arrow::int64(), /*nullable=*/false)}));
  return *schema;
}

class StreamAggregate final : public Operator {
 public:
  explicit StreamAggregate(const StreamAggregateSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_RETURN_NOT_OK(spec_.Check());
    ARROW_ASSIGN_OR_RAISE(terms_, TermsOf(spec_));
    ARROW_ASSIGN_OR_RAISE(window_, WindowOf(spec_));
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

  Result<Flow> Advance(int, Watermark watermark, Out& out) override {
    if (!window_.has_value()) return Flow::NeedInput();
    if (closing_.empty() && window_->watermark() < watermark.micros) {
      window_->Advance(watermark);
      FindClosed();
    }
    if (!closing_.empty()) return EmitClosing(out);
    const Watermark promise = window_->Promise();
    if (promise.micros != Watermark::kNone) out.EmitWatermark(promise);
    return Flow::NeedInput();
  }

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
    return window_.has_value() ? SaveWatermark(writer) : Status::OK();
  }

  Status Load(StateReader& reader) override {
    const auto [first, last] = KeyGroupsOfLane(context().lane, context().lanes);
    for (const StateSection& section : reader.sections()) {
      const bool is_owned = section.key_group >= first && section.key_group < last;
      if (!is_owned && section.key_group != kWatermarkKeyGroup) continue;
      ARROW_ASSIGN_OR_RAISE(auto batch, reader.Read(section));
      if (batch->schema()->Equals(*WatermarkSchema())) {
        ARROW_RETURN_NOT_OK(LoadWatermark(*batch));
      } else if (is_owned) {
        ARROW_RETURN_NOT_OK(LoadGroups(section.key_group, *batch));
      }
    }
    return Status::OK();
  }

 private:
  // Every lane writes its watermark there, and every lane reads it from there.
  static constexpr int kWatermarkKeyGroup = 0;

  // -- Rows in --

  Status Prepare(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(
        rows_, StreamRows::Make(batch, *terms_, window_ ? &*window_ : nullptr, context().pool));
    if (context().metrics != nullptr) {
      context().metrics->late_rows.fetch_add(rows_->late_rows, std::memory_order_relaxed);
    }
    return Status::OK();
  }

  // Puts the rows in; 0, or the bytes that were not granted when nothing was touched.
  Result<int64_t> Apply() {
    const int64_t count = rows_->keys.num_rows;
    const AggregateSlice all(*terms_, rows_->arguments, 0, count);
    if (const int64_t refused = groups_->Assign(rows_->keys, 0, count, all.extra_bytes())) {
      return refused;
    }
    KeepDeadlines(rows_->deadlines);
    const bool sees_changes = spec_.emit == EmitPolicy::kChanges;
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

  // The groups of the rows assigned last, each once, in order.
  std::vector<GroupRef> Touched() const {
    std::vector<GroupRef> touched = groups_->groups();
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    return touched;
  }

  void KeepDeadlines(const std::vector<int64_t>& deadlines) {
    for (size_t row = 0; row < deadlines.size(); ++row) {
      terms_->DeadlineOf(groups_->states()[row]) = deadlines[row];
      earliest_deadline_ = std::min(earliest_deadline_, deadlines[row]);
    }
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

  // Fills closing_ with the groups whose windows are closed, the earliest last.
  void FindClosed() {
    if (!window_->IsClosed(earliest_deadline_)) return;
    earliest_deadline_ = StreamWindow::kNever;
    std::vector<std::pair<int64_t, GroupRef>> closed;
    for (const GroupRef& ref : AllGroups()) {
      const int64_t deadline = terms_->DeadlineOf(groups_->Row(ref));
      if (window_->IsClosed(deadline)) {
        closed.emplace_back(deadline, ref);
      } else {
        earliest_deadline_ = std::min(earliest_deadline_, deadline);
      }
    }
    std::sort(closed.rbegin(), closed.rend());
    for (const auto& [deadline, ref] : closed) closing_.push_back(ref);
  }

  // Emits and drops some groups off the end of closing_. Changes were shown as they came.
  Result<Flow> EmitClosing(Out& out) {
    const size_t count =
        std::min(closing_.size(), static_cast<size_t>(std::max<int64_t>(context().batch_rows, 1)));
    std::vector<GroupRef> some(closing_.rbegin(),
                               closing_.rbegin() + static_cast<std::ptrdiff_t>(count));
    closing_.resize(closing_.size() - count);
    if (spec_.emit == EmitPolicy::kAtEnd) {
      total_shown_ = true;
      const std::vector<GroupRef> shown = Shown(some);
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

  Status SaveWatermark(StateWriter& writer) const {
    arrow::Int64Builder builder(context().pool);
    ARROW_RETURN_NOT_OK(builder.Append(window_->watermark()));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr watermark, builder.Finish());
    return writer.Write(kWatermarkKeyGroup,
                        *arrow::RecordBatch::Make(WatermarkSchema(), 1, {watermark}));
  }

  // Lanes were quiescent: their watermarks are the same, except those that no row ever came to.
  Status LoadWatermark(const arrow::RecordBatch& batch) {
    const auto& watermarks = static_cast<const arrow::Int64Array&>(*batch.column(0));
    if (!window_.has_value() || watermarks.length() != 1 || watermarks.null_count() > 0) {
      return Error(ErrorKind::kBadData, "the saved watermark is not one of this aggregation");
    }
    window_->Advance({watermarks.Value(0)});
    return Status::OK();
  }

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
    if (window_.has_value()) {
      KeepDeadlines(window_->DeadlinesOf(*batch.column(spec_.window->key)));
    }
    return Status::OK();
  }

  const StreamAggregateSpec spec_;
  AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  std::optional<KeyedGroups> groups_;
  std::optional<StreamWindow> window_;
  int64_t earliest_deadline_ = StreamWindow::kNever;

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
  if (window.has_value()) text += fmt::format(", window={}us", window->size_micros);
  return text;
}

Status StreamAggregateSpec::Check() const {
  if (change_mode == ChangeMode::kUpsert) {
    return Error(ErrorKind::kUnsupported,
                 "a stream aggregate takes rows that are added or taken back, got upserts");
  }
  ARROW_RETURN_NOT_OK(WindowOf(*this).status());
  return TermsOf(*this).status();
}

std::unique_ptr<Operator> StreamAggregateSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<StreamAggregate>(*this);
}

}  // namespace headrace
