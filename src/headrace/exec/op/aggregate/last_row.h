// LastRow: of a scan that is read backwards, the last row.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Whether the aggregate asks for the last row alone, of rows that come one by one from a scan
/// whose splits can be read in any order.
bool AsksForLastRow(const AggregateNode& aggregate);
/// The input of such an aggregate as it is read backwards: without checks of its order, since the
/// rows in front are not read.
Result<PlanPtr> InputReadBackwards(const PlanPtr& input);

/// The last row of the first split that has one; then no more is wanted. REQUIRES: one lane, splits
/// come from the last to the first (Lowering::ReadBackwards). Memory: a row.
class LastRowSpec final : public OperatorSpec {
 public:
  std::string name() const override { return "last_row"; }
  bool only_leaves_out() const override { return true; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;
};

}  // namespace headrace
