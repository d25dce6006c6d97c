// Partition rests: beside rows the states of aggregates over the rows behind them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Appends one column (binary) per call: now and then, and at the last row of each partition, the
/// saved state of the call over all rows of the partition behind the row; else null. Rows and their
/// order stay, columns come decoded. REQUIRES: one lane; rows of a partition stand together. Rows
/// wait in memory until their partition has ended, or in a spill file where memory is wanted.
/// Memory: a state per call and batch of a partition.
class PartitionRestsSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's.
  PartitionRestsSpec(SchemaPtr schema, std::vector<int> partition_by,
                     std::vector<FunctionCall> calls)
      : schema(std::move(schema)), partition_by(std::move(partition_by)), calls(std::move(calls)) {}
  std::string name() const override { return "partition_rests"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> partition_by;
  const std::vector<FunctionCall> calls;
};

}  // namespace headrace
