// What a node says of itself in EXPLAIN, and the same node over other inputs.
#include "headrace/plan/node.h"

#include <fmt/format.h>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/partition_runs.h"
#include "headrace/plan/sorted_groups.h"

namespace headrace {
namespace {

template <typename Items, typename Text>
std::string Join(const Items& items, Text text) {
  std::string joined;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) joined += ", ";
    joined += text(items[i]);
  }
  return joined;
}

std::string NamesOf(const PlanNode& node, const std::vector<int>& columns) {
  return Join(columns, [&](int column) { return node.schema()->field(column)->name(); });
}

std::string TextOf(const ColumnBound& bound, const arrow::Schema& schema) {
  const std::string& name = schema.field(bound.column)->name();
  const auto compare = [&](const char* op) {
    return fmt::format("{} {} {}", name, op, ToString(*Expression::Literal(bound.value)));
  };
  switch (bound.op) {
    case BoundOp::kEqual:
      return compare("=");
    case BoundOp::kLess:
      return compare("<");
    case BoundOp::kLessEqual:
      return compare("<=");
    case BoundOp::kGreater:
      return compare(">");
    case BoundOp::kGreaterEqual:
      return compare(">=");
    case BoundOp::kIsNull:
      return name + " IS NULL";
    case BoundOp::kIsNotNull:
      return name + " IS NOT NULL";
  }
  return name;
}

std::string TextOf(const StreamWindowSpec& window) {
  static constexpr const char* kKinds[] = {"tumbling", "sliding", "cumulate", "session"};
  static constexpr const char* kPolicies[] = {"drop", "aside", "update", "repeat"};
  std::string text = fmt::format("{} {} {} us", kKinds[static_cast<size_t>(window.kind)],
                                 window.time->name, window.size_micros);
  if (window.kind == WindowKind::kSliding || window.kind == WindowKind::kCumulate) {
    text += fmt::format(" by {} us", window.advance_micros);
  }
  if (window.offset_micros != 0) text += fmt::format(" offset {} us", window.offset_micros);
  if (window.lateness_micros > 0) text += fmt::format(" lateness {} us", window.lateness_micros);
  if (window.late != LatePolicy::kDrop) {
    text += fmt::format(" late rows {}", kPolicies[static_cast<size_t>(window.late)]);
  }
  if (window.null_time == NullTimePolicy::kFail) text += " null times fail";
  return text;
}

std::string TextOf(const FunctionCall& call) {
  const auto expression = Expression::Call(call.function, call.overload, call.args, call.type);
  std::string text = ToString(*expression);
  return call.name == text || call.name.empty() ? text : text + " AS " + call.name;
}

std::string TextOf(const std::vector<FunctionCall>& calls) {
  return Join(calls, [](const FunctionCall& call) { return TextOf(call); });
}

const char* NameOf(JoinKind kind) {
  static constexpr const char* kNames[] = {"inner", "left", "right", "full",
                                           "semi",  "anti", "mark",  "single"};
  return kNames[static_cast<size_t>(kind)];
}

std::string PairsOf(const PlanNode& join, const std::vector<int>& left,
                    const std::vector<int>& right, const char* op) {
  std::string text;
  for (size_t i = 0; i < left.size(); ++i) {
    text += fmt::format("{}{} {} {}", i > 0 ? ", " : "",
                        join.inputs()[0]->schema()->field(left[i])->name(), op,
                        join.inputs()[1]->schema()->field(right[i])->name());
  }
  return text;
}

}  // namespace

const char* NameOf(ChangeMode mode) {
  constexpr const char* kNames[] = {"append", "upsert", "retract"};
  return kNames[static_cast<size_t>(mode)];
}

std::string ScanNode::Describe() const {
  std::string text =
      fmt::format("{} [{}]", source->name(),
                  Join(schema()->field_names(), [](const auto& name) { return name; }));
  if (!request.bounds.empty()) {
    text += " where " + Join(request.bounds, [&](const ColumnBound& bound) {
              return TextOf(bound, *source->schema());
            });
  }
  if (request.limit.has_value()) text += fmt::format(" limit {}", *request.limit);
  if (event_time.has_value()) {
    text += fmt::format(" event time {}", source->schema()->field(event_time->column)->name());
    if (event_time->delay_micros > 0) text += fmt::format(" delay {} us", event_time->delay_micros);
  }
  return text;
}

Result<PlanPtr> ScanNode::WithInputs(std::vector<PlanPtr> inputs) const {
  HEADRACE_CHECK(inputs.empty(), "a scan has no input");
  return MakeScanNode(source, request, snapshot, event_time);
}

std::string FilterNode::Describe() const { return ToString(*predicate); }

Result<PlanPtr> FilterNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeFilterNode(inputs.at(0), predicate);
}

std::string ProjectNode::Describe() const {
  std::string text;
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string value = ToString(*expressions[i]);
    const std::string& name = schema()->field(static_cast<int>(i))->name();
    if (i > 0) text += ", ";
    text += value == name ? value : value + " AS " + name;
  }
  return text;
}

Result<PlanPtr> ProjectNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeProjectNode(inputs.at(0), expressions, schema()->field_names());
}

std::string LimitNode::Describe() const {
  return offset == 0 ? fmt::format("{}", count) : fmt::format("{} offset {}", count, offset);
}

Result<PlanPtr> LimitNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeLimitNode(inputs.at(0), count, offset);
}

std::string SortNode::Describe() const { return headrace::ToString(keys, schema()->field_names()); }

Result<PlanPtr> SortNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeSortNode(inputs.at(0), keys);
}

std::string AggregateNode::Describe() const {
  std::string text = TextOf(calls);
  if (!keys.empty()) {
    text += fmt::format("{}by {}", text.empty() ? "" : " ", NamesOf(*input(), keys));
  }
  if (ComesByGroup(*this)) text += " along sorted keys";
  if (const auto runs = FindPartitionRuns(*this)) {
    text += fmt::format(" with one run at a time of {}", NamesOf(*input(), {runs->run}));
  }
  if (order == GroupOrder::kFirstAppearance) text += " in order of first appearance";
  if (order == GroupOrder::kKey) text += " in key order";
  if (emit == EmitPolicy::kChanges) text += " emit changes";
  return text;
}

Result<PlanPtr> AggregateNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeAggregateNode(inputs.at(0), keys, calls, order, emit);
}

std::string WindowAggregateNode::Describe() const {
  std::string text = TextOf(calls);
  if (!keys.empty()) {
    text += fmt::format("{}by {}", text.empty() ? "" : " ", NamesOf(*input(), keys));
  }
  text += fmt::format("{}window {}", text.empty() ? "" : " ", TextOf(window));
  if (emit == EmitPolicy::kChanges) text += " emit changes";
  return text;
}

Result<PlanPtr> WindowAggregateNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeWindowAggregateNode(inputs.at(0), window, keys, calls, emit);
}

std::string JoinNode::Describe() const {
  std::string text = NameOf(kind);
  if (terms.build == JoinSide::kLeft && kind != JoinKind::kRight) text += " building left";
  if (terms.build == JoinSide::kRight && kind == JoinKind::kRight) text += " building right";
  if (!terms.left_keys.empty()) {
    text += " on " + PairsOf(*this, terms.left_keys, terms.right_keys, "=");
  }
  for (size_t i = 0; i < terms.nulls.size(); ++i) {
    if (terms.nulls[i] == NullMatching::kNeverMatch) continue;
    text += fmt::format(", null {} matches null",
                        inputs()[0]->schema()->field(terms.left_keys[i])->name());
  }
  if (terms.null_aware) text += ", null aware";
  const char* before = terms.left_keys.empty() ? " on " : " and ";
  if (terms.residual != nullptr) text += before + ToString(*terms.residual);
  return text;
}

Result<PlanPtr> JoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeJoinNode(inputs.at(0), inputs.at(1), kind, terms);
}

std::string LookupJoinNode::Describe() const {
  const arrow::Schema& of_table = *table->schema();
  std::string text = NameOf(kind);
  for (size_t i = 0; i < terms.stream_keys.size(); ++i) {
    text += fmt::format("{}{} = {}", i == 0 ? " on " : ", ",
                        input()->schema()->field(terms.stream_keys[i])->name(),
                        of_table.field(terms.table_keys[i])->name());
  }
  if (terms.residual != nullptr) text += " and " + ToString(*terms.residual);
  text +=
      fmt::format(" in {} [{}]", table->name(),
                  Join(terms.columns, [&](int column) { return of_table.field(column)->name(); }));
  if (terms.filter != nullptr) text += " where " + ToString(*terms.filter);
  return text;
}

Result<PlanPtr> LookupJoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeLookupJoinNode(inputs.at(0), table, kind, terms);
}

std::string IntervalJoinNode::Describe() const {
  std::string text =
      fmt::format("{} on {}", NameOf(kind), PairsOf(*this, terms.left_keys, terms.right_keys, "="));
  text += fmt::format(", {} - {}", inputs()[1]->schema()->field(terms.right_time)->name(),
                      inputs()[0]->schema()->field(terms.left_time)->name());
  if (terms.lower.has_value()) text += fmt::format(" from {} us", *terms.lower);
  if (terms.upper.has_value()) text += fmt::format(" to {} us", *terms.upper);
  if (!terms.lower.has_value() || !terms.upper.has_value()) text += " unbounded state";
  if (terms.grace_micros > 0) text += fmt::format(" grace {} us", terms.grace_micros);
  if (terms.residual != nullptr) text += " and " + ToString(*terms.residual);
  return text;
}

Result<PlanPtr> IntervalJoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeIntervalJoinNode(inputs.at(0), inputs.at(1), kind, terms);
}

std::string AsofJoinNode::Describe() const {
  const bool backward = direction == AsofDirection::kBackward;
  const char* op = strict ? (backward ? ">" : "<") : (backward ? ">=" : "<=");
  std::string text = "on " + PairsOf(*this, {left_time}, {right_time}, op);
  if (!left_by.empty()) text += ", " + PairsOf(*this, left_by, right_by, "=");
  if (tolerance.has_value()) text += fmt::format(" within {}", *tolerance);
  return text;
}

Result<PlanPtr> AsofJoinNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeAsofJoinNode(inputs.at(0), inputs.at(1), left_time, right_time, left_by, right_by,
                          direction, strict, tolerance);
}

std::string WindowNode::Describe() const {
  std::string text = TextOf(calls);
  if (!partition_by.empty()) text += " by " + NamesOf(*input(), partition_by);
  return text;
}

Result<PlanPtr> WindowNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeWindowNode(inputs.at(0), partition_by, calls);
}

std::string FramedWindowNode::Describe() const {
  std::string text = Join(calls, [](const FramedCall& framed) { return TextOf(framed.call); });
  if (!partition_by.empty()) text += " by " + NamesOf(*input(), partition_by);
  return text;
}

Result<PlanPtr> FramedWindowNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeFramedWindowNode(inputs.at(0), partition_by, order, calls);
}

Result<PlanPtr> UnionNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeUnionNode(std::move(inputs));
}

std::string UnnestNode::Describe() const {
  std::string text = NamesOf(*input(), lists);
  if (!ordinality.empty()) text += " with ordinality";
  return keep_empty ? text + ", empty lists kept" : text;
}

Result<PlanPtr> UnnestNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeUnnestNode(inputs.at(0), lists, names, keep_empty, ordinality);
}

std::string RepeatNode::Describe() const {
  return "by " + input()->schema()->fields().back()->name();
}

Result<PlanPtr> RepeatNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeRepeatNode(inputs.at(0));
}

std::string SampleNode::Describe() const {
  return fraction.has_value() ? fmt::format("{} seed {}", *fraction, seed)
                              : fmt::format("random numbers, seed {}", seed);
}

Result<PlanPtr> SampleNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeSampleNode(inputs.at(0), fraction, seed);
}

std::string CallbackNode::Describe() const {
  return fmt::format("{}({})", output_name, NamesOf(*input(), args));
}

Result<PlanPtr> CallbackNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeCallbackNode(inputs.at(0), callback_id, args, output_name, type);
}

}  // namespace headrace
