// Window: ordered functions, and aggregates over frames that look back, over the rows of each
// partition in stream order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/plan/node.h"
#include "headrace/plan/rolling_window.h"

namespace headrace {

/// Appends one column per call; rows and their order stay. REQUIRES: one lane, input in stream
/// order. Keeps one state per partition and call; Save writes them by key group. Where the states
/// take too much memory, the rows of an input that has an end wait on disk from then on.
/// Functions that look ahead are kUnsupported at Open. (WindowSpec is the bound OVER clause, see
/// expression.h.)
class WindowOperatorSpec final : public OperatorSpec {
 public:
  /// `schema` is the input's; without `partition_by` all rows are one partition. The columns of
  /// `rolling` come behind those of `calls`.
  WindowOperatorSpec(SchemaPtr schema, std::vector<int> partition_by,
                     std::vector<FunctionCall> calls, bool partitions_stand_together = false,
                     std::vector<RollingCall> rolling = {}, bool has_end = false)
      : schema(std::move(schema)),
        partition_by(std::move(partition_by)),
        calls(std::move(calls)),
        partitions_stand_together(partitions_stand_together),
        rolling(std::move(rolling)),
        has_end(has_end) {}
  std::string name() const override { return "window"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> partition_by;
  const std::vector<FunctionCall> calls;
  const bool partitions_stand_together;  // states of those that have passed are dropped
  const std::vector<RollingCall> rolling;
  const bool has_end;  // of the input: then rows may wait on disk for it
};

}  // namespace headrace
