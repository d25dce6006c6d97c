// The builder's UNNEST and samples.
#include <limits>

#include "arrow/type.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"

namespace headrace {

Result<PlanPtr> PlanUnnest(PlanPtr input, std::vector<NamedExpression> lists,
                           UnnestOptions options) {
  std::vector<ExpressionPtr> expressions;
  std::vector<std::string> names;
  for (NamedExpression& list : lists) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(list.expression, "a list to unnest"));
    expressions.push_back(std::move(list.expression));
    names.push_back(std::move(list.name));
  }
  const int width = input->schema()->num_fields();
  std::vector<int> columns;
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &expressions));
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), expressions, &columns));
  const int with_lists = plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(plan, MakeUnnestNode(std::move(plan), std::move(columns), std::move(names),
                                             options.keep_empty, std::move(options.ordinality)));
  if (with_lists == width) return plan;
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> output_names;
  for (int i = 0; i < plan->schema()->num_fields(); ++i) {
    if (i >= width && i < with_lists) continue;
    outputs.push_back(ColumnOf(*plan->schema(), i));
    output_names.push_back(outputs.back()->name);
  }
  return MakeProjectNode(std::move(plan), std::move(outputs), output_names);
}

Result<PlanPtr> PlanSample(PlanPtr input, double fraction, uint64_t seed) {
  if (!(fraction >= 0 && fraction <= 1)) {
    return Error(ErrorKind::kInvalidArgument, "a sample takes a fraction from 0 to 1, got {}",
                 fraction);
  }
  return MakeSampleNode(std::move(input), fraction, seed);
}

Result<PlanPtr> PlanSampleRows(PlanPtr input, int64_t rows, uint64_t seed) {
  if (rows < 0) {
    return Error(ErrorKind::kInvalidArgument, "a sample takes a number of rows from 0, got {}",
                 rows);
  }
  const PlanPtr below = input;
  const int width = input->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, MakeSampleNode(std::move(input), std::nullopt, seed));
  const SortKey split{width + 1, false, NullPlacement::kLast};
  const SortKey row{width + 2, false, NullPlacement::kLast};
  ARROW_ASSIGN_OR_RAISE(
      plan, MakeSortNode(std::move(plan), {{width, false, NullPlacement::kLast}, split, row}));
  ARROW_ASSIGN_OR_RAISE(plan, MakeLimitNode(std::move(plan), rows, 0));
  ARROW_ASSIGN_OR_RAISE(plan, MakeSortNode(std::move(plan), {split, row}));
  return MakeProjectNode(std::move(plan), AllColumnsOf(*below->schema()),
                         below->schema()->field_names());
}

}  // namespace headrace
