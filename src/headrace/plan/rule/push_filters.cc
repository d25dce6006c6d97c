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

/// Takes out of `terms` those that never raise and whose columns, of which there are some, pass
/// `are_here`.
template <typename AreHere>
Terms TakeTerms(Terms* terms, AreHere are_here) {
  Terms moved;
  const auto stays = [&](const ExpressionPtr& term) {
    const std::vector<int> columns = ColumnsOf(*term);
    const bool moves = NeverRaises(*term) && !columns.empty() && are_here(columns);
    if (moves) moved.push_back(term);
    return !moves;
  };
  terms->erase(std::stable_partition(terms->begin(), terms->end(), stays), terms->end());
  return moved;
}

/// The same where each column passes `is_here`.
template <typename IsHere>
Terms TakeMovable(Terms* terms, IsHere is_here) {
  return TakeTerms(terms, [&](const std::vector<int>& columns) {
    return std::all_of(columns.begin(), columns.end(), is_here);
  });
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

bool HavePlaces(const std::vector<int>& columns, const std::vector<int>& places) {
  return !places.empty() && std::all_of(columns.begin(), columns.end(), [&](int column) {
    return places[static_cast<size_t>(column)] >= 0;
  });
}

/// Terms go to every input where their columns have places.
Result<PlanPtr> PushIntoInputs(const PlanPtr& plan, Terms terms) {
  std::vector<std::vector<int>> places;
  for (size_t i = 0; i < plan->inputs().size(); ++i) places.push_back(plan->FilterPlaces(i));
  const Terms movable = TakeTerms(&terms, [&](const std::vector<int>& columns) {
    return std::any_of(places.begin(), places.end(), [&](const std::vector<int>& of_input) {
      return HavePlaces(columns, of_input);
    });
  });
  if (movable.empty()) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr rewritten, RewriteInputs(plan, PushFiltersDown));
    return Filtered(std::move(rewritten), terms);
  }
  std::vector<PlanPtr> inputs;
  for (size_t i = 0; i < places.size(); ++i) {
    Terms below;
    for (const ExpressionPtr& term : movable) {
      if (HavePlaces(ColumnsOf(*term), places[i])) below.push_back(MoveColumns(term, places[i]));
    }
    ARROW_ASSIGN_OR_RAISE(inputs.emplace_back(), Push(plan->inputs()[i], std::move(below)));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr above, plan->WithInputs(std::move(inputs)));
  return Filtered(std::move(above), terms);
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
  if (join.kind != JoinKind::kInner) return PushIntoInputs(plan, std::move(terms));
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
  if (keyed == plan) return PushIntoInputs(plan, std::move(terms));
  return Push(keyed, std::move(terms));
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
  if (As<JoinNode>(*plan) != nullptr) return PushIntoJoin(plan, std::move(terms));
  return PushIntoInputs(plan, std::move(terms));
}

/// `columns` of the input keep their numbers in the output of `plan`; others have no place.
std::vector<int> PlacesOf(const PlanNode& plan, const std::vector<int>& columns) {
  std::vector<int> places(static_cast<size_t>(plan.schema()->num_fields()), -1);
  for (const int column : columns) places[static_cast<size_t>(column)] = column;
  return places;
}

/// The columns of input `input` of `plan`, whose output has those of its first input and then maybe
/// those of its second, and others.
std::vector<int> PlacesOfSide(const PlanNode& plan, size_t input) {
  std::vector<int> places(static_cast<size_t>(plan.schema()->num_fields()), -1);
  const int first = input == 0 ? 0 : plan.inputs()[0]->schema()->num_fields();
  const int width = plan.inputs()[input]->schema()->num_fields();
  std::iota(places.begin() + first, places.begin() + first + width, 0);
  return places;
}

/// Every column stands in the input where it stands in the output of `plan`.
std::vector<int> AllPlaces(const PlanNode& plan) {
  std::vector<int> places(static_cast<size_t>(plan.schema()->num_fields()));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

}  // namespace

Result<PlanPtr> PushFiltersDown(const PlanPtr& plan) { return Push(plan, {}); }

std::vector<int> PlanNode::FilterPlaces(size_t /*input*/) const { return {}; }

std::vector<int> SortNode::FilterPlaces(size_t input) const { return PlacesOfSide(*this, input); }

/// Whole groups go or stay by their keys.
std::vector<int> AggregateNode::FilterPlaces(size_t /*input*/) const {
  if (IsEndless(*this)) return {};
  std::vector<int> places(static_cast<size_t>(schema()->num_fields()), -1);
  std::copy(keys.begin(), keys.end(), places.begin());
  return places;
}

/// Terms over one side go there when the other side alone makes no row.
std::vector<int> JoinNode::FilterPlaces(size_t input) const {
  const bool into_left = kind != JoinKind::kRight && kind != JoinKind::kFull;
  const bool into_right = kind == JoinKind::kInner || kind == JoinKind::kRight;
  if (!(input == 0 ? into_left : into_right)) return {};
  return PlacesOfSide(*this, input);
}

std::vector<int> AsofJoinNode::FilterPlaces(size_t input) const {
  if (input == 1) return {};
  return PlacesOfSide(*this, input);
}

std::vector<int> IntervalJoinNode::FilterPlaces(size_t input) const {
  const bool moves =
      kind == JoinKind::kInner || kind == (input == 0 ? JoinKind::kLeft : JoinKind::kRight);
  if (!moves) return {};
  return PlacesOfSide(*this, input);
}

/// Whole partitions go or stay by their keys.
std::vector<int> WindowNode::FilterPlaces(size_t /*input*/) const {
  return PlacesOf(*this, partition_by);
}

std::vector<int> FramedWindowNode::FilterPlaces(size_t /*input*/) const {
  return PlacesOf(*this, partition_by);
}

std::vector<int> UnionNode::FilterPlaces(size_t /*input*/) const { return AllPlaces(*this); }

std::vector<int> RepeatNode::FilterPlaces(size_t /*input*/) const { return AllPlaces(*this); }

std::vector<int> UnnestNode::FilterPlaces(size_t input) const { return PlacesOfSide(*this, input); }

}  // namespace headrace
