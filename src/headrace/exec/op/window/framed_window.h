// Framed window: aggregates and window functions over frames of sorted partitions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"

namespace headrace {

/// Appends one column per call; rows and their order stay. REQUIRES: one lane; rows of a partition
/// stand together, sorted by `order`. Holds the rows that frames reach over; a partition is held
/// whole only for calls that look at any of its rows (see CallReach): past the budget kMemoryLimit.
class FramedWindowSpec final : public OperatorSpec {
 public:
  FramedWindowSpec(SchemaPtr schema, std::vector<int> partition_by, Ordering order,
                   std::vector<FramedCall> calls, int partition_rows = -1,
                   std::vector<int> rests = {})
      : schema(std::move(schema)),
        partition_by(std::move(partition_by)),
        order(std::move(order)),
        calls(std::move(calls)),
        partition_rows(partition_rows),
        rests(std::move(rests)) {
    this->rests.resize(this->calls.size(), -1);
  }
  std::string name() const override { return "framed_window"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> partition_by;
  const Ordering order;
  const std::vector<FramedCall> calls;
  const int partition_rows;  // the column (BIGINT) that says it of each row; −1: none does
  std::vector<int> rests;    // per call: the column that PartitionRests gave for it; −1: none did
};

}  // namespace headrace
