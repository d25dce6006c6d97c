// Runs of equal keys are groups; the keys of a group are those of its first row.
#include "headrace/exec/op/aggregate/sorted_aggregate.h"

#include <algorithm>
#include <optional>

#include "arrow/array/array_primitive.h"
#include "arrow/type.h"
#include "headrace/exec/op/aggregate/run_aggregate.h"
#include "headrace/exec/op/run_finder.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Fewer groups than this part of a batch wait for those of the next rows.
constexpr int64_t kHeldGroupsFraction = 4;

class SortedAggregate final : public Operator {
 public:
  explicit SortedAggregate(const SortedAggregateSpec& spec) : spec_(spec) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    ARROW_ASSIGN_OR_RAISE(finder_, RunFinder::Make(*spec_.schema, spec_.keys));
    ARROW_ASSIGN_OR_RAISE(AggregateTermsPtr terms,
                          AggregateTerms::Make(spec_.schema, {}, spec_.calls, {},
                                               /*removes=*/false));
    groups_.emplace(std::move(terms), context.budget, context.pool);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (!pending_.has_value()) ARROW_RETURN_NOT_OK(Prepare(batch));
    const auto runs = static_cast<int64_t>(begins_.size()) - 1;
    if (const int64_t refused = groups_->TryReserve(*pending_, runs)) {
      return Flow::NeedMemory(refused);
    }
    ARROW_RETURN_NOT_OK(AddPending());
    return held_rows_ * kHeldGroupsFraction >= context().batch_rows ? EmitHeld(out)
                                                                    : Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (groups_->has_open()) {
      ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> results, groups_->End());
      Hold({*std::move(open_keys_)}, std::move(results));
    }
    return held_rows_ > 0 ? EmitHeld(out) : Flow::NeedInput();
  }

 private:
  Status Prepare(Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(pending_, batch.Compact(context().pool));
    return finder_.NextRuns(*pending_, context().pool, &goes_on_).Value(&begins_);
  }

  Status AddPending() {
    ARROW_ASSIGN_OR_RAISE(const Batch keys, KeysOfRuns());
    ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> results,
                          groups_->Add(*pending_, begins_, goes_on_));
    const int64_t ended = keys.num_rows() - 1;
    Hold(keys.Slice(0, ended), std::move(results));
    open_keys_ = keys.Slice(ended, 1);
    pending_.reset();
    return Status::OK();
  }

  // Of the open run, and those that begin in the batch.
  Result<Batch> KeysOfRuns() const {
    std::vector<ArrayPtr> columns;
    for (const int key : spec_.keys) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Decode(pending_->column(key), context().pool));
    }
    const Batch rows(std::move(columns), pending_->num_rows());
    const auto* first = begins_.data() + (goes_on_ ? 1 : 0);
    const int64_t count = begins_.data() + begins_.size() - 1 - first;
    if (count == 0) return *open_keys_;
    const arrow::Int64Array indices(count, arrow::Buffer::Wrap(first, static_cast<size_t>(count)));
    ARROW_ASSIGN_OR_RAISE(Batch taken, rows.Take(indices, context().pool));
    if (!open_keys_.has_value()) return taken;
    return ConcatenateBatches({*open_keys_, std::move(taken)}, context().pool);
  }

  void Hold(const Batch& keys, std::vector<ArrayPtr> results) {
    if (keys.num_rows() == 0) return;
    std::vector<ArrayPtr> columns = keys.columns();
    columns.insert(columns.end(), results.begin(), results.end());
    held_.emplace_back(std::move(columns), keys.num_rows());
    held_rows_ += keys.num_rows();
  }

  Result<Flow> EmitHeld(Out& out) {
    ARROW_ASSIGN_OR_RAISE(Batch batch, ConcatenateBatches(held_, context().pool));
    held_.clear();
    held_rows_ = 0;
    out.Emit(std::move(batch));
    return Flow::NeedInput();
  }

  const SortedAggregateSpec spec_;
  RunFinder finder_;
  std::optional<RunAggregate> groups_;
  std::optional<Batch> open_keys_;  // of the open group, one row
  std::vector<Batch> held_;         // groups that do not make a batch yet
  int64_t held_rows_ = 0;
  // The batch that goes in next.
  std::optional<Batch> pending_;
  RunBegins begins_;
  bool goes_on_ = false;
};

}  // namespace

std::string SortedAggregateSpec::Describe() const {
  return DescribeAggregate(*schema, keys, calls);
}

std::unique_ptr<Operator> SortedAggregateSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<SortedAggregate>(*this);
}

}  // namespace headrace
