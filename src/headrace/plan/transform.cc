// Rewriting of expression trees.
#include "headrace/plan/transform.h"

#include <algorithm>
#include <array>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/function/registry.h"

namespace headrace {
namespace {

/// Transforms `*part` in place; true when it changed.
Result<bool> TransformPart(ExpressionPtr* part, const Visit& visit) {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr transformed, Transform(*part, visit));
  const bool changed = transformed != *part;
  *part = std::move(transformed);
  return changed;
}

Result<bool> TransformWindow(std::shared_ptr<const WindowSpec>* window, const Visit& visit) {
  auto copy = std::make_shared<WindowSpec>(**window);
  bool changed = false;
  for (ExpressionPtr* part : copy->Parts()) {
    ARROW_ASSIGN_OR_RAISE(const bool part_changed, TransformPart(part, visit));
    changed |= part_changed;
  }
  if (changed) *window = std::move(copy);
  return changed;
}

void AppendAlternatives(const ExpressionPtr& expression, std::vector<ExpressionPtr>* terms) {
  if (!IsOr(*expression)) return terms->push_back(expression);
  for (const ExpressionPtr& arg : expression->args) AppendAlternatives(arg, terms);
}

}  // namespace

Result<ExpressionPtr> Transform(const ExpressionPtr& expression, const Visit& visit) {
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr replacement, visit(expression));
  if (replacement != nullptr) return replacement;
  std::vector<ExpressionPtr> args = expression->args;
  std::shared_ptr<const WindowSpec> window = expression->window;
  bool changed = false;
  for (ExpressionPtr& arg : args) {
    ARROW_ASSIGN_OR_RAISE(const bool part_changed, TransformPart(&arg, visit));
    changed |= part_changed;
  }
  if (window != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const bool part_changed, TransformWindow(&window, visit));
    changed |= part_changed;
  }
  if (!changed) return expression;
  auto copy = std::make_shared<Expression>(*expression);
  copy->args = std::move(args);
  copy->window = std::move(window);
  return copy;
}

void ForEachPart(const Expression& expression,
                 const std::function<void(const ExpressionPtr&)>& see) {
  for (const ExpressionPtr& arg : expression.args) see(arg);
  if (expression.window == nullptr) return;
  const WindowSpec& window = *expression.window;
  for (const ExpressionPtr* part : window.Parts()) see(*part);
}

ExpressionPtr MoveColumns(const ExpressionPtr& expression, const std::vector<int>& places) {
  return ReplaceColumns(expression, [&](const Expression& column) -> ExpressionPtr {
    const int place = places[static_cast<size_t>(column.column)];
    HEADRACE_CHECK(place >= 0, "column " + column.name + " is gone");
    auto moved = std::make_shared<Expression>(column);
    moved->column = place;
    return moved;
  });
}

bool IsCallOf(const Expression& expression, FunctionKind kind) {
  if (expression.kind != Expression::Kind::kCall || expression.function->kind != kind) return false;
  return kind != FunctionKind::kAggregate || expression.window == nullptr;
}

bool IsLeaf(const Expression& expression) {
  return expression.kind == Expression::Kind::kColumn ||
         expression.kind == Expression::Kind::kLiteral;
}

bool NeverRaises(const Expression& expression) {
  constexpr std::array<std::string_view, 12> kTotal = {
      "equal", "not_equal", "less", "less_equal", "greater",     "greater_equal",
      "and",   "or",        "not",  "is_null",    "is_not_null", "is_not_distinct_from"};
  if (IsLeaf(expression)) return true;
  if (!IsCallOf(expression, FunctionKind::kScalar)) return false;
  const std::string_view id = expression.function->id;
  if (std::find(kTotal.begin(), kTotal.end(), id) == kTotal.end()) return false;
  return std::all_of(expression.args.begin(), expression.args.end(),
                     [](const ExpressionPtr& arg) { return NeverRaises(*arg); });
}

bool IsOr(const Expression& expression) {
  return IsCallOf(expression, FunctionKind::kScalar) &&
         std::string_view(expression.function->id) == "or";
}

std::vector<ExpressionPtr> SplitDisjunction(const ExpressionPtr& expression) {
  std::vector<ExpressionPtr> terms;
  AppendAlternatives(expression, &terms);
  return terms;
}

ExpressionPtr OverRight(const ExpressionPtr& expression, int left_width) {
  return ReplaceColumns(expression, [&](const Expression& column) -> ExpressionPtr {
    auto moved = std::make_shared<Expression>(column);
    moved->column -= left_width;
    return moved;
  });
}

ExpressionPtr MakeConjunction(std::vector<ExpressionPtr> terms) {
  HEADRACE_CHECK(!terms.empty(), "AND of at least one term");
  if (terms.size() == 1) return terms.front();
  static const FunctionDef* const conjunction = FindFunction(Dialect::kSql, "and");
  HEADRACE_CHECK(conjunction != nullptr, "AND is a function");
  return Expression::Call(conjunction, conjunction->overloads.data(), std::move(terms),
                          arrow::boolean());
}

Comparison ComparisonOf(const Expression& expression) {
  if (!IsCallOf(expression, FunctionKind::kScalar) || expression.args.size() != 2) {
    return Comparison::kNone;
  }
  const auto is = [&](const char* name) {
    return expression.function == FindFunction(Dialect::kSql, name);
  };
  if (is("=")) return Comparison::kEqual;
  if (is("<")) return Comparison::kLess;
  if (is("<=")) return Comparison::kLessEqual;
  if (is(">")) return Comparison::kGreater;
  if (is(">=")) return Comparison::kGreaterEqual;
  static const FunctionDef* const not_distinct = FindFunctionById("is_not_distinct_from");
  if (expression.function == not_distinct) return Comparison::kNotDistinct;
  return Comparison::kNone;
}

Comparison Mirror(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return Comparison::kGreater;
    case Comparison::kLessEqual:
      return Comparison::kGreaterEqual;
    case Comparison::kGreater:
      return Comparison::kLess;
    case Comparison::kGreaterEqual:
      return Comparison::kLessEqual;
    default:
      return comparison;
  }
}

}  // namespace headrace
