// Limit: skips `offset` rows, passes the next `count`, then wants no more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "headrace/exec/operator.h"

namespace headrace {

/// REQUIRES: one lane, input in stream order. The batch that satisfies the limit comes with
/// kFinished; with count 0 the first call gives kFinished. Saves how many rows have passed.
class LimitSpec final : public OperatorSpec {
 public:
  /// Both ≥ 0; their sum may overflow.
  LimitSpec(int64_t count, int64_t offset) : count(count), offset(offset) {}
  std::string name() const override { return "limit"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const int64_t count;
  const int64_t offset;
};

}  // namespace headrace
