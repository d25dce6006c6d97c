// Lowering of windows over rows in stream order.
#include <set>

#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/window/window.h"
#include "headrace/exec/physical.h"

namespace headrace {
namespace {

// Whether rows that are equal in `columns` are next to each other in `ordering`.
bool StandTogether(const std::vector<int>& columns, const Ordering& ordering) {
  std::set<int> wanted(columns.begin(), columns.end());
  for (const SortKey& key : ordering) {
    if (wanted.empty() || !wanted.erase(key.column)) break;
  }
  return !columns.empty() && wanted.empty();
}

}  // namespace

Status LowerWindow(const PlanNode& node, Lowering& lowering) {
  const auto& window = static_cast<const WindowNode&>(node);
  const PlanNode& input = *node.input();
  ARROW_RETURN_NOT_OK(lowering.LowerWhole(input, window.partition_by));
  lowering.AppendByPartition(
      window.partition_by,
      std::make_shared<WindowOperatorSpec>(
          input.schema(), window.partition_by, window.calls,
          StandTogether(window.partition_by, input.properties().ordering),
          std::vector<RollingCall>(), input.properties().boundedness == Boundedness::kBounded));
  return Status::OK();
}

Status LowerRollingWindow(const PlanNode& node, Lowering& lowering) {
  const auto& window = static_cast<const RollingWindowNode&>(node);
  const PlanNode& input = *node.input();
  ARROW_RETURN_NOT_OK(lowering.LowerWhole(input, window.partition_by));
  lowering.AppendByPartition(
      window.partition_by,
      std::make_shared<WindowOperatorSpec>(
          input.schema(), window.partition_by, std::vector<FunctionCall>(),
          StandTogether(window.partition_by, input.properties().ordering), window.calls,
          input.properties().boundedness == Boundedness::kBounded));
  return Status::OK();
}

}  // namespace headrace
