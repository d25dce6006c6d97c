// By the order that the plan below promises, or by keys that advance.
#include "headrace/plan/sorted_groups.h"

#include <algorithm>

#include "headrace/plan/advancing_columns.h"

namespace headrace {
namespace {

/// Some keys advance over all rows, and the others within them.
bool AllAdvance(const AggregateNode& aggregate) {
  std::vector<int> over_all;
  std::vector<int> needed;
  for (const int key : aggregate.keys) {
    const auto within = AdvancesWithin(*aggregate.input(), key);
    if (!within.has_value()) return false;
    if (within->empty()) over_all.push_back(key);
    needed.insert(needed.end(), within->begin(), within->end());
  }
  return std::all_of(needed.begin(), needed.end(), [&](int key) {
    return std::find(over_all.begin(), over_all.end(), key) != over_all.end();
  });
}

}  // namespace

bool ComesByGroup(const AggregateNode& aggregate) {
  const PlanProperties& input = aggregate.input()->properties();
  return !aggregate.keys.empty() && input.boundedness == Boundedness::kBounded &&
         input.change_mode == ChangeMode::kAppend && aggregate.emit == EmitPolicy::kAtEnd &&
         (SatisfiesByGroup(input.ordering, aggregate.keys, {}) || AllAdvance(aggregate));
}

}  // namespace headrace
