// Mutations that know nothing of the structure of an input but a few words of its format.
#pragma once

#include <string>
#include <vector>

#include "headrace/base/rng.h"

namespace headrace::fuzz {

/// Makes inputs out of seeds. Deterministic: input n depends on the seed number and n alone.
class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::vector<std::string> tokens, uint64_t seed);

  /// The first inputs are the seeds as they are; the others are mutations of one or two of them.
  std::string MakeInput(uint64_t number) const;

 private:
  const std::vector<std::string> seeds_;
  const std::vector<std::string> tokens_;
  const uint64_t seed_;
};

}  // namespace headrace::fuzz
