// GROUP BY: groups and sets of groups, and the aggregates over them. Aggregates with rows or an
// order of their own are computed beside the others and joined to them by the groups.
#include <algorithm>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"
#include "headrace/sql/select_binder.h"
#include "headrace/types/encoding.h"

namespace headrace::sql {
namespace {

bool SameKey(const SortExpression& left, const SortExpression& right) {
  return left.descending == right.descending && left.nulls == right.nulls &&
         Equals(*left.expression, *right.expression);
}

bool SameKeys(const std::vector<SortExpression>& left, const std::vector<SortExpression>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), SameKey);
}

bool SameFilter(const ExpressionPtr& left, const ExpressionPtr& right) {
  if (left == nullptr || right == nullptr) return left == right;
  return Equals(*left, *right);
}

/// Equal row for row, whatever the order of rows.
bool IgnoresOrder(const NamedExpression& named) {
  return !named.expression->function->Has(function_flag::kOrderSensitive);
}

/// Groups of both sides, the right ones where they are there.
Result<PlanPtr> JoinGroups(PlanPtr left, PlanPtr right, size_t num_groups) {
  JoinTerms terms;
  for (size_t i = 0; i < num_groups; ++i) {
    terms.left_keys.push_back(static_cast<int>(i));
    terms.right_keys.push_back(static_cast<int>(i));
    terms.nulls.push_back(NullMatching::kMatch);
  }
  return MakeJoinNode(std::move(left), std::move(right), JoinKind::kLeft, std::move(terms));
}

}  // namespace

/// Whether an aggregate is in it, also one that is computed on its own.
bool SelectBinder::HoldsAggregate(const Expression& expression) const {
  if (ContainsCall(expression, FunctionKind::kAggregate)) return true;
  for (const int column : ColumnsOf(expression)) {
    const Extra* extra = ExtraOf(*Expression::Column(column, "", nullptr));
    if (extra == nullptr) continue;
    if (extra->use == "aggregate" || extra->use == "grouping") return true;
    if (extra->use.starts_with("window_")) return true;
    const bool is_value = extra->use == "unnest" || extra->use == "once";
    if (is_value && HoldsAggregate(*extra->operands.front())) return true;
  }
  return false;
}

Status SelectBinder::BindGroups() {
  if (select_.group_by_all) {
    for (size_t i = 0; i < num_items_; ++i) {
      if (!HoldsAggregate(*outputs_[i].expression)) groups_.push_back(outputs_[i]);
    }
    return AddWindowPartitions();
  }
  for (const UnboundPtr& group : select_.group_by) {
    const bool is_window = time_window_ != nullptr && IsWindowBound(*group);
    if (is_window && !select_.grouping_sets.empty()) {
      return WithSpan(Error(ErrorKind::kUnsupported,
                            "the window is a group of every grouping set; leave its bounds out"),
                      group->span);
    }
    if (is_window) continue;
    ARROW_ASSIGN_OR_RAISE(const std::optional<size_t> position, Position(*group, "GROUP BY"));
    if (position.has_value()) {
      groups_.push_back(outputs_[*position]);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr bound, BindPrepared(group));
    groups_.push_back({std::move(bound), DefaultName(*group)});
  }
  ARROW_RETURN_NOT_OK(SameGroupingSets());
  return AddWindowPartitions();
}

/// The sets by the first of equal groups.
Status SelectBinder::SameGroupingSets() {
  for (const std::vector<size_t>& set : select_.grouping_sets) {
    sets_.emplace_back();
    for (const size_t group : set) {
      size_t first = 0;
      while (!Equals(*groups_[first].expression, *groups_[group].expression)) ++first;
      const bool known = std::count(sets_.back().begin(), sets_.back().end(), first) > 0;
      if (!known) sets_.back().push_back(first);
    }
  }
  return Status::OK();
}

bool SelectBinder::IsAggregate() const {
  if (!groups_.empty() || !sets_.empty() || having_ != nullptr) return true;
  if (time_window_ != nullptr) return true;
  if (qualify_ != nullptr && HoldsAggregate(*qualify_)) return true;
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const NamedExpression& output) {
    return HoldsAggregate(*output.expression);
  });
}

/// Aggregates of `expression` and of the operands of its subqueries, without repeats.
void SelectBinder::CollectAggregates(const ExpressionPtr& expression) {
  const Extra* extra =
      expression->kind == Expression::Kind::kColumn ? ExtraOf(*expression) : nullptr;
  if (extra != nullptr && extra->use != "aggregate") {
    for (const ExpressionPtr& operand : extra->operands) CollectAggregates(operand);
  }
  if (!IsCallOf(*expression, FunctionKind::kAggregate)) {
    ForEachPart(*expression, [&](const ExpressionPtr& part) { CollectAggregates(part); });
    return;
  }
  for (const NamedExpression& known : calls_) {
    if (Equals(*known.expression, *expression)) return;
  }
  calls_.push_back({expression, ToString(*expression)});
}

/// The aggregates by what rows they see. The first pass has all groups: those without rows or an
/// order of their own, unless they can go with another.
std::vector<SelectBinder::AggregatePass> SelectBinder::Passes() const {
  AggregatePass plain;
  plain.calls = calls_;
  for (size_t i = 0; i < calls_.size(); ++i) plain.places.push_back(i);
  std::vector<AggregatePass> passes = {std::move(plain)};
  size_t place = calls_.size();
  for (const Extra& extra : extras_) {
    if (extra.use != "aggregate") continue;
    auto pass = std::find_if(passes.begin() + 1, passes.end(), [&](const AggregatePass& other) {
      return SameKeys(other.order, extra.order) && SameFilter(other.filter, extra.filter);
    });
    if (pass == passes.end()) {
      pass = passes.insert(pass, AggregatePass{extra.order, extra.filter, {}, {}});
    }
    pass->calls.push_back({extra.operands.front(), ToString(*extra.operands.front())});
    pass->places.push_back(place++);
  }
  if (!std::all_of(calls_.begin(), calls_.end(), IgnoresOrder)) return passes;
  const auto whole = std::find_if(passes.begin() + 1, passes.end(), [](const AggregatePass& other) {
    return other.filter == nullptr;
  });
  if (whole == passes.end()) return passes;
  whole->calls.insert(whole->calls.end(), calls_.begin(), calls_.end());
  whole->places.insert(whole->places.end(), passes[0].places.begin(), passes[0].places.end());
  std::swap(passes[0], *whole);
  passes.erase(whole);
  return passes;
}

/// One row per group: the groups, then the aggregates, those of their own last, then what GROUPING
/// gives.
Result<PlanPtr> SelectBinder::PlanGroups(PlanPtr plan) {
  for (const NamedExpression& output : outputs_) CollectAggregates(output.expression);
  if (having_ != nullptr) CollectAggregates(having_);
  if (qualify_ != nullptr) CollectAggregates(qualify_);
  std::vector<NamedExpression> groups = groups_;
  std::vector<AggregatePass> passes = Passes();
  std::vector<ExpressionPtr*> parts;
  for (NamedExpression& group : groups) parts.push_back(&group.expression);
  for (AggregatePass& pass : passes) {
    for (NamedExpression& call : pass.calls) parts.push_back(&call.expression);
    for (SortExpression& key : pass.order) parts.push_back(&key.expression);
    if (pass.filter != nullptr) parts.push_back(&pass.filter);
  }
  if (window_.has_value()) parts.push_back(&window_->time);
  for (ExpressionPtr* part : parts) {
    ARROW_ASSIGN_OR_RAISE(*part, Attached(*part, &plan));
  }
  std::vector<std::vector<size_t>> sets = sets_;
  if (sets.empty()) {
    sets.emplace_back();
    for (size_t i = 0; i < groups.size(); ++i) sets.back().push_back(i);
  }
  std::vector<PlanPtr> plans;
  for (const std::vector<size_t>& set : sets) {
    ARROW_ASSIGN_OR_RAISE(plans.emplace_back(), PlanGroupingSet(plan, groups, passes, set));
  }
  if (plans.size() == 1) {
    plan = std::move(plans.front());
  } else {
    ARROW_ASSIGN_OR_RAISE(plan, PlanUnion(std::move(plans)));
  }
  if (is_single_) {
    ARROW_ASSIGN_OR_RAISE(plan, WithEmptyGroups(std::move(plan)));
  }
  for (const auto& [extra, column] : attached_) {
    if (extras_[extra].use == "once") below_groups_.insert(extra);
  }
  attached_.clear();
  int place = static_cast<int>(groups_.size() + calls_.size());
  for (const char* use : {"aggregate", "grouping"}) {
    for (size_t i = 0; i < extras_.size(); ++i) {
      if (extras_[i].use == use) attached_[i] = place++;
    }
  }
  for (size_t i = 0; i < extras_.size(); ++i) {
    if (extras_[i].use == "window_start") attached_[i] = place;
    if (extras_[i].use == "window_end") attached_[i] = place + 1;
  }
  grouped_ = true;
  return plan;
}

namespace {

/// `plan` grouped by `groups`, with the aggregates of one pass behind them.
Result<PlanPtr> PlanPass(PlanPtr plan, std::vector<NamedExpression> groups,
                         std::vector<NamedExpression> calls, std::vector<SortExpression> order,
                         ExpressionPtr filter, bool emits_final) {
  AggregateOptions options;
  if (plan->properties().boundedness == Boundedness::kUnbounded && !emits_final) {
    options.emit = EmitPolicy::kChanges;
  }
  options.waits_for_end = emits_final;
  if (filter != nullptr) {
    ARROW_ASSIGN_OR_RAISE(plan, PlanFilter(std::move(plan), std::move(filter)));
  }
  if (!order.empty()) {
    options.order = GroupOrder::kFirstAppearance;  // of distinct values too
    ARROW_ASSIGN_OR_RAISE(plan, PlanSort(std::move(plan), std::move(order)));
  }
  return PlanAggregate(std::move(plan), std::move(groups), std::move(calls), nullptr, options);
}

}  // namespace

Result<PlanPtr> SelectBinder::PlanGroupingSet(const PlanPtr& plan,
                                              const std::vector<NamedExpression>& groups,
                                              const std::vector<AggregatePass>& passes,
                                              const std::vector<size_t>& set) const {
  std::vector<NamedExpression> kept;
  for (const size_t group : set) kept.push_back(groups[group]);
  PlanPtr grouped;
  std::map<size_t, int> places;
  for (const AggregatePass& pass : passes) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr part,
                          window_.has_value()
                              ? PlanWindowPass(plan, kept, pass)
                              : PlanPass(plan, kept, pass.calls, pass.order, pass.filter,
                                         binder_.terms_.emits_final.value_or(false)));
    int first = static_cast<int>(kept.size()) + (window_.has_value() ? 2 : 0);
    if (grouped != nullptr) first += grouped->schema()->num_fields();
    for (const size_t place : pass.places) places[place] = first++;
    if (grouped == nullptr) {
      grouped = std::move(part);
    } else {
      ARROW_ASSIGN_OR_RAISE(grouped, JoinGroups(std::move(grouped), std::move(part), kept.size()));
    }
  }
  const bool has_grouping = std::any_of(extras_.begin(), extras_.end(),
                                        [](const Extra& extra) { return extra.use == "grouping"; });
  const bool is_wanted = !window_.has_value() && passes.size() == 1 &&
                         set.size() == groups.size() && !has_grouping &&
                         calls_.size() == places.size() && std::is_sorted(set.begin(), set.end());
  if (is_wanted) return grouped;
  std::vector<NamedExpression> outputs;
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto found = std::find(set.begin(), set.end(), i);
    const auto null = [&] {
      return Expression::Literal(arrow::MakeNullScalar(PlainType(groups[i].expression->type)));
    };
    outputs.push_back({found == set.end()
                           ? null()
                           : ColumnOf(*grouped->schema(), static_cast<int>(found - set.begin())),
                       groups[i].name});
  }
  for (const auto& [place, column] : places) {
    const ExpressionPtr call = ColumnOf(*grouped->schema(), column);
    outputs.push_back({call, call->name});
  }
  for (const Extra& extra : extras_) {
    if (extra.use != "grouping") continue;
    ARROW_ASSIGN_OR_RAISE(ExpressionPtr value, GroupingOf(extra, set));
    outputs.push_back({std::move(value), "grouping"});
  }
  for (int i = 0; window_.has_value() && i < 2; ++i) {
    const ExpressionPtr bound = ColumnOf(*grouped->schema(), static_cast<int>(kept.size()) + i);
    outputs.push_back({bound, bound->name});
  }
  return PlanProject(std::move(grouped), std::move(outputs));
}

/// GROUPING(a, b): a bit per group, set where it is none of `set`; the last is the lowest.
Result<ExpressionPtr> SelectBinder::GroupingOf(const Extra& extra,
                                               const std::vector<size_t>& set) const {
  int64_t bits = 0;
  for (const ExpressionPtr& operand : extra.operands) {
    size_t group = 0;
    while (group < groups_.size() && !Equals(*groups_[group].expression, *operand)) ++group;
    if (group == groups_.size()) {
      return WithSpan(Error(ErrorKind::kInvalidArgument, "GROUPING takes groups (GROUP BY), got {}",
                            ToString(*operand)),
                      operand->span);
    }
    bits = 2 * bits + (std::find(set.begin(), set.end(), group) == set.end() ? 1 : 0);
  }
  return Expression::Literal(std::make_shared<arrow::Int64Scalar>(bits));
}

}  // namespace headrace::sql
