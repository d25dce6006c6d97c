// Unnest: a row per element of lists.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"

namespace headrace {

/// Row-wise; see UnnestNode. A row with many elements comes in several batches.
class UnnestSpec final : public OperatorSpec {
 public:
  UnnestSpec(std::vector<int> lists, bool keep_empty, bool ordinality)
      : lists(std::move(lists)), keep_empty(keep_empty), ordinality(ordinality) {}
  std::string name() const override { return "unnest"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const std::vector<int> lists;
  const bool keep_empty;
  const bool ordinality;
};

}  // namespace headrace
