// The table of lowerings: which function turns a plan node into operators. Rows are in list.inc.
#pragma once

#include <span>

#include "headrace/base/error.h"

namespace headrace {

class Lowering;
class PlanNode;

struct LoweringRow {
  const char* node;  // PlanNode::name()
  Status (*lower)(const PlanNode& node, Lowering& lowering);
};

std::span<const LoweringRow> AllLowerings();

}  // namespace headrace
