// Filter: keeps the rows for which a predicate is true.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/expression/expression.h"

namespace headrace {

/// Less than 1/8 of the rows is selected (kSelectionDensityInverse): computing anything for all of
/// them costs more than gathering those.
bool IsSparse(const Batch& batch);

/// Narrows the selection of each batch; nothing is copied: who copies rows knows which columns it
/// needs. Holds no state. Null is not true.
class FilterSpec final : public OperatorSpec {
 public:
  /// `predicate` is boolean, over the columns of the input.
  explicit FilterSpec(ExpressionPtr predicate) : predicate(std::move(predicate)) {}
  std::string name() const override { return "filter"; }
  std::string Describe() const override;
  bool only_leaves_out() const override { return true; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const ExpressionPtr predicate;
};

}  // namespace headrace
