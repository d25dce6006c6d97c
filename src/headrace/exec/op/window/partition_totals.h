// Partition totals: aggregates over whole partitions beside each of their rows, in two passes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Appends one column per call; rows and their order stay, columns come decoded. REQUIRES: one
/// lane; rows of a partition stand together; there are calls. Rows wait in memory until their
/// partition has ended, or in a spill file where memory is wanted; by `waits` = false, where the
/// first row of a partition settles every value, they do not wait.
class PartitionTotalsSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's.
  PartitionTotalsSpec(SchemaPtr schema, std::vector<int> partition_by,
                      std::vector<FunctionCall> calls, bool waits = true)
      : schema(std::move(schema)),
        partition_by(std::move(partition_by)),
        calls(std::move(calls)),
        waits(waits) {}
  std::string name() const override { return "partition_totals"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> partition_by;
  const std::vector<FunctionCall> calls;
  const bool waits;
};

}  // namespace headrace
