// Partition run aggregate: groups by a key that advances within the others, in one pass that holds
// one group per partition.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"
#include "headrace/plan/partition_runs.h"

namespace headrace {

/// Output: the key columns in plain encoding, one column per call; groups in the order in which
/// they end, those open at the end of the input by their partitions' first rows. REQUIRES: one
/// lane, a bounded input, and that groups are as PartitionRuns says. Memory: a group's states and
/// key per partition; where they take more than a part of it, the rows of partitions that are new
/// wait on disk, and a thirty-second of those partitions must fit at a time.
class PartitionRunAggregateSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; `keys` index it, in the order of the output; those that are not read
  /// may hold anything.
  PartitionRunAggregateSpec(SchemaPtr schema, std::vector<int> keys, std::vector<bool> is_read,
                            PartitionRuns runs, std::vector<FunctionCall> calls)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        is_read(std::move(is_read)),
        runs(std::move(runs)),
        calls(std::move(calls)) {}
  std::string name() const override { return "partition_run_aggregate"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const std::vector<bool> is_read;
  const PartitionRuns runs;
  const std::vector<FunctionCall> calls;
};

}  // namespace headrace
