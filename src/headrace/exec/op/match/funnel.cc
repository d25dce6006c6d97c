// Per partition and step the latest time at which rows begin that have come as far as the step: a
// later beginning is never worse.
#include "headrace/exec/op/match/funnel.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/plan/funnel.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int64_t kNoBeginning = std::numeric_limits<int64_t>::min();

class Funnel final : public Operator {
 public:
  explicit Funnel(const FunnelSpec& spec) : spec_(spec), num_steps_(spec.steps.size()) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget, Backing::kOwn);
    ARROW_ASSIGN_OR_RAISE(KeyNumbering keys,
                          KeyNumbering::Make({KeyColumnsOf(*spec_.schema, spec_.keys)}));
    keys_.emplace(std::move(keys));
    Extend();
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out&) override {
    ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(const int64_t missing, keys_->Find(0, batch, context().pool));
    const int64_t bytes = keys_->BytesToAssign() + 2 * StepBytes(keys_->size() + missing);
    const int64_t more = bytes - reservation_.bytes();
    if (more > 0 && !reservation_.TryGrow(more)) return Flow::NeedMemory(more);
    const std::vector<uint32_t>& partitions = keys_->Assign();
    Extend();
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr times, Decode(batch.column(spec_.time), context().pool));
    std::vector<uint64_t> taken(static_cast<size_t>(batch.num_rows()), 0);
    for (size_t step = 0; step < num_steps_; ++step) MarkRows(batch, *times, step, &taken);
    const auto* values = times->data()->GetValues<int64_t>(1);
    for (size_t row = 0; row < taken.size(); ++row) {
      if (taken[row] != 0) TakeRow(partitions[row], taken[row], values[row]);
    }
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    const auto count = static_cast<int64_t>(depths_.size());
    if (count == 0) return Flow::NeedInput();
    const int64_t end = std::min(count, next_ + context().batch_rows);
    std::vector<uint32_t> numbers(static_cast<size_t>(end - next_));
    std::iota(numbers.begin(), numbers.end(), static_cast<uint32_t>(next_));
    std::vector<ArrayPtr> columns;
    if (keys_->has_keys()) {
      ARROW_ASSIGN_OR_RAISE(columns, keys_->KeysOf(numbers, context().pool));
    }
    arrow::Int64Builder builder(context().pool);
    ARROW_RETURN_NOT_OK(builder.AppendValues(depths_.data() + next_, end - next_));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
    out.Emit(Batch(std::move(columns), end - next_));
    next_ = end;
    return next_ < count ? Flow::MoreOutput() : Flow::NeedInput();
  }

 private:
  int64_t StepBytes(int64_t partitions) const {
    return partitions * static_cast<int64_t>((num_steps_ + 1) * sizeof(int64_t));
  }

  void Extend() {
    const auto partitions = static_cast<size_t>(keys_->size());
    beginnings_.resize(partitions * num_steps_, kNoBeginning);
    depths_.resize(partitions, 0);
  }

  /// Sets the bit of a step in the rows where it is true, and that have a time.
  void MarkRows(const Batch& batch, const arrow::Array& times, size_t step,
                std::vector<uint64_t>* taken) const {
    const auto& is_step = static_cast<const arrow::BooleanArray&>(*batch.column(spec_.steps[step]));
    for (size_t row = 0; row < taken->size(); ++row) {
      const auto place = static_cast<int64_t>(row);
      const bool is_true = is_step.Value(place) && is_step.IsValid(place) && times.IsValid(place);
      (*taken)[row] |= uint64_t{is_true} << step;
    }
  }

  /// A row is one step of a way: the last steps go first, so they see what was before it.
  void TakeRow(uint32_t partition, uint64_t taken, int64_t time) {
    int64_t* const beginnings = beginnings_.data() + partition * num_steps_;
    for (size_t step = num_steps_; step-- > 1;) {
      if ((taken >> step & 1) == 0 || beginnings[step - 1] == kNoBeginning) continue;
      int64_t length = 0;
      const bool is_late =
          __builtin_sub_overflow(time, beginnings[step - 1], &length) || length > spec_.within;
      if (is_late) continue;
      beginnings[step] = std::max(beginnings[step], beginnings[step - 1]);
      depths_[partition] = std::max(depths_[partition], static_cast<int64_t>(step) + 1);
    }
    if ((taken & 1) == 0) return;
    beginnings[0] = std::max(beginnings[0], time);
    depths_[partition] = std::max<int64_t>(depths_[partition], 1);
  }

  const FunnelSpec& spec_;
  const size_t num_steps_;
  std::optional<KeyNumbering> keys_;  // number = partition
  std::vector<int64_t> beginnings_;   // per partition, per step
  std::vector<int64_t> depths_;       // per partition
  int64_t next_ = 0;                  // partition to give
  Reservation reservation_;
};

}  // namespace

std::unique_ptr<Operator> FunnelSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Funnel>(*this);
}

Status LowerFunnel(const PlanNode& node, Lowering& lowering) {
  const auto& funnel = static_cast<const FunnelNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input()));
  lowering.Serialize();
  lowering.Append(std::make_shared<FunnelSpec>(node.input()->schema(), funnel.keys, funnel.time,
                                               funnel.steps, funnel.within));
  return Status::OK();
}

}  // namespace headrace
