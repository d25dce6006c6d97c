// A projection of a projection is one projection when no computed column would be computed twice or
// left out of its place; a projection that changes nothing goes away.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

bool AllLeaves(const ProjectNode& project) {
  return std::all_of(project.expressions.begin(), project.expressions.end(),
                     [](const ExpressionPtr& expression) { return IsLeaf(*expression); });
}

/// Whether every computed column of `below` is taken by exactly one output of `above`.
bool TakesEachOnce(const ProjectNode& above, const ProjectNode& below) {
  std::vector<int> uses(below.expressions.size(), 0);
  for (const ExpressionPtr& expression : above.expressions) {
    for (int column : ColumnsOf(*expression)) ++uses[static_cast<size_t>(column)];
  }
  for (size_t i = 0; i < uses.size(); ++i) {
    if (!IsLeaf(*below.expressions[i]) && uses[i] != 1) return false;
  }
  return AllLeaves(above);
}

bool ChangesNothing(const ProjectNode& project) {
  const arrow::Schema& input = *project.input()->schema();
  if (!project.schema()->Equals(input, /*check_metadata=*/true)) return false;
  for (int i = 0; i < input.num_fields(); ++i) {
    const Expression& expression = *project.expressions[static_cast<size_t>(i)];
    if (expression.kind != Expression::Kind::kColumn || expression.column != i) return false;
  }
  return true;
}

Result<PlanPtr> MergeIntoBelow(const PlanPtr& plan) {
  const auto* above = As<ProjectNode>(*plan);
  if (above == nullptr) return plan;
  if (ChangesNothing(*above)) return above->input();
  const auto* below = As<ProjectNode>(*above->input());
  if (below == nullptr || (!AllLeaves(*below) && !TakesEachOnce(*above, *below))) return plan;
  std::vector<ExpressionPtr> merged;
  for (const ExpressionPtr& expression : above->expressions) {
    merged.push_back(ReplaceColumns(expression, [&](const Expression& column) {
      return below->expressions[static_cast<size_t>(column.column)];
    }));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr project, MakeProjectNode(below->input(), std::move(merged),
                                                         above->schema()->field_names()));
  return MergeIntoBelow(project);
}

}  // namespace

Result<PlanPtr> MergeProjects(const PlanPtr& plan) { return RewriteBottomUp(plan, MergeIntoBelow); }

}  // namespace headrace
