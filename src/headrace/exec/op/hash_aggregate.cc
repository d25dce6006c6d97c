// Build side of the hash aggregate: rows go into the lane's groups a slice at a time; when memory
// is wanted the largest key groups are written away.
#include "headrace/exec/op/hash_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/type.h"
#include "headrace/exec/op/aggregate_slice.h"
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
    if (file_ != nullptr) ARROW_RETURN_NOT_OK(file_->Seal());
    return Flow::NeedInput();
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
    int64_t freed = 0;
    for (int group; freed < wanted && (group = groups_->LargestKeyGroup()) >= 0;) {
      const auto store = groups_->TakeStore(group);
      if (store->num_groups() > 0) ARROW_RETURN_NOT_OK(Spill(*store, group));
      freed += store->reserved_bytes();
    }
    return freed;
  }

 private:
  Status Spill(const GroupStore& store, int key_group) {
    if (file_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(file_, SpillFile::Make(context(), "aggregate"));
    }
    return SpillGroups(store, store.Groups(), key_group, context().pool, *file_);
  }

  Status Prepare(const Batch& batch) {
    PendingRows rows;
    ARROW_ASSIGN_OR_RAISE(rows.batch, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows.arguments, terms_->ArgumentsOf(rows.batch, context().pool));
    if (!spec_.keys.empty()) {
      rows.keys = std::move(spare_keys_);
      ARROW_RETURN_NOT_OK(terms_->encoder().Encode(rows.batch, context().pool, &rows.keys));
    }
    rows_ = std::move(rows);
    return Status::OK();
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
    while (true) {
      if (const int64_t refused = groups_->Settle()) return Flow::NeedMemory(refused);
      const int64_t begin = rows_->next;
      const int64_t end = std::min(rows_->batch.num_rows(), begin + slicer_->rows());
      if (begin == end) break;
      const AggregateSlice slice(*terms_, rows_->arguments, begin, end);
      if (const int64_t refused = groups_->Assign(rows_->keys, begin, end, slice.extra_bytes())) {
        slicer_->Refused();
        return Flow::NeedMemory(refused);
      }
      ARROW_RETURN_NOT_OK(slice.Add(contexts_, groups_->states(), rows_->batch.PositionOf(begin)));
      slicer_->Granted();
      rows_->next = end;
      groups_->CountAndSettle();
    }
    spare_keys_ = std::move(rows_->keys);
    rows_.reset();
    return Flow::NeedInput();
  }

  const HashAggregateBuildSpec spec_;
  AggregateTermsPtr terms_;
  std::vector<KernelContext> contexts_;
  std::optional<KeyedGroups> groups_;
  std::optional<StateRow> total_;
  std::optional<AggregateSlicer> slicer_;
  std::optional<PendingRows> rows_;
  EncodedKeys spare_keys_;  // memory to use again
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
