// Columns that nobody above uses are neither read nor computed nor carried: every node is rebuilt
// for the columns that are needed of it, from the root down. count(*) reads no column at all.
#include <algorithm>
#include <numeric>

#include "arrow/type.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/row_buffer.h"
#include "headrace/plan/rule/rule.h"
#include "headrace/plan/temporal_join.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

/// needed[c]: whether column c of a node's output is used above it.
using Needed = std::vector<bool>;

/// A rebuilt node; places[c] is where old column c is now, −1 when it is gone.
struct Pruned {
  PlanPtr plan;
  std::vector<int> places;
};

void Need(const Expression& expression, Needed* needed) {
  for (int column : ColumnsOf(expression)) (*needed)[static_cast<size_t>(column)] = true;
}

void Need(const std::vector<int>& columns, Needed* needed) {
  for (int column : columns) (*needed)[static_cast<size_t>(column)] = true;
}

void Need(const Ordering& order, Needed* needed) {
  for (const SortKey& key : order) (*needed)[static_cast<size_t>(key.column)] = true;
}

void Need(const FramedCall& framed, Needed* needed) {
  for (const ExpressionPtr& arg : framed.call.args) Need(*arg, needed);
  for (const ExpressionPtr& value : {framed.frame.start.value, framed.frame.end.value}) {
    if (value != nullptr) Need(*value, needed);
  }
}

Needed NoneOf(const PlanNode& node) {
  return Needed(static_cast<size_t>(node.schema()->num_fields()), false);
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

/// The first `width` entries of what is needed of a node that appends columns to its input's.
Needed InputPart(const Needed& needed, size_t width) {
  return Needed(needed.begin(), needed.begin() + static_cast<int64_t>(width));
}

Result<Pruned> Prune(const PlanPtr& plan, const Needed& needed);

/// Prunes and drops even the columns that only a filter below needed: for inputs whose rows are
/// copied.
Result<Pruned> PruneExactly(const PlanPtr& plan, const Needed& needed) {
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(plan, needed));
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

Result<Pruned> PruneScan(const ScanNode& scan, Needed needed) {
  Pruned pruned;
  ScanRequest request = scan.request;
  request.projection.clear();
  for (size_t i = 0; i < needed.size(); ++i) {
    const int column = scan.request.projection[i];
    const bool makes_watermarks =
        scan.event_time.has_value() &&
        (scan.event_time->column == column || scan.event_time->punctuation == column);
    pruned.places.push_back(-1);
    if (!needed[i] && !makes_watermarks) continue;
    pruned.places.back() = static_cast<int>(request.projection.size());
    request.projection.push_back(column);
  }
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeScanNode(scan.source, std::move(request), scan.snapshot, scan.event_time));
  return pruned;
}

Result<Pruned> PruneFilter(const FilterNode& filter, Needed needed) {
  Need(*filter.predicate, &needed);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(filter.input(), needed));
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeFilterNode(std::move(pruned.plan),
                                                    MoveColumns(filter.predicate, pruned.places)));
  return pruned;
}

Result<Pruned> PruneProject(const ProjectNode& project, const Needed& needed) {
  Needed below = NoneOf(*project.input());
  for (size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) Need(*project.expressions[i], &below);
  }
  ARROW_ASSIGN_OR_RAISE(Pruned input, Prune(project.input(), below));
  Pruned pruned;
  std::vector<ExpressionPtr> outputs;
  std::vector<std::string> names;
  for (size_t i = 0; i < needed.size(); ++i) {
    pruned.places.push_back(needed[i] ? static_cast<int>(outputs.size()) : -1);
    if (!needed[i]) continue;
    outputs.push_back(MoveColumns(project.expressions[i], input.places));
    names.push_back(project.schema()->field(static_cast<int>(i))->name());
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeProjectNode(std::move(input.plan), std::move(outputs), names));
  return pruned;
}

Result<Pruned> PruneLimit(const LimitNode& limit, const Needed& needed) {
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(limit.input(), needed));
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeLimitNode(std::move(pruned.plan), limit.count, limit.offset));
  return pruned;
}

Result<Pruned> PruneSort(const SortNode& sort, Needed needed) {
  Need(sort.keys, &needed);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, PruneExactly(sort.input(), needed));
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeSortNode(std::move(pruned.plan), Moved(sort.keys, pruned.places)));
  return pruned;
}

Result<Pruned> PruneAggregate(const AggregateNode& aggregate, const Needed& needed) {
  Pruned pruned;
  pruned.places.resize(aggregate.keys.size());
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  Needed below = NoneOf(*aggregate.input());
  Need(aggregate.keys, &below);
  std::vector<FunctionCall> calls;
  for (size_t i = 0; i < aggregate.calls.size(); ++i) {
    const bool stays = needed[aggregate.keys.size() + i];
    const size_t place = aggregate.keys.size() + calls.size();
    pruned.places.push_back(stays ? static_cast<int>(place) : -1);
    if (!stays) continue;
    calls.push_back(aggregate.calls[i]);
    for (const ExpressionPtr& arg : calls.back().args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(Pruned input, PruneExactly(aggregate.input(), below));
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan,
      MakeAggregateNode(std::move(input.plan), Moved(aggregate.keys, input.places),
                        Moved(std::move(calls), input.places), aggregate.order, aggregate.emit));
  return pruned;
}

Result<Pruned> PruneWindowAggregate(const WindowAggregateNode& aggregate, const Needed& needed) {
  const size_t first_call = aggregate.keys.size() + 2;
  Pruned pruned;
  pruned.places.resize(first_call);
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  Needed below = NoneOf(*aggregate.input());
  Need(aggregate.keys, &below);
  Need(*aggregate.window.time, &below);
  // Rows that are put aside are whole.
  if (aggregate.window.late == LatePolicy::kAside) below.assign(below.size(), true);
  std::vector<FunctionCall> calls;
  for (size_t i = 0; i < aggregate.calls.size(); ++i) {
    const bool stays = needed[first_call + i];
    pruned.places.push_back(stays ? static_cast<int>(first_call + calls.size()) : -1);
    if (!stays) continue;
    calls.push_back(aggregate.calls[i]);
    for (const ExpressionPtr& arg : calls.back().args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(Pruned input, PruneExactly(aggregate.input(), below));
  StreamWindowSpec window = aggregate.window;
  window.time = MoveColumns(window.time, input.places);
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeWindowAggregateNode(std::move(input.plan), std::move(window),
                                           Moved(aggregate.keys, input.places),
                                           Moved(std::move(calls), input.places), aggregate.emit));
  return pruned;
}

/// Both sides of a join, each for its part of what is needed.
struct PrunedSides {
  Pruned left;
  Pruned right;

  std::vector<int> Places() const {
    std::vector<int> places = left.places;
    const int width = left.plan->schema()->num_fields();
    for (int place : right.places) places.push_back(place < 0 ? -1 : width + place);
    return places;
  }
};

Result<PrunedSides> PruneSides(const PlanNode& join, const Needed& needed,
                               const std::vector<int>& left_keys,
                               const std::vector<int>& right_keys) {
  const auto width = static_cast<int64_t>(join.inputs()[0]->schema()->num_fields());
  Needed left(needed.begin(), needed.begin() + width);
  Needed right(needed.begin() + width, needed.end());
  Need(left_keys, &left);
  Need(right_keys, &right);
  PrunedSides sides;
  ARROW_ASSIGN_OR_RAISE(sides.left, PruneExactly(join.inputs()[0], left));
  ARROW_ASSIGN_OR_RAISE(sides.right, PruneExactly(join.inputs()[1], right));
  return sides;
}

/// A join's residual indexes left, then right columns; the output of some kinds lacks the right.
Result<Pruned> PruneJoin(const JoinNode& join, const Needed& needed) {
  const auto left_width = static_cast<size_t>(join.inputs()[0]->schema()->num_fields());
  const auto right_width = static_cast<size_t>(join.inputs()[1]->schema()->num_fields());
  const bool has_right = HasRightColumns(join.kind);
  Needed both = InputPart(needed, left_width);
  both.resize(left_width + right_width, false);
  if (has_right) both = needed;
  if (join.terms.residual != nullptr) Need(*join.terms.residual, &both);
  JoinTerms terms = join.terms;
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides,
                        PruneSides(join, both, terms.left_keys, terms.right_keys));
  Pruned pruned;
  pruned.places = sides.Places();
  if (terms.residual != nullptr) terms.residual = MoveColumns(terms.residual, pruned.places);
  terms.left_keys = Moved(terms.left_keys, sides.left.places);
  terms.right_keys = Moved(terms.right_keys, sides.right.places);
  const int pruned_left = sides.left.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeJoinNode(sides.left.plan, sides.right.plan, join.kind, std::move(terms)));
  if (!has_right) pruned.places.resize(left_width);
  if (join.kind == JoinKind::kMark) pruned.places.push_back(pruned_left);
  return pruned;
}

/// Of joins by keys and times, whose terms have the same names; `make` makes the node.
template <typename Node, typename MakeNode>
Result<Pruned> PruneTimedJoin(const Node& join, const Needed& needed, const MakeNode& make) {
  auto terms = join.terms;
  std::vector<int> left_keys = terms.left_keys;
  std::vector<int> right_keys = terms.right_keys;
  left_keys.push_back(terms.left_time);
  right_keys.push_back(terms.right_time);
  Needed both = needed;
  if (terms.residual != nullptr) Need(*terms.residual, &both);
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides, PruneSides(join, both, left_keys, right_keys));
  Pruned pruned;
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

/// What the filter and the residual compare is given too.
Result<Pruned> PruneLookupJoin(const LookupJoinNode& join, const Needed& needed) {
  const auto width = static_cast<size_t>(join.input()->schema()->num_fields());
  const size_t num_columns = join.terms.columns.size();
  Needed both = InputPart(needed, width);
  both.resize(width + num_columns, false);
  if (HasRightColumns(join.kind)) both = needed;
  if (join.terms.residual != nullptr) Need(*join.terms.residual, &both);
  Needed of_table(both.begin() + static_cast<int64_t>(width), both.end());
  if (join.terms.filter != nullptr) Need(*join.terms.filter, &of_table);
  Needed below = InputPart(both, width);
  Need(join.terms.stream_keys, &below);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, PruneExactly(join.input(), below));
  LookupTerms terms = join.terms;
  terms.stream_keys = Moved(terms.stream_keys, pruned.places);
  terms.columns.clear();
  std::vector<int> table_places;
  const int first = pruned.plan->schema()->num_fields();
  for (size_t i = 0; i < num_columns; ++i) {
    const auto place = static_cast<int>(terms.columns.size());
    table_places.push_back(of_table[i] ? place : -1);
    pruned.places.push_back(of_table[i] ? first + place : -1);
    if (of_table[i]) terms.columns.push_back(join.terms.columns[i]);
  }
  if (terms.residual != nullptr) terms.residual = MoveColumns(terms.residual, pruned.places);
  if (terms.filter != nullptr) terms.filter = MoveColumns(terms.filter, table_places);
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeLookupJoinNode(std::move(pruned.plan), join.table,
                                                        join.kind, std::move(terms)));
  if (!HasRightColumns(join.kind)) pruned.places.resize(width);
  return pruned;
}

Result<Pruned> PruneAsofJoin(const AsofJoinNode& join, const Needed& needed) {
  std::vector<int> left_keys = join.left_by;
  std::vector<int> right_keys = join.right_by;
  left_keys.push_back(join.left_time);
  right_keys.push_back(join.right_time);
  ARROW_ASSIGN_OR_RAISE(PrunedSides sides, PruneSides(join, needed, left_keys, right_keys));
  left_keys = Moved(std::move(left_keys), sides.left.places);
  right_keys = Moved(std::move(right_keys), sides.right.places);
  const int left_time = left_keys.back();
  const int right_time = right_keys.back();
  left_keys.pop_back();
  right_keys.pop_back();
  Pruned pruned;
  pruned.places = sides.Places();
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeAsofJoinNode(sides.left.plan, sides.right.plan, left_time, right_time,
                                    std::move(left_keys), std::move(right_keys), join.direction,
                                    join.strict, join.tolerance));
  return pruned;
}

Result<Pruned> PruneWindow(const WindowNode& window, const Needed& needed) {
  const auto width = static_cast<size_t>(window.input()->schema()->num_fields());
  Needed below = InputPart(needed, width);
  std::vector<FunctionCall> calls;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    if (needed[width + i]) calls.push_back(window.calls[i]);
  }
  if (!calls.empty()) Need(window.partition_by, &below);
  for (const FunctionCall& call : calls) {
    for (const ExpressionPtr& arg : call.args) Need(*arg, &below);
  }
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(window.input(), below));
  int next = pruned.plan->schema()->num_fields();
  const std::vector<int> input_places = pruned.places;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    pruned.places.push_back(needed[width + i] ? next++ : -1);
  }
  if (calls.empty()) return pruned;
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeWindowNode(std::move(pruned.plan), Moved(window.partition_by, input_places),
                                  Moved(std::move(calls), input_places)));
  return pruned;
}

Result<Pruned> PruneFramedWindow(const FramedWindowNode& window, const Needed& needed) {
  const auto width = static_cast<size_t>(window.input()->schema()->num_fields());
  Needed below = InputPart(needed, width);
  std::vector<FramedCall> calls;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    if (needed[width + i]) calls.push_back(window.calls[i]);
  }
  if (!calls.empty()) {
    Need(window.partition_by, &below);
    Need(window.order, &below);
  }
  for (const FramedCall& call : calls) Need(call, &below);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(window.input(), below));
  int next = pruned.plan->schema()->num_fields();
  const std::vector<int> places = pruned.places;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    pruned.places.push_back(needed[width + i] ? next++ : -1);
  }
  if (calls.empty()) return pruned;
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeFramedWindowNode(std::move(pruned.plan), Moved(window.partition_by, places),
                                        Moved(window.order, places), Moved(calls, places)));
  return pruned;
}

/// Without calls it still says which rows there are, and in which order.
Result<Pruned> PruneRowBuffer(const RowBufferNode& buffer, const Needed& needed) {
  const auto width = static_cast<size_t>(buffer.input()->schema()->num_fields());
  RowBufferTerms terms = buffer.terms;
  Needed below = InputPart(needed, width);
  Need(terms.partition_by, &below);
  Need(terms.order, &below);
  for (const int column : {terms.time, terms.clock}) {
    if (column >= 0) below[static_cast<size_t>(column)] = true;
  }
  std::vector<FramedCall> calls;
  for (size_t i = 0; i < buffer.calls.size(); ++i) {
    if (!needed[width + i]) continue;
    calls.push_back(buffer.calls[i]);
    Need(calls.back(), &below);
  }
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, PruneExactly(buffer.input(), below));
  int next = pruned.plan->schema()->num_fields();
  const std::vector<int> places = pruned.places;
  for (size_t i = 0; i < buffer.calls.size(); ++i) {
    pruned.places.push_back(needed[width + i] ? next++ : -1);
  }
  terms.partition_by = Moved(terms.partition_by, places);
  terms.order = Moved(terms.order, places);
  for (int* column : {&terms.time, &terms.clock}) {
    if (*column >= 0) *column = places[static_cast<size_t>(*column)];
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeRowBufferNode(std::move(pruned.plan), std::move(terms),
                                                       Moved(calls, places)));
  return pruned;
}

Result<Pruned> PruneUnion(const UnionNode& node, const Needed& needed) {
  std::vector<PlanPtr> inputs;
  Pruned pruned;
  for (const PlanPtr& input : node.inputs()) {
    ARROW_ASSIGN_OR_RAISE(Pruned of_input, PruneExactly(input, needed));
    inputs.push_back(std::move(of_input.plan));
    pruned.places = std::move(of_input.places);
  }
  ARROW_ASSIGN_OR_RAISE(pruned.plan, MakeUnionNode(std::move(inputs)));
  return pruned;
}

Result<Pruned> PruneUnnest(const UnnestNode& node, const Needed& needed) {
  const auto width = static_cast<size_t>(node.input()->schema()->num_fields());
  Needed below = InputPart(needed, width);
  Need(node.lists, &below);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(node.input(), below));
  const int first = pruned.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeUnnestNode(std::move(pruned.plan), Moved(node.lists, pruned.places),
                                       node.names, node.keep_empty, node.ordinality));
  for (int i = first; i < pruned.plan->schema()->num_fields(); ++i) pruned.places.push_back(i);
  return pruned;
}

Result<Pruned> PruneSample(const SampleNode& node, const Needed& needed) {
  const auto width = static_cast<size_t>(node.input()->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(node.input(), InputPart(needed, width)));
  const int first = pruned.plan->schema()->num_fields();
  ARROW_ASSIGN_OR_RAISE(pruned.plan,
                        MakeSampleNode(std::move(pruned.plan), node.fraction, node.seed));
  for (int i = first; i < pruned.plan->schema()->num_fields(); ++i) pruned.places.push_back(i);
  return pruned;
}

/// The call stays: what user code does besides giving a value is not known.
Result<Pruned> PruneCallback(const CallbackNode& callback, const Needed& needed) {
  const auto width = static_cast<size_t>(callback.input()->schema()->num_fields());
  Needed below = InputPart(needed, width);
  Need(callback.args, &below);
  ARROW_ASSIGN_OR_RAISE(Pruned pruned, Prune(callback.input(), below));
  std::vector<int> args = Moved(callback.args, pruned.places);
  pruned.places.push_back(pruned.plan->schema()->num_fields());
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan, MakeCallbackNode(std::move(pruned.plan), callback.callback_id, std::move(args),
                                    callback.output_name, callback.type));
  return pruned;
}

/// A node that this rule does not know needs all of its inputs.
Result<Pruned> PruneUnknown(const PlanPtr& plan) {
  Pruned pruned;
  pruned.places.resize(static_cast<size_t>(plan->schema()->num_fields()));
  std::iota(pruned.places.begin(), pruned.places.end(), 0);
  ARROW_ASSIGN_OR_RAISE(pruned.plan, RewriteInputs(plan, PruneColumns));
  return pruned;
}

Result<Pruned> Prune(const PlanPtr& plan, const Needed& needed) {
  if (const auto* node = As<ScanNode>(*plan)) return PruneScan(*node, needed);
  if (const auto* node = As<FilterNode>(*plan)) return PruneFilter(*node, needed);
  if (const auto* node = As<ProjectNode>(*plan)) return PruneProject(*node, needed);
  if (const auto* node = As<LimitNode>(*plan)) return PruneLimit(*node, needed);
  if (const auto* node = As<SortNode>(*plan)) return PruneSort(*node, needed);
  if (const auto* node = As<AggregateNode>(*plan)) return PruneAggregate(*node, needed);
  if (const auto* node = As<WindowAggregateNode>(*plan)) {
    return PruneWindowAggregate(*node, needed);
  }
  if (const auto* node = As<JoinNode>(*plan)) return PruneJoin(*node, needed);
  if (const auto* node = As<LookupJoinNode>(*plan)) return PruneLookupJoin(*node, needed);
  if (const auto* node = As<IntervalJoinNode>(*plan)) {
    return PruneTimedJoin(*node, needed, MakeIntervalJoinNode);
  }
  if (const auto* node = As<TemporalJoinNode>(*plan)) {
    return PruneTimedJoin(*node, needed, MakeTemporalJoinNode);
  }
  if (const auto* node = As<AsofJoinNode>(*plan)) return PruneAsofJoin(*node, needed);
  if (const auto* node = As<WindowNode>(*plan)) return PruneWindow(*node, needed);
  if (const auto* node = As<FramedWindowNode>(*plan)) return PruneFramedWindow(*node, needed);
  if (const auto* node = As<RowBufferNode>(*plan)) return PruneRowBuffer(*node, needed);
  if (const auto* node = As<UnionNode>(*plan)) return PruneUnion(*node, needed);
  if (const auto* node = As<UnnestNode>(*plan)) return PruneUnnest(*node, needed);
  if (const auto* node = As<SampleNode>(*plan)) return PruneSample(*node, needed);
  if (const auto* node = As<CallbackNode>(*plan)) return PruneCallback(*node, needed);
  return PruneUnknown(plan);
}

}  // namespace

Result<PlanPtr> PruneColumns(const PlanPtr& plan) {
  const Needed all(static_cast<size_t>(plan->schema()->num_fields()), true);
  ARROW_ASSIGN_OR_RAISE(const Pruned pruned, PruneExactly(plan, all));
  return pruned.plan;
}

}  // namespace headrace
