// Lowering of framed windows: what is one value a partition goes to partition_totals, which need
// not hold the partition; calls over frames follow, and a projection puts the columns in order.
#include <algorithm>
#include <optional>

#include "arrow/type.h"
#include "headrace/exec/op/lower.h"
#include "headrace/exec/op/project.h"
#include "headrace/exec/op/window/framed_window.h"
#include "headrace/exec/op/window/partition_rests.h"
#include "headrace/exec/op/window/partition_totals.h"
#include "headrace/exec/physical.h"
#include "headrace/function/registry.h"

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
    const bool is_whole = from_start && to_end && !framed.ignore_nulls;
    return is_whole && !call.distinct ? std::optional(call) : std::nullopt;
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

/// The same frame, said to begin and end with its partition where it does.
WindowFrame WithPartitionEnds(WindowFrame frame, bool has_order) {
  const bool from_start = BeginsWithPartition(frame, has_order);
  const bool to_end = EndsWithPartition(frame, has_order);
  if (from_start) frame.start = {BoundKind::kUnboundedPreceding, 0, nullptr};
  if (to_end) frame.end = {BoundKind::kUnboundedFollowing, 0, nullptr};
  if (from_start && to_end) frame.unit = FrameUnit::kRows;
  return frame;
}

/// Whether states of rows merge into one of about the same size.
bool StaysSmall(const FunctionCall& call) {
  return call.overload->aggregate->destroy == nullptr || IsFunction(call, "min") ||
         IsFunction(call, "max");
}

/// Whether the rows up to the end of the partition may be known by their state.
bool TakesRest(const FramedCall& framed, bool has_order) {
  const WindowFrame& frame = framed.frame;
  const bool excludes_row = frame.exclusion == FrameExclusion::kNoOthers ||
                            frame.exclusion == FrameExclusion::kCurrentRow;
  const bool is_aggregate =
      framed.call.function->kind == FunctionKind::kAggregate && !framed.call.distinct;
  return is_aggregate && !framed.ignore_nulls && StaysSmall(framed.call) &&
         frame.end.kind == BoundKind::kUnboundedFollowing &&
         frame.start.kind != BoundKind::kUnboundedFollowing &&
         (has_order || (frame.unit == FrameUnit::kRows && excludes_row));
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
      AddFrame(WithoutEnd(framed), has_order);
    }
  }

  bool has_totals() const { return !totals_.empty() || needs_size_; }
  const std::vector<FramedCall>& frames() const { return frames_; }
  const std::vector<FunctionCall>& rests() const { return rests_; }
  /// Of each of frames(): its rest behind `width` columns; −1: it takes none.
  std::vector<int> RestColumns(int width) const {
    std::vector<int> columns = rest_of_;
    for (int& column : columns) column = column < 0 ? -1 : width + column;
    return columns;
  }
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
  /// Of each call: its column behind `width` columns, the totals, the rests and the frames.
  std::vector<int> Columns(int width) const {
    const size_t totals = totals_.size() + (needs_size_ ? 1 : 0) + rests_.size();
    std::vector<int> columns;
    for (const auto& [is_total, place] : places_) {
      columns.push_back(width + static_cast<int>(is_total ? place : totals + place));
    }
    return columns;
  }

 private:
  void AddFrame(FramedCall framed, bool has_order) {
    framed.frame = WithPartitionEnds(framed.frame, has_order);
    const bool takes_rest = TakesRest(framed, has_order);
    rest_of_.push_back(takes_rest ? static_cast<int>(rests_.size()) : -1);
    if (takes_rest) rests_.push_back(framed.call);
    frames_.push_back(std::move(framed));
  }

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
  std::vector<FunctionCall> rests_;
  std::vector<int> rest_of_;  // per frame: its place among the rests; −1: it takes none
  std::vector<Place> places_;
  bool needs_size_ = false;
};

SchemaPtr WithColumns(const SchemaPtr& schema, const std::vector<FunctionCall>& calls) {
  arrow::FieldVector fields = schema->fields();
  for (const FunctionCall& call : calls) fields.push_back(arrow::field(call.name, call.type));
  return arrow::schema(std::move(fields));
}

SchemaPtr WithRests(const SchemaPtr& schema, const std::vector<FunctionCall>& calls) {
  arrow::FieldVector fields = schema->fields();
  for (const FunctionCall& call : calls) {
    fields.push_back(arrow::field(call.name + " of the rest", arrow::binary()));
  }
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
  const std::vector<int> rests = split.RestColumns(schema->num_fields());
  if (!split.rests().empty()) {
    lowering.AppendByPartition(
        window.partition_by,
        std::make_shared<PartitionRestsSpec>(schema, window.partition_by, split.rests()));
    schema = WithRests(schema, split.rests());
  }
  if (!split.frames().empty()) {
    lowering.AppendByPartition(window.partition_by, std::make_shared<FramedWindowSpec>(
                                                        schema, window.partition_by, window.order,
                                                        split.frames(), partition_rows, rests));
  }
  const bool has_others = split.has_totals() || !split.rests().empty();
  if (has_others) lowering.AppendInPlace(InOrder(node, split));
  return Status::OK();
}

}  // namespace headrace
