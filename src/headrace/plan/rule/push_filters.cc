// Filters move towards the scans: below projections, sorts, aggregates, windows, unions and other
// filters, and into the sides of joins. Only terms that cannot raise move past other work, so a
// pushed filter brings no new error. Equalities above an inner join become its keys.
#include <algorithm>
#include <iterator>
#include <numeric>

#include "arrow/type.h"
#include "headrace/plan/join_keys.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

using Terms = std::vector<ExpressionPtr>;

/// Takes out of `terms` those that never raise and whose columns all pass `is_here`.
template <typename IsHere>
Terms TakeMovable(Terms* terms, IsHere is_here) {
  Terms moved;
  const auto stays = [&](const ExpressionPtr& term) {
    const std::vector<int> columns = ColumnsOf(*term);
    const bool moves = NeverRaises(*term) && !columns.empty() &&
                       std::all_of(columns.begin(), columns.end(), is_here);
    if (moves) moved.push_back(term);
    return !moves;
  };
  terms->erase(std::stable_partition(terms->begin(), terms->end(), stays), terms->end());
  return moved;
}

Result<PlanPtr> Push(PlanPtr plan, Terms terms);

Result<PlanPtr> Filtered(PlanPtr plan, const Terms& terms) {
  if (terms.empty()) return plan;
  return MakeFilterNode(std::move(plan), MakeConjunction(terms));
}

Result<PlanPtr> PushBelowProject(const PlanPtr& plan, const ProjectNode& project, Terms terms) {
  const auto is_column = [&](int column) {
    return project.expressions[static_cast<size_t>(column)]->kind == Expression::Kind::kColumn;
  };
  Terms moved = TakeMovable(&terms, is_column);
  for (ExpressionPtr& term : moved) {
    term = ReplaceColumns(term, [&](const Expression& column) {
      return project.expressions[static_cast<size_t>(column.column)];
    });
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, Push(project.input(), std::move(moved)));
  ARROW_ASSIGN_OR_RAISE(below, plan->WithInputs({std::move(below)}));
  return Filtered(std::move(below), terms);
}

Result<PlanPtr> PushBelowSort(const PlanPtr& plan, Terms terms) {
  Terms moved = TakeMovable(&terms, [](int) { return true; });
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, Push(plan->input(), std::move(moved)));
  ARROW_ASSIGN_OR_RAISE(below, plan->WithInputs({std::move(below)}));
  return Filtered(std::move(below), terms);
}

/// Terms over one side go there when the other side alone makes no row.
Result<PlanPtr> PushIntoSides(const PlanPtr& plan, bool into_left, bool into_right, Terms terms) {
  const int width = plan->inputs()[0]->schema()->num_fields();
  Terms left;
  Terms right;
  if (into_left) left = TakeMovable(&terms, [&](int column) { return column < width; });
  if (into_right) right = TakeMovable(&terms, [&](int column) { return column >= width; });
  for (ExpressionPtr& term : right) term = OverRight(term, width);
  ARROW_ASSIGN_OR_RAISE(PlanPtr new_left, Push(plan->inputs()[0], std::move(left)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr new_right, Push(plan->inputs()[1], std::move(right)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr join,
                        plan->WithInputs({std::move(new_left), std::move(new_right)}));
  return Filtered(std::move(join), terms);
}

/// The terms that compare the sides of an inner join for equality become keys.
Result<PlanPtr> AddKeys(const PlanPtr& plan, const JoinNode& join, Terms* terms) {
  const int width = join.inputs()[0]->schema()->num_fields();
  std::vector<SidePair> pairs;
  const auto is_pair = [&](const ExpressionPtr& term) {
    std::optional<SidePair> pair = SplitTerm(term, width);
    const bool is_key = pair.has_value() &&
                        (pair->op == Comparison::kEqual || pair->op == Comparison::kNotDistinct);
    if (is_key) pairs.push_back(*std::move(pair));
    return is_key;
  };
  terms->erase(std::remove_if(terms->begin(), terms->end(), is_pair), terms->end());
  if (pairs.empty()) return plan;
  const PlanNode& left = *join.inputs()[0];
  const PlanNode& right = *join.inputs()[1];
  ARROW_ASSIGN_OR_RAISE(const KeyedInputs keyed,
                        AppendKeys(join.inputs()[0], join.inputs()[1], pairs));
  JoinTerms joined = join.terms;
  for (size_t i = 0; i < pairs.size(); ++i) {
    joined.left_keys.push_back(keyed.left_keys[i]);
    joined.right_keys.push_back(keyed.right_keys[i]);
    joined.nulls.push_back(pairs[i].op == Comparison::kNotDistinct ? NullMatching::kMatch
                                                                   : NullMatching::kNeverMatch);
  }
  if (joined.residual != nullptr) {
    joined.residual = MoveColumns(joined.residual, PlacesAfterKeys(left, right, keyed));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr with_keys,
                        MakeJoinNode(keyed.left, keyed.right, join.kind, std::move(joined)));
  return DropKeys(std::move(with_keys), left, right, keyed);
}

/// `plan` with the terms of its condition that speak of one side alone as filters of that side,
/// where rows of it that fail them match nothing and are not kept.
Result<PlanPtr> WithSidesFiltered(const PlanPtr& plan, const JoinNode& join) {
  const bool left_too = join.kind == JoinKind::kInner || join.kind == JoinKind::kSemi ||
                        join.kind == JoinKind::kRight;
  const bool right_too = join.kind == JoinKind::kInner || join.kind == JoinKind::kSemi ||
                         join.kind == JoinKind::kLeft || join.kind == JoinKind::kAnti ||
                         join.kind == JoinKind::kSingle;
  if (join.terms.residual == nullptr) return plan;
  const int width = join.inputs()[0]->schema()->num_fields();
  Terms rest = SplitConjunction(join.terms.residual);
  Terms left;
  Terms right;
  if (left_too) left = TakeMovable(&rest, [&](int column) { return column < width; });
  if (right_too) right = TakeMovable(&rest, [&](int column) { return column >= width; });
  if (left.empty() && right.empty()) return plan;
  for (ExpressionPtr& term : right) term = OverRight(term, width);
  JoinTerms terms = join.terms;
  terms.residual = rest.empty() ? nullptr : MakeConjunction(rest);
  ARROW_ASSIGN_OR_RAISE(PlanPtr new_left, Filtered(join.inputs()[0], left));
  ARROW_ASSIGN_OR_RAISE(PlanPtr new_right, Filtered(join.inputs()[1], right));
  return MakeJoinNode(std::move(new_left), std::move(new_right), join.kind, std::move(terms));
}

Result<PlanPtr> PushIntoJoin(const PlanPtr& written, Terms terms) {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr plan,
                        WithSidesFiltered(written, static_cast<const JoinNode&>(*written)));
  const auto& join = static_cast<const JoinNode&>(*plan);
  const bool is_outer = join.kind == JoinKind::kRight || join.kind == JoinKind::kFull;
  const bool into_right = join.kind == JoinKind::kInner || join.kind == JoinKind::kRight;
  if (join.kind != JoinKind::kInner) {
    return PushIntoSides(plan, !is_outer, into_right, std::move(terms));
  }
  const int width = plan->inputs()[0]->schema()->num_fields();
  Terms across;
  const auto is_across = [&](const ExpressionPtr& term) {
    const std::vector<int> columns = ColumnsOf(*term);
    return !columns.empty() && columns.front() < width && columns.back() >= width;
  };
  std::copy_if(terms.begin(), terms.end(), std::back_inserter(across), is_across);
  terms.erase(std::remove_if(terms.begin(), terms.end(), is_across), terms.end());
  ARROW_ASSIGN_OR_RAISE(const PlanPtr keyed, AddKeys(plan, join, &across));
  terms.insert(terms.end(), across.begin(), across.end());
  if (keyed == plan) return PushIntoSides(plan, true, true, std::move(terms));
  return Push(keyed, std::move(terms));
}

/// Terms over the columns that `below` maps to columns of the input (−1: none) go below `plan`.
Result<PlanPtr> PushBelow(const PlanPtr& plan, const std::vector<int>& below, Terms terms) {
  Terms moved =
      TakeMovable(&terms, [&](int column) { return below[static_cast<size_t>(column)] >= 0; });
  for (ExpressionPtr& term : moved) term = MoveColumns(term, below);
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, Push(plan->input(), std::move(moved)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr above, plan->WithInputs({std::move(input)}));
  return Filtered(std::move(above), terms);
}

std::vector<int> Nowhere(const PlanNode& plan) {
  return std::vector<int>(static_cast<size_t>(plan.schema()->num_fields()), -1);
}

/// Whole groups go or stay by their keys.
Result<PlanPtr> PushBelowAggregate(const PlanPtr& plan, const AggregateNode& aggregate,
                                   Terms terms) {
  std::vector<int> below = Nowhere(*plan);
  if (plan->properties().boundedness == Boundedness::kBounded) {
    std::copy(aggregate.keys.begin(), aggregate.keys.end(), below.begin());
  }
  return PushBelow(plan, below, std::move(terms));
}

/// Whole partitions go or stay by their keys.
Result<PlanPtr> PushBelowWindow(const PlanPtr& plan, const std::vector<int>& partition_by,
                                Terms terms) {
  std::vector<int> below = Nowhere(*plan);
  for (const int column : partition_by) below[static_cast<size_t>(column)] = column;
  return PushBelow(plan, below, std::move(terms));
}

Result<PlanPtr> PushIntoUnion(const PlanPtr& plan, Terms terms) {
  const Terms moved = TakeMovable(&terms, [](int) { return true; });
  std::vector<PlanPtr> inputs;
  for (const PlanPtr& input : plan->inputs()) {
    ARROW_ASSIGN_OR_RAISE(inputs.emplace_back(), Push(input, moved));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr above, plan->WithInputs(std::move(inputs)));
  return Filtered(std::move(above), terms);
}

/// `plan` with the filter of `terms` over it, pushed as far down as it goes.
Result<PlanPtr> Push(PlanPtr plan, Terms terms) {
  if (const auto* filter = As<FilterNode>(*plan)) {
    Terms all = SplitConjunction(filter->predicate);
    all.insert(all.end(), terms.begin(), terms.end());
    return Push(filter->input(), std::move(all));
  }
  if (const auto* project = As<ProjectNode>(*plan)) {
    return PushBelowProject(plan, *project, std::move(terms));
  }
  if (As<SortNode>(*plan) != nullptr) return PushBelowSort(plan, std::move(terms));
  if (As<JoinNode>(*plan) != nullptr) return PushIntoJoin(plan, std::move(terms));
  if (const auto* aggregate = As<AggregateNode>(*plan)) {
    return PushBelowAggregate(plan, *aggregate, std::move(terms));
  }
  if (const auto* window = As<WindowNode>(*plan)) {
    return PushBelowWindow(plan, window->partition_by, std::move(terms));
  }
  if (const auto* window = As<FramedWindowNode>(*plan)) {
    return PushBelowWindow(plan, window->partition_by, std::move(terms));
  }
  if (As<UnnestNode>(*plan) != nullptr) {
    std::vector<int> below = Nowhere(*plan);
    std::iota(below.begin(), below.begin() + plan->input()->schema()->num_fields(), 0);
    return PushBelow(plan, below, std::move(terms));
  }
  if (As<UnionNode>(*plan) != nullptr) return PushIntoUnion(plan, std::move(terms));
  if (const auto* join = As<IntervalJoinNode>(*plan)) {
    const bool inner = join->kind == JoinKind::kInner;
    return PushIntoSides(plan, inner || join->kind == JoinKind::kLeft,
                         inner || join->kind == JoinKind::kRight, std::move(terms));
  }
  if (As<AsofJoinNode>(*plan) != nullptr) return PushIntoSides(plan, true, false, std::move(terms));
  ARROW_ASSIGN_OR_RAISE(PlanPtr rewritten,
                        RewriteInputs(plan, [](const PlanPtr& input) { return Push(input, {}); }));
  return Filtered(std::move(rewritten), terms);
}

}  // namespace

Result<PlanPtr> PushFiltersDown(const PlanPtr& plan) { return Push(plan, {}); }

}  // namespace headrace
