// By the order that the plan below promises.
#include "headrace/plan/sorted_groups.h"

namespace headrace {

bool ComesByGroup(const AggregateNode& aggregate) {
  const PlanProperties& input = aggregate.input()->properties();
  return !aggregate.keys.empty() && input.boundedness == Boundedness::kBounded &&
         input.change_mode == ChangeMode::kAppend && aggregate.emit == EmitPolicy::kAtEnd &&
         SatisfiesByGroup(input.ordering, aggregate.keys, {});
}

}  // namespace headrace
