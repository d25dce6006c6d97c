// Scan: the lowering alone; reading is the driver's input (exec/input.h).
#include "headrace/exec/op/lower.h"
#include "headrace/exec/physical.h"

namespace headrace {

Status LowerScan(const PlanNode& node, Lowering& lowering) {
  return lowering.StartScan(static_cast<const ScanNode&>(node));
}

}  // namespace headrace
