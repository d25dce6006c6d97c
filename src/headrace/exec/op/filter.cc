// One predicate per batch, answered with a narrower selection.
#include "headrace/exec/op/filter.h"

#include "headrace/base/limits.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"
#include "headrace/expression/evaluate.h"

namespace headrace {
namespace {

class Filter final : public Operator {
 public:
  explicit Filter(ExpressionPtr predicate) : predicate_(std::move(predicate)) {}

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (IsSparse(batch)) {
      ARROW_ASSIGN_OR_RAISE(batch, batch.Compact(context().pool));
    }
    bool all_selected = false;
    ARROW_ASSIGN_OR_RAISE(Selection kept,
                          EvaluatePredicate(*predicate_, batch, context().pool, &all_selected));
    Batch result = all_selected ? std::move(batch) : batch.WithSelection(std::move(kept));
    if (result.num_rows() == 0) return Flow::NeedInput();
    out.Emit(std::move(result));
    return Flow::NeedInput();
  }

 private:
  const ExpressionPtr predicate_;
};

}  // namespace

bool IsSparse(const Batch& batch) {
  return batch.num_rows() * kSelectionDensityInverse < batch.physical_rows();
}

std::string FilterSpec::Describe() const { return ToString(*predicate); }

std::unique_ptr<Operator> FilterSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<Filter>(predicate);
}

Status LowerFilter(const PlanNode& node, Lowering& lowering) {
  const RowsRead& read = lowering.rows_read();
  ARROW_RETURN_NOT_OK(lowering.Lower(*node.input(), {.order = read.order, .whole = read.whole}));
  lowering.AppendInPlace(
      std::make_shared<FilterSpec>(static_cast<const FilterNode&>(node).predicate));
  return Status::OK();
}

}  // namespace headrace
