// Aggregates by a key that advances within the others, as bars of a minute per symbol or sessions
// per user: of each partition one group is open at a time.
#pragma once

#include <optional>
#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// The keys of an aggregate, columns of its input. Rows that are equal in `partition` have the
/// values of `run` in runs: one that has passed does not come back.
struct PartitionRuns {
  std::vector<int> partition;
  int run = 0;  // of a type of at most 64 bits
};

/// None where no key is known to advance, or groups come together, or are not given at the end.
std::optional<PartitionRuns> FindPartitionRuns(const AggregateNode& aggregate);

}  // namespace headrace
