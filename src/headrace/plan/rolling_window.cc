// Which calls roll, and what their node says of itself.
#include "headrace/plan/rolling_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/plan/call_reach.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/rule/prune_columns.h"
#include "headrace/plan/transform.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

/// States that are as large as one value, though they own memory.
bool HoldsOneValue(const FunctionDef& function) {
  constexpr std::array<std::string_view, 4> kOfOneValue = {"min", "max", "first", "last"};
  return std::find(kOfOneValue.begin(), kOfOneValue.end(), function.id) != kOfOneValue.end();
}

/// The kernels compare keys as 64-bit numbers.
bool IsRollingKey(const Expression& key) {
  const arrow::Type::type id = PlainType(key.type)->id();
  return id == arrow::Type::INT64 || id == arrow::Type::TIMESTAMP;
}

bool IsOf64Bits(const Expression& value) {
  const arrow::Type::type type = PlainType(value.type)->id();
  return type == arrow::Type::INT64 || type == arrow::Type::DOUBLE ||
         type == arrow::Type::TIMESTAMP;
}

bool IsFraction(const Expression& expression) {
  if (expression.kind != Expression::Kind::kLiteral || !expression.literal->is_valid ||
      expression.type->id() != arrow::Type::DOUBLE) {
    return false;
  }
  const double fraction = static_cast<const arrow::DoubleScalar&>(*expression.literal).value;
  return fraction >= 0 && fraction <= 1;
}

bool IsQuantile(const FunctionDef& function, const std::vector<ExpressionPtr>& args) {
  const std::string_view id = function.id;
  if (id != "median" && id != "quantile_cont") return false;
  return IsOf64Bits(*args[0]) && (id == "median" || IsFraction(*args[1]));
}

void Need(const RollingCall& rolling, ColumnMask* needed) {
  for (const ExpressionPtr& arg : rolling.call.args) headrace::Need(*arg, needed);
  for (const int column : {rolling.key, rolling.bound}) {
    if (column >= 0) (*needed)[static_cast<size_t>(column)] = true;
  }
}

RollingCall MovedCall(RollingCall rolling, const std::vector<int>& places) {
  for (ExpressionPtr& arg : rolling.call.args) arg = MoveColumns(arg, places);
  for (int* column : {&rolling.key, &rolling.bound}) {
    if (*column >= 0) *column = places[static_cast<size_t>(*column)];
  }
  return rolling;
}

}  // namespace

bool CanRoll(const Expression& call) {
  if (call.window == nullptr) return false;
  const WindowFrame& frame = call.window->frame;
  if (!LooksBack(frame) || frame.end.kind != FrameBound::Kind::kCurrentRow) return false;
  const bool fills = call.ignore_nulls && call.function->id == std::string_view("last_value");
  if (fills) return frame.unit == FrameUnit::kRows;
  if (call.function->kind != FunctionKind::kAggregate || call.distinct || call.ignore_nulls) {
    return false;
  }
  const bool runs = frame.start.kind == FrameBound::Kind::kUnboundedPreceding;
  const AggregateKernel& kernel = *call.overload->aggregate;
  const bool is_quantile = IsQuantile(*call.function, FoldedArgs(call));
  if (!is_quantile && !runs && kernel.destroy != nullptr && !HoldsOneValue(*call.function))
    return false;
  if (frame.unit == FrameUnit::kRows) return true;
  return frame.unit == FrameUnit::kTrailing && frame.start.value != nullptr &&
         IsRollingKey(*call.window->order_by.front().expression) &&
         !call.window->order_by.front().descending;
}

bool IsRollingQuantile(const FunctionCall& call) { return IsQuantile(*call.function, call.args); }

bool IsRollingExtreme(const FunctionCall& call) {
  const std::string_view id = call.function->id;
  return (id == "min" || id == "max") && call.args.size() == 1 && IsOf64Bits(*call.args[0]);
}

std::string RollingWindowNode::Describe() const {
  std::string text;
  for (const RollingCall& rolling : calls) {
    text += (text.empty() ? "" : ", ") + rolling.call.name;
  }
  return text;
}

Result<PlanPtr> RollingWindowNode::WithInputs(std::vector<PlanPtr> inputs) const {
  return MakeRollingWindowNode(inputs.at(0), partition_by, calls);
}

Result<PrunedPlan> RollingWindowNode::Prune(const ColumnMask& needed) const {
  const auto width = static_cast<size_t>(input()->schema()->num_fields());
  ColumnMask below = InputPart(needed, width);
  std::vector<RollingCall> kept;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (!needed[width + i]) continue;
    kept.push_back(calls[i]);
    headrace::Need(partition_by, &below);
    Need(calls[i], &below);
  }
  ARROW_ASSIGN_OR_RAISE(PrunedPlan pruned, input()->Prune(below));
  const std::vector<int> places = pruned.places;
  PlaceAppended(needed, width, &pruned);
  if (kept.empty()) return pruned;
  for (RollingCall& rolling : kept) rolling = MovedCall(std::move(rolling), places);
  ARROW_ASSIGN_OR_RAISE(
      pruned.plan,
      MakeRollingWindowNode(std::move(pruned.plan), Moved(partition_by, places), std::move(kept)));
  return pruned;
}

/// Whole partitions go or stay by their keys.
std::vector<int> RollingWindowNode::FilterPlaces(size_t /*input*/) const {
  std::vector<int> places(static_cast<size_t>(schema()->num_fields()), -1);
  for (const int column : partition_by) places[static_cast<size_t>(column)] = column;
  return places;
}

Result<PlanPtr> MakeRollingWindowNode(PlanPtr input, std::vector<int> partition_by,
                                      std::vector<RollingCall> calls) {
  HEADRACE_CHECK(!IsEndless(*input), "frames over a stream are row buffers");
  if (input->properties().change_mode != ChangeMode::kAppend) {
    return Error(ErrorKind::kUnsupported,
                 "rolling_window takes rows that are only added, and its input changes rows that "
                 "were given before");
  }
  for (const int column : partition_by) {
    const arrow::Field& field = *input->schema()->field(column);
    if (HasTypeFlag(*PlainType(field.type()), kTypeComparable)) continue;
    return Error(ErrorKind::kTypeMismatch,
                 "column {} cannot be a partition key: its type has no order: {}", field.name(),
                 SqlNameOf(*field.type()));
  }
  PlanProperties properties = input->properties();
  arrow::FieldVector fields = input->schema()->fields();
  for (const RollingCall& rolling : calls) {
    fields.push_back(arrow::field(rolling.call.name, rolling.call.type));
  }
  properties.schema = arrow::schema(std::move(fields));
  return std::make_shared<RollingWindowNode>(std::move(properties), std::move(input),
                                             std::move(partition_by), std::move(calls));
}

}  // namespace headrace
