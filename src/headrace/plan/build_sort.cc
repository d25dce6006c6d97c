// The builder's sort.
#include "arrow/type.h"
#include "headrace/expression/key_expression.h"
#include "headrace/plan/builder.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"

namespace headrace {
namespace {

bool HasKey(const Ordering& keys, int column) {
  for (const SortKey& key : keys) {
    if (key.column == column) return true;
  }
  return false;
}

}  // namespace

Result<PlanPtr> PlanSort(PlanPtr input, std::vector<SortExpression> keys) {
  std::vector<ExpressionPtr> expressions;
  for (const SortExpression& key : keys) {
    ARROW_RETURN_NOT_OK(RefuseAggregates(key.expression, "a sort key (ORDER BY)"));
    expressions.push_back(AsKey(key.expression));
  }
  const PlanPtr below = input;
  std::vector<int> columns;
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, LiftCalls(std::move(input), &expressions));
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), expressions, &columns));
  Ordering ordering;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (HasKey(ordering, columns[i])) continue;
    ordering.push_back({columns[i], keys[i].descending, keys[i].nulls});
  }
  if (!Satisfies(plan->properties().ordering, ordering)) {
    ARROW_ASSIGN_OR_RAISE(plan, MakeSortNode(std::move(plan), std::move(ordering)));
  }
  if (plan->schema()->num_fields() == below->schema()->num_fields()) return plan;
  return MakeProjectNode(std::move(plan), AllColumnsOf(*below->schema()),
                         below->schema()->field_names());
}

}  // namespace headrace
