// Sample: rows drawn by a random number that depends on the seed and the place of the row alone.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "headrace/exec/operator.h"

namespace headrace {

/// Row-wise; see SampleNode. The place of a row is its split and its number in the split.
class SampleSpec final : public OperatorSpec {
 public:
  SampleSpec(std::optional<double> fraction, uint64_t seed) : fraction(fraction), seed(seed) {}
  std::string name() const override { return "sample"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const std::optional<double> fraction;
  const uint64_t seed;
};

}  // namespace headrace
