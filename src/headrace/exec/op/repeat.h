// Repeat: each row as often as its last column says.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"

namespace headrace {

/// Row-wise; see RepeatNode. A row that is given often comes in several batches.
class RepeatSpec final : public OperatorSpec {
 public:
  std::string name() const override { return "repeat"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;
};

}  // namespace headrace
