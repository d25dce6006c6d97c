// An expression that stands several times in a projection or a filter is computed once, in a
// projection below.
#include <algorithm>
#include <map>
#include <string>

#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

/// How often an expression stands somewhere; `always`: once at least where every row reaches it, so
/// computing it for all rows raises no error that was not raised before.
struct Uses {
  ExpressionPtr expression;
  int count = 0;
  bool always = false;
};
using UsesByText = std::map<std::string, Uses>;

std::string KeyOf(const Expression& expression) {
  return ToString(expression) + "::" + expression.type->ToString();
}

void Count(const ExpressionPtr& expression, bool always, UsesByText* uses) {
  if (IsLeaf(*expression) || IsVolatile(*expression)) return;
  Uses& use = (*uses)[KeyOf(*expression)];
  if (use.expression == nullptr) use.expression = expression;
  if (!Equals(*use.expression, *expression)) return;
  use.always = use.always || always || NeverRaises(*expression);
  // Parts of a repeat are parts of what is computed once.
  if (++use.count > 1) return;
  const bool is_lazy =
      expression->kind == Expression::Kind::kCall && expression->overload->lazy != nullptr;
  for (size_t i = 0; i < expression->args.size(); ++i) {
    Count(expression->args[i], always && (!is_lazy || i == 0), uses);
  }
}

/// Worth a column of its own below a filter: what works on text or lists.
bool IsDear(const Expression& expression) {
  if (IsLeaf(expression)) return false;
  return std::any_of(expression.args.begin(), expression.args.end(), [](const ExpressionPtr& arg) {
    const arrow::Type::type id = PlainType(arg->type)->id();
    return arrow::is_base_binary_like(id) || arrow::is_nested(id) || IsDear(*arg);
  });
}

/// Expressions over `input` with the repeated parts replaced by columns of a projection over it.
struct Shared {
  PlanPtr input;
  std::vector<ExpressionPtr> expressions;
};

Result<Shared> Share(const PlanPtr& input, std::vector<ExpressionPtr> expressions, bool only_dear) {
  UsesByText uses;
  for (const ExpressionPtr& expression : expressions) Count(expression, /*always=*/true, &uses);
  const auto is_shared = [&](const ExpressionPtr& part) {
    if (IsLeaf(*part)) return false;
    const auto found = uses.find(KeyOf(*part));
    if (found == uses.end() || found->second.count < 2 || !found->second.always) return false;
    return Equals(*found->second.expression, *part) && (!only_dear || IsDear(*part));
  };
  std::vector<ExpressionPtr> columns = AllColumnsOf(*input->schema());
  const size_t width = columns.size();
  for (ExpressionPtr& expression : expressions) {
    ARROW_ASSIGN_OR_RAISE(
        expression, Transform(expression, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
          if (!is_shared(part)) return nullptr;
          size_t place = width;
          while (place < columns.size() && !Equals(*columns[place], *part)) ++place;
          if (place == columns.size()) columns.push_back(part);
          return Expression::Column(static_cast<int>(place), ToString(*part), part->type);
        }));
  }
  Shared shared{input, std::move(expressions)};
  if (columns.size() == width) return shared;
  std::vector<std::string> names;
  for (const ExpressionPtr& column : columns) {
    names.push_back(column->kind == Expression::Kind::kColumn ? column->name : ToString(*column));
  }
  ARROW_ASSIGN_OR_RAISE(shared.input, MakeProjectNode(input, std::move(columns), names));
  return shared;
}

Result<PlanPtr> ShareInProject(const PlanPtr& plan, const ProjectNode& project) {
  ARROW_ASSIGN_OR_RAISE(Shared shared, Share(project.input(), project.expressions, false));
  if (shared.input == project.input()) return plan;
  return MakeProjectNode(std::move(shared.input), std::move(shared.expressions),
                         plan->schema()->field_names());
}

Result<PlanPtr> ShareInFilter(const PlanPtr& plan, const FilterNode& filter) {
  ARROW_ASSIGN_OR_RAISE(Shared shared, Share(filter.input(), {filter.predicate}, true));
  if (shared.input == filter.input()) return plan;
  ARROW_ASSIGN_OR_RAISE(PlanPtr filtered,
                        MakeFilterNode(std::move(shared.input), shared.expressions.front()));
  return MakeProjectNode(std::move(filtered), AllColumnsOf(*plan->schema()),
                         plan->schema()->field_names());
}

}  // namespace

Result<PlanPtr> ShareSubexpressions(const PlanPtr& plan) {
  return RewriteBottomUp(plan, [](const PlanPtr& node) -> Result<PlanPtr> {
    if (const auto* project = As<ProjectNode>(*node)) return ShareInProject(node, *project);
    if (const auto* filter = As<FilterNode>(*node)) return ShareInFilter(node, *filter);
    return node;
  });
}

}  // namespace headrace
