// Lowering of joins: the right side is built in a pipeline of its own, the left side probes.
#include "headrace/exec/op/hash_join.h"

#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {

Status LowerJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const JoinNode&>(node);
  const PlanPtr& left = join.inputs()[0];
  const PlanPtr& right = join.inputs()[1];
  ARROW_RETURN_NOT_OK(lowering.Lower(*right));
  int build = 0;
  auto state = lowering.EndInBreaker(
      std::make_shared<HashJoinBuildSpec>(right->schema(), join.right_keys, join.nulls), &build);
  ARROW_RETURN_NOT_OK(lowering.Lower(*left));
  lowering.WaitFor(build);
  lowering.Append(std::make_shared<HashJoinProbeSpec>(left->schema(), join.left_keys, join.kind,
                                                      join.nulls, join.residual),
                  state);
  return Status::OK();
}

}  // namespace headrace
