// Lowering of joins: the right side is built in a pipeline of its own, the left side probes.
#include "headrace/exec/op/hash_join.h"

#include <algorithm>

#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {

Status LowerJoin(const PlanNode& node, Lowering& lowering) {
  const auto& join = static_cast<const JoinNode&>(node);
  const bool runs = (join.kind == JoinKind::kInner || join.kind == JoinKind::kLeft) &&
                    join.terms.build == JoinSide::kRight && !join.terms.left_keys.empty();
  const auto& nulls = join.terms.nulls;
  if (!runs || std::count(nulls.begin(), nulls.end(), NullMatching::kMatch) > 0) {
    return Error(ErrorKind::kUnsupported, "this kind of join does not run yet: {}",
                 join.Describe());
  }
  const PlanPtr& left = join.inputs()[0];
  const PlanPtr& right = join.inputs()[1];
  ARROW_RETURN_NOT_OK(lowering.Lower(*right));
  int build = 0;
  auto state =
      lowering.EndInBreaker(std::make_shared<HashJoinBuildSpec>(
                                right->schema(), join.terms.right_keys, NullMatching::kNeverMatch),
                            &build);
  ARROW_RETURN_NOT_OK(lowering.Lower(*left));
  lowering.WaitFor(build);
  lowering.Append(
      std::make_shared<HashJoinProbeSpec>(left->schema(), join.terms.left_keys, join.kind,
                                          NullMatching::kNeverMatch, join.terms.residual),
      state);
  return Status::OK();
}

}  // namespace headrace
