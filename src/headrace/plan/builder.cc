// The builder's row-wise part: scan, filter, project, limit.
#include "headrace/plan/builder.h"

#include <numeric>

#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"

namespace headrace {

Result<PlanPtr> PlanScan(SourcePtr source, std::optional<EventTime> event_time) {
  ARROW_ASSIGN_OR_RAISE(std::string snapshot, source->Snapshot());
  ScanRequest request;
  request.projection.resize(static_cast<size_t>(source->schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  return MakeScanNode(std::move(source), std::move(request), std::move(snapshot), event_time);
}

Result<PlanPtr> PlanFilter(PlanPtr input, ExpressionPtr predicate) {
  ARROW_RETURN_NOT_OK(RefuseAggregates(predicate, "a filter (WHERE)"));
  if (predicate->type->id() == arrow::Type::NA) {
    ARROW_ASSIGN_OR_RAISE(predicate, CoerceTo(predicate, arrow::boolean()));
  }
  const PlanPtr below = input;
  std::vector<ExpressionPtr> expressions = {std::move(predicate)};
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &expressions));
  const bool lifted = plan != below;
  ARROW_ASSIGN_OR_RAISE(plan, MakeFilterNode(std::move(plan), expressions.front()));
  if (!lifted) return plan;
  return MakeProjectNode(std::move(plan), AllColumnsOf(*below->schema()),
                         below->schema()->field_names());
}

Result<PlanPtr> PlanProject(PlanPtr input, std::vector<NamedExpression> outputs) {
  std::vector<ExpressionPtr> expressions;
  std::vector<std::string> names;
  for (NamedExpression& output : outputs) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(output.expression, "a row-wise projection"));
    expressions.push_back(std::move(output.expression));
    names.push_back(std::move(output.name));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &expressions));
  return MakeProjectNode(std::move(plan), std::move(expressions), names);
}

Result<PlanPtr> PlanLimit(PlanPtr input, int64_t count, int64_t offset) {
  return MakeLimitNode(std::move(input), count, offset);
}

}  // namespace headrace
