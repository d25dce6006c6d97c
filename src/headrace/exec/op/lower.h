// The table of lowerings: which function turns a plan node into operators. Rows are in list.inc.
#pragma once

#include <span>

#include "headrace/base/error.h"

namespace headrace {

/// The ports of a join of two streams.
inline constexpr int kLeft = 0;
inline constexpr int kRight = 1;

class Lowering;
class PlanNode;

struct LoweringRow {
  const char* node;  // PlanNode::name()
  Status (*lower)(const PlanNode& node, Lowering& lowering);
};

std::span<const LoweringRow> AllLowerings();

#define HEADRACE_LOWERING(node, function) Status function(const PlanNode&, Lowering&);
#include "headrace/exec/op/list.inc"
#undef HEADRACE_LOWERING

}  // namespace headrace
