// sum(DISTINCT x) OVER (PARTITION BY k ORDER BY t) is the sum of x where row_number() OVER
// (PARTITION BY k, x ORDER BY t) = 1.
#include "headrace/plan/distinct_frames.h"

#include <string_view>

#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/bind.h"
#include "headrace/function/registry.h"
#include "headrace/plan/lift_calls.h"
#include "headrace/plan/transform.h"

namespace headrace {
namespace {

bool IsLiteralArgument(const Expression& expression) {
  return expression.kind == Expression::Kind::kLiteral;
}

bool BeginsWithPartition(const WindowSpec& window) {
  const FrameBound::Kind start = window.frame.start.kind;
  const bool all_are_peers = window.order_by.empty() && window.frame.unit != FrameUnit::kRows;
  return start == FrameBound::Kind::kUnboundedPreceding ||
         (start == FrameBound::Kind::kCurrentRow && all_are_peers);
}

bool IsDistinctOver(const Expression& call) {
  const bool is_one = call.kind == Expression::Kind::kCall && call.distinct &&
                      call.window != nullptr && !call.window->buffer.has_value() &&
                      call.function->kind == FunctionKind::kAggregate;
  return is_one && !call.function->Has(function_flag::kOrderSensitive) &&
         call.window->frame.exclusion == FrameExclusion::kNoOthers &&
         BeginsWithPartition(*call.window);
}

/// Rows are put in the order of the values where the window has no order.
ExpressionPtr NumberAmongEqual(const WindowSpec& of, const std::vector<ExpressionPtr>& values) {
  static const FunctionDef* const row_number = FindFunctionById("row_number");
  auto window = std::make_shared<WindowSpec>();
  window->partition_by = of.partition_by;
  window->partition_by.insert(window->partition_by.end(), values.begin(), values.end());
  window->order_by = of.order_by;
  if (window->order_by.empty()) window->order_by.push_back({values.front()});
  auto number = std::make_shared<Expression>(
      *Expression::Call(row_number, row_number->overloads.data(), {}, arrow::int64()));
  number->window = std::move(window);
  return number;
}

/// `value` where `number` is 1, else null.
Result<ExpressionPtr> WhereFirst(const ExpressionPtr& number, const ExpressionPtr& value) {
  Scope scope;
  scope.Add("", "number", arrow::int64());
  scope.Add("", "value", value->type);
  const UnboundPtr is_first = Unbound::Call(
      "=",
      {Unbound::Column({"number"}), Unbound::Literal(std::make_shared<arrow::Int64Scalar>(1))});
  ARROW_ASSIGN_OR_RAISE(
      const ExpressionPtr bound,
      Bind(*Unbound::Call("case", {is_first, Unbound::Column({"value"})}), scope, Dialect::kSql));
  return Transform(bound, [&](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    if (part->kind != Expression::Kind::kColumn) return nullptr;
    return part->column == 0 ? number : value;
  });
}

Result<ExpressionPtr> OverFirstOccurrences(const Expression& call) {
  auto made = std::make_shared<Expression>(call);
  made->distinct = false;
  const std::string_view id = call.function->id;
  if (id == "min" || id == "max") return made;
  std::vector<ExpressionPtr> values;
  for (const ExpressionPtr& arg : FoldedArgs(call)) {
    if (!IsLiteralArgument(*arg)) values.push_back(arg);
  }
  if (values.empty()) return nullptr;
  const ExpressionPtr number = NumberAmongEqual(*call.window, values);
  made->args = FoldedArgs(call);
  for (ExpressionPtr& arg : made->args) {
    if (IsLiteralArgument(*arg)) continue;
    ARROW_ASSIGN_OR_RAISE(arg, WhereFirst(number, arg));
  }
  return made;
}

}  // namespace

Status CountFirstOccurrences(std::vector<ExpressionPtr>* expressions) {
  const Visit visit = [](const ExpressionPtr& part) -> Result<ExpressionPtr> {
    return IsDistinctOver(*part) ? OverFirstOccurrences(*part) : nullptr;
  };
  for (ExpressionPtr& expression : *expressions) {
    ARROW_ASSIGN_OR_RAISE(expression, Transform(expression, visit));
  }
  return Status::OK();
}

}  // namespace headrace
