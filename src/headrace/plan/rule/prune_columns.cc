// Columns that nobody above uses are neither read nor computed nor carried: every node is rebuilt
// for the columns that are needed of it, from the root down. count(*) reads no column at all.
#include <algorithm>
#include <numeric>

#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/temporal_join.h"
#include "headrace/plan/transform.h"

namespace headrace {

void Need(const Expression& expression, ColumnMask* needed) {
  for (int column : ColumnsOf(expression)) (*needed)[static_cast<size_t>(column)] = true;
}

void Need(const std::vector<int>& columns, ColumnMask* needed) {
  for (int column : columns) (*needed)[static_cast<size_t>(column)] = true;
}

void Need(const Ordering& order, ColumnMask* needed) {
  for (const SortKey& key : order) (*needed)[static_cast<size_t>(key.column)] = true;
}

void Need(const FramedCall& framed, ColumnMask* needed) {
  for (const ExpressionPtr& arg : framed.call.args) Need(*arg, needed);
  for (const ExpressionPtr& value : {framed.frame.start.value, framed.frame.end.value}) {
    if (value != nullptr) Need(*value, needed);
  }
}

ColumnMask NoneOf(const PlanNode& node) {
  return ColumnMask(static_cast<size_t>(node.schema()->num_fields()), false);
}

std::vector<int> Moved(std::vector<int> columns, const std::vector<int>& places) {
  for (int& column : columns) column = places[static_cast<size_t>(column)];
  return columns;
}

std::vector<FunctionCall> Moved(std::vector<FunctionCall> calls, const std::vector<int>& places) {
  for (FunctionCall& call : calls) {
    for (ExpressionPtr& arg : call.args) arg = MoveColumns(arg, places);
  }
  return calls;
}

std::vector<FramedCall> Moved(std::vector<FramedCall> calls, const std::vector<int>& places) {
  for (FramedCall& framed : calls) {
    for (ExpressionPtr& arg : framed.call.args) arg = MoveColumns(arg, places);
    for (ExpressionPtr* value : {&framed.frame.start.value, &framed.frame.end.value}) {
      if (*value != nullptr) *value = MoveColumns(*value, places);
    }
  }
  return calls;
}

Ordering Moved(Ordering order, const std::vector<int>& places) {
  for (SortKey& key : order) key.column = places[static_cast<size_t>(key.column)];
  return order;
}

ColumnMask InputPart(const ColumnMask& needed, size_t width) {
  return ColumnMask(needed.begin(), needed.begin() + static_cast<int64_t>(width));
}

Result<PrunedPlan> PruneExactly(const PlanPtr& plan, const ColumnMask& needed) {
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, plan->Prune(needed));
  const auto count = static_cast<int>(std::count(needed.begin(), needed.end(), true));
  if (pruned.plan->schema()->num_fields() == count) return pruned;
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) {
      pruned.places[i] = -1;
      continue;
    }
    outputs.push_back(ColumnOf(*pruned.plan->schema(), pruned.places[i]));
    names.push_back(outputs.back()->name);
    pruned.places[i] = static_cast<int>(outputs.size()) - 1;
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeProjectNode(std::move(pruned.plan), std::move(outputs), names));
  return pruned;
}

void PlaceAppended(const ColumnMask& needed, size_t width, PrunedPlan* pruned) {
  int next = pruned->plan->schema()->num_fields();
  for (size_t i = width; i < needed.size(); ++i) pruned->places.push_back(needed[i] ? next++ : -1);
}

namespace {

/// Both sides of a join, each for its part of what is needed.
struct PrunedSides {
  PrunedPlan left;
  PrunedPlan right;

  std::vector<int> Places() const {
    std::vector<int> places = left.places;
    const int width = left.plan->schema()->num_fields();
    for (int place : right.places) places.push_back(place < 0 ? -1 : width + place);
    return places;
  }
};

Result<PrunedSides> PruneSides(const PlanNode& join, const ColumnMask& needed,
                               const std::vector<int>& left_keys,
                               const std::vector<int>& right_keys) {
  const auto width = static_cast<int64_t>(join.inputs()[0]->schema()->num_fields());
  ColumnMask left(needed.begin(), needed.begin() + width);
  ColumnMask right(needed.begin() + width, needed.end());
  Need(left_keys, &left);
  Need(right_keys, &right);
  PrunedSides sides;
  ARROW_ASSIGN_OR_RAISE(sides.left, PruneExactly(join.inputs()[0], left));
  ARROW_ASSIGN_OR_RAISE(sides.right, PruneExactly(join.inputs()[1], right));
  return sides;
}

/// Of joins by keys and times, whose terms have the same names; `make` makes the node.
template <typename Node, typename MakeNode>
Result<PrunedPlan> PruneTimedJoin(const Node& join, const ColumnMask& needed,
                                  const MakeNode& make) {
  auto terms = join.terms;
  std::vector<int> left_keys = terms.left_keys;
  std::vector<int> right_keys = terms.right_keys;
  left_keys.push_back(terms.left_time);
  right_keys.push_back(terms.right_time);
  ColumnMask both = needed;
  if (terms.residual != nullptr) Need(*terms.residual, &both);
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides, PruneSides(join, both, left_keys, right_keys));
  PrunedPlan pruned;
  pruned.places = sides.Places();
  terms.left_keys = Moved(terms.left_keys, sides.left.places);
  terms.right_keys = Moved(terms.right_keys, sides.right.places);
  terms.left_time = sides.left.places[static_cast<size_t>(terms.left_time)];
  terms.right_time = sides.right.places[static_cast<size_t>(terms.right_time)];
  if (terms.residual != nullptr) terms.residual = MoveColumns(terms.residual, pruned.places);
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        make(sides.left.plan, sides.right.plan, join.kind, std::move(terms)));
  return pruned;
}

}  // namespace

Result<PrunedPlan> PlanNode::Prune(const ColumnMask& needed) const {
  std::vector<PlanPtr> pruned_inputs;
  for (const PlanPtr& input : inputs_) {
    ARROW_ASSIGN_OR_RAISE(pruned_inputs.emplace_back(), PruneColumns(input));
  }
  PrunedPlan pruned;
  pruned.places.resize(needed.size());
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  ARROW_ASSIGN_OR_RAISE(pruned.plan, WithInputs(std::move(pruned_inputs)));
  return pruned;
}

Result<PrunedPlan> ScanNode::Prune(const ColumnMask& needed) const {
  PrunedPlan pruned;
  ScanRequest narrowed = request;
  narrowed.projection.clear();
  for (size_t i = 0; i < needed.size(); ++i) {
    const int column = request.projection[i];
    const bool makes_watermarks = event_time.has_value() && (event_time->column == column ||
                                                             event_time->punctuation == column);
    pruned.places.push_back(-1);
    if (!needed[i] && !makes_watermarks) continue;
    pruned.places.back() = static_cast<int>(narrowed.projection.size());
    narrowed.projection.push_back(column);
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeScanNode(source, std::move(narrowed), snapshot, event_time));
  return pruned;
}

Result<PrunedPlan> FilterNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = needed;
  Need(*predicate, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeFilterNode(std::move(pruned.plan), MoveColumns(predicate, pruned.places)));
  return pruned;
}

Result<PrunedPlan> ProjectNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = NoneOf(*input());
  for (size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) Need(*expressions[i], &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned_input, input()->Prune(below));
  PrunedPlan pruned;
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (size_t i = 0; i < needed.size(); ++i) {
    pruned.places.push_back(needed[i] ? static_cast<int>(outputs.size()) : -1);
    if (!needed[i]) continue;
    outputs.push_back(MoveColumns(expressions[i], pruned_input.places));
    names.push_back(schema()->field(static_cast<int>(i))->name());
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeProjectNode(std::move(pruned_input.plan), std::move(outputs), names));
  return pruned;
}

Result<PrunedPlan> LimitNode::Prune(const ColumnMask& needed) const {
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(needed));
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeLimitNode(std::move(pruned.plan), count, offset));
  return pruned;
}

Result<PrunedPlan> SortNode::Prune(const ColumnMask& needed) const {
  ColumnMask below = needed;
  Need(keys, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, PruneExactly(input(), below));
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeSortNode(std::move(pruned.plan), Moved(keys, pruned.places)));
  return pruned;
}

Result<PrunedPlan> AggregateNode::Prune(const ColumnMask& needed) const {
  PrunedPlan pruned;
  pruned.places.resize(keys.size());
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  ColumnMask below = NoneOf(*input());
  Need(keys, &below);
  std::vector<FunctionCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    const bool stays = needed[keys.size() + i];
    const size_t place = keys.size() + kept.size();
    pruned.places.push_back(stays ? static_cast<int>(place) : -1);
    if (!stays) continue;
    kept.push_back(calls[i]);
    for (const ExpressionPtr& arg : kept.back().args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned_input, PruneExactly(input(), below));
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeAggregateNode(std::move(pruned_input.plan), Moved(keys, pruned_input.places),
                                     Moved(std::move(kept), pruned_input.places), order, emit));
  return pruned;
}

Result<PrunedPlan> WindowAggregateNode::Prune(const ColumnMask& needed) const {
  const size_t first_call = keys.size() + 2;
  PrunedPlan pruned;
  pruned.places.resize(first_call);
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  ColumnMask below = NoneOf(*input());
  Need(keys, &below);
  Need(*window.time, &below);
  // Rows that are put aside are whole.
  if (window.late == LatePolicy::kAside) below.assign(below.size(), true);
  std::vector<FunctionCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    const bool stays = needed[first_call + i];
    pruned.places.push_back(stays ? static_cast<int>(first_call + kept.size()) : -1);
    if (!stays) continue;
    kept.push_back(calls[i]);
    for (const ExpressionPtr& arg : kept.back().args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned_input, PruneExactly(input(), below));
  StreamWindowSpec moved = window;
  moved.time = MoveColumns(moved.time, pruned_input.places);
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeWindowAggregateNode(std::move(pruned_input.plan), std::move(moved),
                                                Moved(keys, pruned_input.places),
                                                Moved(std::move(kept), pruned_input.places), emit));
  return pruned;
}

/// A join's residual indexes left, then right columns; the output of some kinds lacks the right.
Result<PrunedPlan> JoinNode::Prune(const ColumnMask& needed) const {
  const auto left_width = static_cast<size_t>(inputs()[0]->schema()->num_fields());
  const auto right_width = static_cast<size_t>(inputs()[1]->schema()->num_fields());
  const bool has_right = HasRightColumns(kind);
  ColumnMask both = InputPart(needed, left_width);
  both.resize(left_width + right_width, false);
  if (has_right) both = needed;
  if (terms.residual != nullptr) Need(*terms.residual, &both);
  JoinTerms moved = terms;
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides,
                        PruneSides(*this, both, moved.left_keys, moved.right_keys));
  PrunedPlan pruned;
  pruned.places = sides.Places();
  if (moved.residual != nullptr) moved.residual = MoveColumns(moved.residual, pruned.places);
  moved.left_keys = Moved(moved.left_keys, sides.left.places);
  moved.right_keys = Moved(moved.right_keys, sides.right.places);
  const int pruned_left = sides.left.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeJoinNode(sides.left.plan, sides.right.plan, kind, std::move(moved)));
  if (!has_right) pruned.places.resize(left_width);
  if (kind == JoinKind::kMark) pruned.places.push_back(pruned_left);
  return pruned;
}

Result<PrunedPlan> IntervalJoinNode::Prune(const ColumnMask& needed) const {
  return PruneTimedJoin(*this, needed, MakeIntervalJoinNode);
}

Result<PrunedPlan> TemporalJoinNode::Prune(const ColumnMask& needed) const {
  return PruneTimedJoin(*this, needed, MakeTemporalJoinNode);
}

/// What the filter and the residual compare is given too.
Result<PrunedPlan> LookupJoinNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  const size_t num_columns = terms.columns.size();
  ColumnMask both = InputPart(needed, width);
  both.resize(width + num_columns, false);
  if (HasRightColumns(kind)) both = needed;
  if (terms.residual != nullptr) Need(*terms.residual, &both);
  ColumnMask of_table(both.begin() + static_cast<int64_t>(width), both.end());
  if (terms.filter != nullptr) Need(*terms.filter, &of_table);
  ColumnMask below = InputPart(both, width);
  Need(terms.stream_keys, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, PruneExactly(input(), below));
  LookupTerms moved = terms;
  moved.stream_keys = Moved(moved.stream_keys, pruned.places);
  moved.columns.clear();
  std::vector<int> table_places;
  const int first = pruned.plan->schema()->num_fields();
  for (size_t i = 0; i < num_columns; ++i) {
    const auto place = static_cast<int>(moved.columns.size());
    table_places.push_back(of_table[i] ? place : -1);
    pruned.places.push_back(of_table[i] ? first + place : -1);
    if (of_table[i]) moved.columns.push_back(terms.columns[i]);
  }
  if (moved.residual != nullptr) moved.residual = MoveColumns(moved.residual, pruned.places);
  if (moved.filter != nullptr) moved.filter = MoveColumns(moved.filter, table_places);
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeLookupJoinNode(std::move(pruned.plan), table, kind, std::move(moved)));
  if (!HasRightColumns(kind)) pruned.places.resize(width);
  return pruned;
}

Result<PrunedPlan> AsofJoinNode::Prune(const ColumnMask& needed) const {
  std::vector<int> left_keys = left_by;
  std::vector<int> right_keys = right_by;
  left_keys.push_back(left_time);
  right_keys.push_back(right_time);
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides, PruneSides(*this, needed, left_keys, right_keys));
  left_keys = Moved(std::move(left_keys), sides.left.places);
  right_keys = Moved(std::move(right_keys), sides.right.places);
  const int moved_left_time = left_keys.back();
  const int moved_right_time = right_keys.back();
  left_keys.pop_back();
  right_keys.pop_back();
  PrunedPlan pruned;
  pruned.places = sides.Places();
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan,
      MakeAsofJoinNode(sides.left.plan, sides.right.plan, moved_left_time, moved_right_time,
                       std::move(left_keys), std::move(right_keys), direction, strict, tolerance));
  return pruned;
}

Result<PrunedPlan> WindowNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ColumnMask below = InputPart(needed, width);
  std::vector<FunctionCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (needed[width + i]) kept.push_back(calls[i]);
  }
  if (!kept.empty()) Need(partition_by, &below);
  for (const FunctionCall& call : kept) {
    for (const ExpressionPtr& arg : call.args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  const std::vector<int> input_places = pruned.places;
  PlaceAppended(needed, width, &pruned);
  if (kept.empty()) return pruned;
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeWindowNode(std::move(pruned.plan), Moved(partition_by, input_places),
                                       Moved(std::move(kept), input_places)));
  return pruned;
}

Result<PrunedPlan> FramedWindowNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ColumnMask below = InputPart(needed, width);
  std::vector<FramedCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (needed[width + i]) kept.push_back(calls[i]);
  }
  if (!kept.empty()) {
    Need(partition_by, &below);
    Need(order, &below);
  }
  for (const FramedCall& call : kept) Need(call, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  const std::vector<int> places = pruned.places;
  PlaceAppended(needed, width, &pruned);
  if (kept.empty()) return pruned;
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeFramedWindowNode(std::move(pruned.plan), Moved(partition_by, places),
                                             Moved(order, places), Moved(kept, places)));
  return pruned;
}

Result<PrunedPlan> UnionNode::Prune(const ColumnMask& needed) const {
  std::vector<PlanPtr> rebuilt;
  PrunedPlan pruned;
  for (const PlanPtr& input : inputs()) {
    ARROW_ASSIGN_OR_RAISE(PrunedPlan of_input, PruneExactly(input, needed));
    rebuilt.push_back(std::move(of_input.plan));
    pruned.places = std::move(of_input.places);
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeUnionNode(std::move(rebuilt)));
  return pruned;
}

Result<PrunedPlan> UnnestNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ColumnMask below = InputPart(needed, width);
  Need(lists, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  const int first = pruned.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeUnnestNode(std::move(pruned.plan), Moved(lists, pruned.places), names,
                                       keep_empty, ordinality));
  for (int i = first; i < pruned.plan->schema()->num_fields(); ++i) pruned.places.push_back(i);
  return pruned;
}

Result<PrunedPlan> SampleNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(InputPart(needed, width)));
  const int first = pruned.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeSampleNode(std::move(pruned.plan), fraction, seed));
  for (int i = first; i < pruned.plan->schema()->num_fields(); ++i) pruned.places.push_back(i);
  return pruned;
}

/// The call stays: what user code does besides giving a value is not known.
Result<PrunedPlan> CallbackNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ColumnMask below = InputPart(needed, width);
  Need(args, &below);
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  std::vector<int> moved = Moved(args, pruned.places);
  pruned.places.push_back(pruned.plan->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeCallbackNode(std::move(pruned.plan), callback_id,
                                                      std::move(moved), output_name, type));
  return pruned;
}

Result<PlanPtr> PruneColumns(const PlanPtr& plan) {
  const ColumnMask all(static_cast<size_t>(plan->schema()->num_fields()), true);
  ARROW_ASSIGN_OR_RAISE(const PrunedPlan pruned, PruneExactly(plan, all));
  return pruned.plan;
}

}  // namespace headrace
