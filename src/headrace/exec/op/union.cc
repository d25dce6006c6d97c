// Lowering of UNION ALL: the pipelines of all inputs feed whatever comes next.
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {

Status LowerUnion(const PlanNode& node, Lowering& lowering) {
  return lowering.LowerUnion(node.inputs());
}

}  // namespace headrace
