// Interval bounds: what a condition says of the distance between the event times of two streams.
#pragma once

#include <optional>
#include <vector>

#include "headrace/plan/join_keys.h"
#include "headrace/plan/node.h"

namespace headrace {

/// `key - span`, also cast: the microseconds of the constant span.
std::optional<int64_t> MicrosBefore(const Expression& value);

/// Bounds of right time − left time, in microseconds.
struct IntervalBounds {
  int left_time = -1;
  int right_time = -1;
  std::optional<int64_t> lower;
  std::optional<int64_t> upper;
};

/// Takes terms out of `rest` (over left, then right columns) that bound the difference of an event
/// time of each side: comparisons of the one, give or take a constant, with the other. Terms that
/// times of finer units make inexact stay in `rest` too. Equalities of event times among `pairs`
/// are bounds, and stay.
IntervalBounds TakeBounds(const PlanNode& left, const PlanNode& right,
                          const std::vector<SidePair>& pairs, std::vector<ExpressionPtr>* rest);

}  // namespace headrace
