// Windows over columns, and calls over the columns of their windows.
#include "headrace/plan/placed_window.h"

#include <algorithm>

#include "headrace/expression/bind.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/make_node.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

/// Expressions that are needed as columns, in the order in which they are taken again.
std::vector<ExpressionPtr> NeededColumns(const std::vector<ExpressionPtr>& calls) {
  const WindowSpec& window = WindowOf(*calls.front());
  std::vector<ExpressionPtr> needed = window.partition_by;
  for (const WindowSpec::Key& key : window.order_by) needed.push_back(key.expression);
  for (const ExpressionPtr& call : calls) {
    const WindowFrame& frame = WindowOf(*call).frame;
    for (const ExpressionPtr& value : {frame.start.value, frame.end.value}) {
      if (value != nullptr) needed.push_back(value);
    }
    for (const ExpressionPtr& arg : FoldedArgs(*call)) {
      if (arg->kind != Expression::Kind::kLiteral) needed.push_back(arg);
    }
  }
  return needed;
}

bool IsEventTime(const PlanNode& plan, const Ordering& order) {
  if (order.size() != 1 || order.front().descending) return false;
  const std::vector<int> times = plan.EventTimes();
  return std::find(times.begin(), times.end(), order.front().column) != times.end();
}

}  // namespace

bool IsLifted(const Expression& expression) {
  return expression.kind == Expression::Kind::kCallback || IsWindowCall(expression);
}

const WindowSpec& WindowOf(const Expression& call) {
  static const WindowSpec kWholeInput;
  return call.window == nullptr ? kWholeInput : *call.window;
}

Result<PlacedWindow> PlaceWindow(PlanPtr plan, const std::vector<ExpressionPtr>& calls) {
  std::vector<int> places;
  ARROW_ASSIGN_OR_RAISE(plan, AppendColumns(std::move(plan), NeededColumns(calls), &places));
  PlacedWindow placed{std::move(plan), ColumnQueue(std::move(places)), {}, {}};
  const WindowSpec& window = WindowOf(*calls.front());
  for (size_t i = 0; i < window.partition_by.size(); ++i) {
    placed.partition_by.push_back(placed.columns.Next());
  }
  for (const WindowSpec::Key& key : window.order_by) {
    placed.order.push_back({placed.columns.Next(), key.descending, key.nulls});
  }
  return placed;
}

FramedCall OverColumns(const Expression& call, const PlanNode& plan, ColumnQueue* columns) {
  FramedCall framed;
  framed.frame = WindowOf(call).frame;
  for (ExpressionPtr* value : {&framed.frame.start.value, &framed.frame.end.value}) {
    if (*value != nullptr) *value = ColumnOf(*plan.schema(), columns->Next());
  }
  std::vector<ExpressionPtr> args = FoldedArgs(call);
  for (ExpressionPtr& arg : args) {
    if (arg->kind != Expression::Kind::kLiteral) arg = ColumnOf(*plan.schema(), columns->Next());
  }
  framed.call = MakeFunctionCall(call, std::move(args));
  framed.ignore_nulls = call.ignore_nulls;
  return framed;
}

Status ReplaceCalls(const PlanNode& plan, const std::vector<ExpressionPtr>& calls, int first,
                    std::vector<ExpressionPtr>* expressions) {
  const Visit visit = [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    if (!IsLifted(*part)) return nullptr;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (part == calls[i] || (part->kind == Expression::Kind::kCall && Equals(*part, *calls[i]))) {
        return ColumnOf(*plan.schema(), first + static_cast<int>(i));
      }
    }
    return nullptr;
  };
  for (ExpressionPtr& expression : *expressions) {
    ARROW_ASSIGN_OR_RAISE(expression, Transform(expression, visit));
  }
  return Status::OK();
}

Status CheckStreamOrder(const PlanNode& plan, const Ordering& order) {
  if (IsEventTime(plan, order)) return Status::OK();
  return Error(ErrorKind::kUnsupported, "{}",
               plan.EventTimes().empty()
                   ? "over a stream OVER (ORDER BY …) goes by its event time, and it has none: "
                     "declare it with WATERMARK FOR"
                   : "over a stream OVER (ORDER BY …) goes by its event time, ascending; rows are "
                     "ranked by other columns within ROWS WINDOW BUFFER n ROWS");
}

}  // namespace headrace
