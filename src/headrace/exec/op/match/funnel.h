// Funnel: how deep each partition went into a row of steps, in one pass.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"

namespace headrace {

/// See FunnelNode. REQUIRES: one lane. Memory: a number per step and partition, and its key.
class FunnelSpec final : public OperatorSpec {
 public:
  FunnelSpec(SchemaPtr schema, std::vector<int> keys, int time, std::vector<int> steps,
             int64_t within)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        time(time),
        steps(std::move(steps)),
        within(within) {}
  std::string name() const override { return "funnel"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::vector<int> keys;
  const int time;
  const std::vector<int> steps;
  const int64_t within;
};

}  // namespace headrace
