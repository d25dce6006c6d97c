// Build side of the hash aggregate: rows go into the lane's front groups a slice at a time, and
// past them into those of key groups once they are many; when memory is wanted the largest key
// groups are written away.
#include "headrace/exec/op/hash_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate_slice.h"
#include "headrace/exec/op/dictionary_keys.h"
#include "headrace/exec/op/front_groups.h"
#include "headrace/exec/op/hash_aggregate_state.h"
#include "headrace/exec/op/keyed_groups.h"

namespace headrace {
namespace {

constexpr int64_t kReclaimBytesMax = int64_t{8} << 20;

GroupFields FieldsFor(GroupOrder order) {
  return {.first = order == GroupOrder::kFirstAppearance, .rows = false};
}

// A batch on its way into the groups.
struct PendingRows {
  Batch batch;  // compacted
  EncodedKeys keys;
  std::vector<uint32_t> codes;  // per row its number among the keys; empty: every row has its own
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
    groups_.emplace(terms_, context.budget);
    if (!spec_.keys.empty()) front_ = std::make_unique<FrontGroups>(terms_, context.budget);
    total_.emplace(*terms_);
    slicer_.emplace(*terms_, *context.budget);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    if (!rows_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
    if (spec_.keys.empty()) {
      ARROW_RETURN_NOT_OK(AddToTotal());
      rows_.reset();
      return Flow::NeedInput();
    }
    return AddToGroups();
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
    ARROW_ASSIGN_OR_RAISE(int64_t freed, SpillFront());
    for (int group; freed < wanted && (group = groups_->LargestKeyGroup()) >= 0;) {
      const auto store = groups_->TakeStore(group);
      if (store->num_groups() > 0) ARROW_RETURN_NOT_OK(Spill(*store, store->Groups(), group));
      freed += store->reserved_bytes();
    }
    return freed;
  }

 private:
  Status Spill(const GroupStore& store, std::span<const uint32_t> groups, int key_group) {
    if (file_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(context(), "aggregate"));
    }
    return SpillGroups(store, groups, key_group, context().pool, *file_);
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
    if (!spec_.keys.empty()) {
      rows.keys = std::move(spare_keys_);
      ARROW_ASSIGN_OR_RAISE(const bool has_codes, EncodeDictionary(&rows));
      if (!has_codes) {
        ARROW_RETURN_NOT_OK(terms_->encoder().Encode(rows.batch, context().pool, &rows.keys));
      }
    }
    rows_ = std::move(rows);
    return Status::OK();
  }

  // One key that comes with a small dictionary: its values are encoded once.
  Result<bool> EncodeDictionary(PendingRows* rows) {
    if (front_ == nullptr || spec_.keys.size() != 1) return false;
    const arrow::Array& key = *rows->batch.column(spec_.keys[0]);
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, SmallDictionary(key, context().pool));
    if (values == nullptr) return false;
    const int64_t count = values->length();
    ARROW_RETURN_NOT_OK(
        terms_->encoder().EncodeColumns({std::move(values)}, count, context().pool, &rows->keys));
    CodesOf(key, &rows->codes);
    return true;
  }

  // Only the front takes codes.
  Status ExpandCodes() {
    if (front_ != nullptr || rows_->codes.empty()) return Status::OK();
    rows_->codes.clear();
    return terms_->encoder().Encode(rows_->batch, context().pool, &rows_->keys);
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
        ARROW_ASSIGN_OR_RAISE(const Flow flow, PassOn());
        if (flow != Flow::NeedInput()) return flow;
        const bool again = front_->IsWorthIt();
        front_.reset();
        if (again) front_ = std::make_unique<FrontGroups>(terms_, context().budget);
      }
      ARROW_RETURN_NOT_OK(ExpandCodes());
      ARROW_ASSIGN_OR_RAISE(const int64_t refused,
                            front_ != nullptr ? AddSlice(*front_) : AddSlice(*groups_));
      if (refused > 0) return Flow::NeedMemory(refused);
    }
    const int64_t refused = front_ != nullptr ? front_->Settle() : groups_->Settle();
    if (refused > 0) return Flow::NeedMemory(refused);
    spare_keys_ = std::move(rows_->keys);
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
    if (const int64_t refused = AssignSlice(groups, begin, end, slice.extra_bytes())) {
      slicer_->Refused();
      return refused;
    }
    ARROW_RETURN_NOT_OK(slice.Add(contexts_, groups.states(), rows_->batch.PositionOf(begin)));
    slicer_->Granted();
    rows_->next = end;
    groups.CountAndSettle();
    return 0;
  }

  int64_t AssignSlice(KeyedGroups& groups, int64_t begin, int64_t end, int64_t extra_bytes) {
    return groups.Assign(rows_->keys, begin, end, extra_bytes);
  }
  int64_t AssignSlice(FrontGroups& groups, int64_t begin, int64_t end, int64_t extra_bytes) {
    if (rows_->codes.empty()) return groups.Assign(rows_->keys, begin, end, extra_bytes);
    const auto codes = std::span<const uint32_t>(rows_->codes)
                           .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    return groups.AssignCodes(rows_->keys, codes, extra_bytes);
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
    return Flow::MoreOutput();
  }

  const HashAggregateBuildSpec spec_;
  AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  std::unique_ptr<FrontGroups> front_;  // null: rows go into groups_
  std::optional<KeyedGroups> groups_;
  std::optional<StateRow> total_;
  std::optional<AggregateSlicer> slicer_;
  std::optional<PendingRows> rows_;
  EncodedKeys spare_keys_;  // memory to use again
  EncodedKeys front_keys_;
  std::shared_ptr<SpillFile> file_;
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
