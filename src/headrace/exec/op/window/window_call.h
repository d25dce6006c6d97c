// WindowCall: one call of a window operator, with its literal arguments made into arrays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/op/window/partition_kernel.h"
#include "headrace/plan/node.h"
#include "headrace/plan/rolling_window.h"

namespace headrace {

struct WindowCall {
  FunctionCall call;
  std::unique_ptr<PartitionKernel> kernel;
  std::vector<int> columns;         // per argument; −1: a literal
  std::vector<ArrayPtr> constants;  // per argument; null: a column

  static Result<WindowCall> Make(const RollingCall& rolling, arrow::MemoryPool* pool);
  static Result<WindowCall> Make(const FunctionCall& call, std::unique_ptr<PartitionKernel> kernel,
                                 arrow::MemoryPool* pool);
};

/// "lag(v, 2)".
std::string TextOfCall(const FunctionCall& call);

/// `value` with nulls also where `arg` is null.
Result<ArrayPtr> WithNullsOf(const ArrayPtr& value, const Argument& arg, arrow::MemoryPool* pool);

}  // namespace headrace
