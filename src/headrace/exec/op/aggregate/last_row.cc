// That a split has ended is seen by the first row of another one.
#include "headrace/exec/op/aggregate/last_row.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "headrace/plan/check_order.h"
#include "headrace/plan/rule/rule.h"

namespace headrace {
namespace {

class LastRow final : public Operator {
 public:
  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (row_.has_value() && batch.ordinal().split != row_->ordinal().split) {
      out.Emit(*std::exchange(row_, std::nullopt));
      return Flow::Finished();
    }
    ARROW_ASSIGN_OR_RAISE(row_, CopyLast(batch));
    return Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out& out) override {
    if (row_.has_value()) out.Emit(*std::exchange(row_, std::nullopt));
    return Flow::NeedInput();
  }

 private:
  // Alone: the batch can go.
  Result<Batch> CopyLast(const Batch& batch) const {
    const uint32_t last = batch.selection() == nullptr
                              ? static_cast<uint32_t>(batch.physical_rows() - 1)
                              : batch.selection()->back();
    const arrow::UInt32Array index(1, arrow::Buffer::FromVector(std::vector<uint32_t>{last}));
    const Batch rows(batch.columns(), batch.physical_rows());
    ARROW_ASSIGN_OR_RAISE(Batch row, rows.Take(index, context().pool));
    row.set_ordinal(batch.ordinal());
    return row;
  }

  std::optional<Batch> row_;
};

/// Of splits that can be read in any order: a source that has to read its rows to count them may
/// need what is in front of a split to know where it begins.
bool ComesRowByRow(const PlanNode& plan) {
  if (const auto* scan = As<ScanNode>(plan)) return scan->source->row_count().has_value();
  const bool is_row_wise = As<FilterNode>(plan) != nullptr || As<ProjectNode>(plan) != nullptr ||
                           As<CheckOrderNode>(plan) != nullptr;
  return is_row_wise && ComesRowByRow(*plan.input());
}

}  // namespace

bool AsksForLastRow(const AggregateNode& aggregate) {
  const PlanProperties& input = aggregate.input()->properties();
  return aggregate.keys.empty() && !aggregate.calls.empty() &&
         aggregate.emit == EmitPolicy::kAtEnd && !IsEndless(*aggregate.input()) &&
         input.change_mode == ChangeMode::kAppend && ComesRowByRow(*aggregate.input()) &&
         std::all_of(aggregate.calls.begin(), aggregate.calls.end(), [](const FunctionCall& call) {
           return std::string_view(call.function->id) == "last";
         });
}

Result<PlanPtr> InputReadBackwards(const PlanPtr& input) {
  if (As<CheckOrderNode>(*input) != nullptr) return InputReadBackwards(input->input());
  return RewriteInputs(input, InputReadBackwards);
}

std::unique_ptr<Operator> LastRowSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<LastRow>();
}

}  // namespace headrace
