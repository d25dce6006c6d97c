// Lowering of framed windows: what is one value a partition goes to partition_totals, which need
// not hold the partition; calls over frames follow, and a projection puts the columns in order.
#include <algorithm>
#include <optional>

#include "arrow/type.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/project.h"
#include "headrace/exec/op/window/framed_window.h"
#include "headrace/exec/op/window/partition_totals.h"
#include "headrace/exec/physical.h"
#include "headrace/function/registry.h"
#include "headrace/plan/distinct_calls.h"

namespace headrace {
namespace {

using BoundKind = FrameBound::Kind;

bool IsFunction(const FunctionCall& call, std::string_view id) { return call.function->id == id; }

/// The first overload of an aggregate over the first argument of a call, of the same type.
FunctionCall AggregateLike(const FunctionCall& call, const char* id) {
  FunctionCall made = call;
  made.function = FindFunctionById(id);
  made.overload = made.function->overloads.data();
  made.args.resize(1);
  return made;
}

FunctionCall CountOfRows() {
  FunctionCall count;
  count.function = FindFunctionById("count");
  const auto overloads = count.function->overloads;
  count.overload = &*std::find_if(overloads.begin(), overloads.end(),
                                  [](const Overload& overload) { return overload.args.empty(); });
  count.type = arrow::int64();
  count.name = "partition_rows";
  return count;
}

/// Without ORDER BY all rows of the partition are peers.
bool ReachesAllPeers(const WindowFrame& frame, bool has_order) {
  return !has_order && frame.unit != FrameUnit::kRows;
}

bool BeginsWithPartition(const WindowFrame& frame, bool has_order) {
  return frame.start.kind == BoundKind::kUnboundedPreceding ||
         (frame.start.kind == BoundKind::kCurrentRow && ReachesAllPeers(frame, has_order));
}

bool EndsWithPartition(const WindowFrame& frame, bool has_order) {
  return frame.end.kind == BoundKind::kUnboundedFollowing ||
         (frame.end.kind == BoundKind::kCurrentRow && ReachesAllPeers(frame, has_order));
}

bool HasCurrentRow(const WindowFrame& frame) {
  return frame.start.kind <= BoundKind::kCurrentRow && frame.end.kind >= BoundKind::kCurrentRow;
}

/// `framed` as an aggregate over its whole partition, where it is one.
std::optional<FunctionCall> TotalOf(const FramedCall& framed, bool has_order) {
  const FunctionCall& call = framed.call;
  const WindowFrame& frame = framed.frame;
  if (frame.exclusion != FrameExclusion::kNoOthers || !HasCurrentRow(frame)) return std::nullopt;
  const bool from_start = BeginsWithPartition(frame, has_order);
  const bool to_end = EndsWithPartition(frame, has_order);
  if (call.function->kind == FunctionKind::kAggregate) {
    if (!from_start || !to_end || framed.ignore_nulls) return std::nullopt;
    std::vector<FunctionCall> calls = {call};
    if (!KeepDistinctInStates(&calls).ok()) return std::nullopt;
    return calls.front();
  }
  if (IsFunction(call, "last_value") && to_end && !framed.ignore_nulls) {
    return AggregateLike(call, "last");
  }
  if (!IsFunction(call, "first_value") || !from_start) return std::nullopt;
  if (!framed.ignore_nulls) return AggregateLike(call, "first");
  return to_end ? std::optional(AggregateLike(call, "any_value")) : std::nullopt;
}

/// The same values from a frame that does not reach to the end of the partition, where its first
/// row alone matters.
FramedCall WithoutEnd(FramedCall framed) {
  WindowFrame& frame = framed.frame;
  const bool picks_first = IsFunction(framed.call, "first_value") && !framed.ignore_nulls &&
                           frame.exclusion == FrameExclusion::kNoOthers;
  if (!picks_first || frame.end.kind != BoundKind::kUnboundedFollowing) return framed;
  const bool by_value = frame.start.value != nullptr;
  if (frame.start.kind <= BoundKind::kCurrentRow) frame.end = {BoundKind::kCurrentRow, 0, nullptr};
  if (frame.start.kind == BoundKind::kFollowing && !by_value) frame.end = frame.start;
  return framed;
}

/// Calls of a window by who computes them.
class SplitCalls {
 public:
  SplitCalls(const std::vector<FramedCall>& calls, bool has_order) {
    for (const FramedCall& framed : calls) {
      const std::optional<FunctionCall> total = TotalOf(framed, has_order);
      const size_t place = total.has_value() ? totals_.size() : frames_.size();
      places_.push_back({total.has_value(), place});
      if (total.has_value()) {
        totals_.push_back(*total);
        continue;
      }
      needs_size_ = needs_size_ || NeedsSize(framed.call);
      frames_.push_back(WithoutEnd(framed));
    }
  }

  bool has_totals() const { return !totals_.empty() || needs_size_; }
  const std::vector<FramedCall>& frames() const { return frames_; }
  bool needs_size() const { return needs_size_; }
  /// With the number of rows behind them where it is needed.
  std::vector<FunctionCall> totals() const {
    std::vector<FunctionCall> all = totals_;
    if (needs_size_) all.push_back(CountOfRows());
    return all;
  }
  /// Whether the first row of a partition settles no total.
  bool waits() const {
    return needs_size_ || std::any_of(totals_.begin(), totals_.end(), [](const FunctionCall& call) {
             return !IsFunction(call, "first");
           });
  }
  /// Of each call: its column behind `width` columns, the totals and the frames.
  std::vector<int> Columns(int width) const {
    const size_t totals = totals_.size() + (needs_size_ ? 1 : 0);
    std::vector<int> columns;
    for (const auto& [is_total, place] : places_) {
      columns.push_back(width + static_cast<int>(is_total ? place : totals + place));
    }
    return columns;
  }

 private:
  static bool NeedsSize(const FunctionCall& call) {
    return call.function->kind != FunctionKind::kAggregate &&
           call.overload->window->reach == WindowReach::kPartition;
  }

  struct Place {
    bool is_total;
    size_t index;
  };
  std::vector<FunctionCall> totals_;
  std::vector<FramedCall> frames_;
  std::vector<Place> places_;
  bool needs_size_ = false;
};

SchemaPtr WithColumns(const SchemaPtr& schema, const std::vector<FunctionCall>& calls) {
  arrow::FieldVector fields = schema->fields();
  for (const FunctionCall& call : calls) fields.push_back(arrow::field(call.name, call.type));
  return arrow::schema(std::move(fields));
}

/// The columns of the node from those of the operators.
std::shared_ptr<ProjectSpec> InOrder(const PlanNode& node, const SplitCalls& split) {
  const int width = node.input()->schema()->num_fields();
  std::vector<int> columns;
  for (int column = 0; column < width; ++column) columns.push_back(column);
  for (const int column : split.Columns(width)) columns.push_back(column);
  std::vector<ExpressionPtr> expressions;
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto& field = node.schema()->field(static_cast<int>(i));
    expressions.push_back(Expression::Column(columns[i], field->name(), field->type()));
  }
  return std::make_shared<ProjectSpec>(std::move(expressions));
}

}  // namespace

Status LowerFramedWindow(const PlanNode& node, Lowering& lowering) {
  const auto& window = static_cast<const FramedWindowNode&>(node);
  ARROW_RETURN_NOT_OK(lowering.LowerWhole(*node.input(), window.partition_by));
  const SplitCalls split(window.calls, !window.order.empty());
  SchemaPtr schema = node.input()->schema();
  int partition_rows = -1;
  if (split.has_totals()) {
    const std::vector<FunctionCall> totals = split.totals();
    lowering.AppendByPartition(
        window.partition_by,
        std::make_shared<PartitionTotalsSpec>(schema, window.partition_by, totals, split.waits()));
    schema = WithColumns(schema, totals);
    if (split.needs_size()) partition_rows = schema->num_fields() - 1;
  }
  if (!split.frames().empty()) {
    lowering.AppendByPartition(window.partition_by, std::make_shared<FramedWindowSpec>(
                                                        schema, window.partition_by, window.order,
                                                        split.frames(), partition_rows));
  }
  if (split.has_totals()) lowering.AppendInPlace(InOrder(node, split));
  return Status::OK();
}

}  // namespace headrace
