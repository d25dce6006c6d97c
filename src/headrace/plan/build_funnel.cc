// The builder's funnels.
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/funnel.h"
#include "headrace/plan/lift_calls.h"

namespace headrace {

Result<PlanPtr> PlanFunnel(PlanPtr input, std::vector<int> keys, int time,
                           std::vector<ExpressionPtr> steps, int64_t within) {
  constexpr size_t kFunnelStepsMax = 63;
  if (steps.empty() || steps.size() > kFunnelStepsMax) {
    return Error(ErrorKind::kInvalidArgument, "a funnel has 1 to {} steps, got {}", kFunnelStepsMax,
                 steps.size());
  }
  if (within < 0) {
    return Error(ErrorKind::kInvalidArgument, "a funnel takes place within 0 or more, got {}",
                 within);
  }
  for (ExpressionPtr& step : steps) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(step, "a step of a funnel"));
    ARROW_ASSIGN_OR_RAISE(step, CoerceTo(step, arrow::boolean()));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &steps));
  std::vector<int> columns;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), steps, &columns));
  ARROW_ASSIGN_OR_RAISE(plan, PutInOrder(std::move(plan), keys, {{time}}));
  return MakeFunnelNode(std::move(plan), std::move(keys), time, std::move(columns), within);
}

}  // namespace headrace
