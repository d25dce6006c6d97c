// What a filter says of a key on one side of a join holds for the key of the other side too: with
// t.a = u.a and t.a > 5, rows of u below 5 match nothing.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

using Terms = std::vector<ExpressionPtr>;

/// Terms that hold for column `column` of every row of `plan` and speak of no other column; the
/// column is 0 in them.
Terms KnownOf(const PlanNode& plan, int column) {
  if (const auto* filter = As<FilterNode>(plan)) {
    Terms known = KnownOf(*plan.input(), column);
    for (const ExpressionPtr& term : SplitConjunction(filter->predicate)) {
      if (ColumnsOf(*term) != std::vector<int>{column} || !NeverRaises(*term)) continue;
      std::vector<int> places(static_cast<size_t>(column) + 1, 0);
      known.push_back(MoveColumns(term, places));
    }
    return known;
  }
  if (const auto* project = As<ProjectNode>(plan)) {
    const Expression& expression = *project->expressions[static_cast<size_t>(column)];
    if (expression.kind != Expression::Kind::kColumn) return {};
    return KnownOf(*plan.input(), expression.column);
  }
  if (As<SortNode>(plan) != nullptr || As<LimitNode>(plan) != nullptr) {
    return KnownOf(*plan.input(), column);
  }
  if (const auto* join = As<JoinNode>(plan)) {
    const int width = plan.inputs()[0]->schema()->num_fields();
    const bool keeps_left = join->kind != JoinKind::kRight && join->kind != JoinKind::kFull;
    if (column < width) return keeps_left ? KnownOf(*plan.inputs()[0], column) : Terms{};
    if (join->kind == JoinKind::kInner) return KnownOf(*plan.inputs()[1], column - width);
  }
  return {};
}

bool Holds(const Terms& known, const Expression& term) {
  return std::any_of(known.begin(), known.end(),
                     [&](const ExpressionPtr& other) { return Equals(*other, term); });
}

/// `to` with the terms that are known of `from`'s keys and not of its own.
Result<PlanPtr> WithInferred(const PlanNode& from, const std::vector<int>& from_keys, PlanPtr to,
                             const std::vector<int>& to_keys,
                             const std::vector<NullMatching>& nulls) {
  Terms inferred;
  for (size_t i = 0; i < from_keys.size(); ++i) {
    if (nulls[i] != NullMatching::kNeverMatch) continue;
    const Terms known = KnownOf(*to, to_keys[i]);
    for (const ExpressionPtr& term : KnownOf(from, from_keys[i])) {
      if (Holds(known, *term)) continue;
      inferred.push_back(ReplaceColumns(
          term, [&](const Expression&) { return ColumnOf(*to->schema(), to_keys[i]); }));
    }
  }
  if (inferred.empty()) return to;
  return MakeFilterNode(std::move(to), MakeConjunction(std::move(inferred)));
}

Result<PlanPtr> InferForJoin(const PlanPtr& plan) {
  const auto* join = As<JoinNode>(*plan);
  if (join == nullptr || join->terms.left_keys.empty()) return plan;
  const bool to_right = join->kind == JoinKind::kInner || join->kind == JoinKind::kLeft ||
                        join->kind == JoinKind::kSemi || join->kind == JoinKind::kAnti ||
                        join->kind == JoinKind::kSingle;
  const bool to_left = join->kind == JoinKind::kInner || join->kind == JoinKind::kRight ||
                       join->kind == JoinKind::kSemi;
  PlanPtr left = join->inputs()[0];
  PlanPtr right = join->inputs()[1];
  const JoinTerms& terms = join->terms;
  if (to_right) {
    ARROW_ASSIGN_OR_RAISE(
        right, WithInferred(*left, terms.left_keys, right, terms.right_keys, terms.nulls));
  }
  if (to_left) {
    ARROW_ASSIGN_OR_RAISE(left, WithInferred(*join->inputs()[1], terms.right_keys, left,
                                             terms.left_keys, terms.nulls));
  }
  if (left == join->inputs()[0] && right == join->inputs()[1]) return plan;
  return plan->WithInputs({std::move(left), std::move(right)});
}

}  // namespace

Result<PlanPtr> InferFilters(const PlanPtr& plan) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr inferred, RewriteBottomUp(plan, InferForJoin));
  return inferred == plan ? plan : PushFiltersDown(inferred);
}

}  // namespace headrace
