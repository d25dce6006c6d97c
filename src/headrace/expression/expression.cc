// Typed expressions: making, comparing, printing and walking trees.
#include "headrace/expression/expression.h"

#include <algorithm>
#include <set>

#include "arrow/compare.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/expression/sql_text.h"
#include "headrace/function/registry.h"

namespace headrace {
namespace {

bool SameLiteral(const arrow::Scalar& left, const arrow::Scalar& right) {
  return left.Equals(right,
                     arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false));
}

bool SameOptional(const ExpressionPtr& left, const ExpressionPtr& right) {
  return left == right || (left != nullptr && right != nullptr && Equals(*left, *right));
}

bool SameAll(const std::vector<ExpressionPtr>& left, const std::vector<ExpressionPtr>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), SameOptional);
}

bool SameBound(const FrameBound& left, const FrameBound& right) {
  return left.kind == right.kind && left.count == right.count &&
         SameOptional(left.value, right.value);
}

bool SameFrame(const WindowFrame& left, const WindowFrame& right) {
  return left.unit == right.unit && left.exclusion == right.exclusion &&
         SameBound(left.start, right.start) && SameBound(left.end, right.end);
}

bool SameWindow(const WindowSpec* left, const WindowSpec* right) {
  if (left == right) return true;
  if (left == nullptr || right == nullptr) return false;
  return SameFrame(left->frame, right->frame) && left->buffer == right->buffer &&
         SameAll(left->partition_by, right->partition_by) &&
         std::equal(left->order_by.begin(), left->order_by.end(), right->order_by.begin(),
                    right->order_by.end(), [](const WindowSpec::Key& a, const WindowSpec::Key& b) {
                      return a.descending == b.descending && a.nulls == b.nulls &&
                             SameOptional(a.expression, b.expression);
                    });
}

std::string NameOf(const FunctionDef& function) {
  const auto names = NamesIn(function, Dialect::kSql);
  return names.empty() ? function.id : names.front();
}

std::string JoinTexts(const std::vector<ExpressionPtr>& expressions) {
  std::string text;
  for (const ExpressionPtr& expression : expressions) {
    text += (text.empty() ? "" : ", ") + ToString(*expression);
  }
  return text;
}

bool SameLambda(const Lambda* left, const Lambda* right) {
  if (left == nullptr || right == nullptr) return left == right;
  return left->num_values == right->num_values &&
         left->parameters.size() == right->parameters.size() && Equals(*left->body, *right->body);
}

/// "x -> (x + k)" among the arguments, where it stood.
void WriteLambda(const Lambda& lambda, std::vector<std::string>* args) {
  std::string names;
  for (const std::string& name : lambda.parameters) names += (names.empty() ? "" : ", ") + name;
  if (lambda.parameters.size() > 1) names = "(" + names + ")";
  args->resize(lambda.num_values);
  args->insert(args->begin() + 1, names + " -> " + ToString(*lambda.body));
}

std::string BoundText(const FrameBound& bound) {
  const std::string offset =
      bound.value == nullptr ? std::to_string(bound.count) : "TO " + ToString(*bound.value);
  switch (bound.kind) {
    case FrameBound::Kind::kUnboundedPreceding:
      return "UNBOUNDED PRECEDING";
    case FrameBound::Kind::kPreceding:
      return offset + " PRECEDING";
    case FrameBound::Kind::kCurrentRow:
      return "CURRENT ROW";
    case FrameBound::Kind::kFollowing:
      return offset + " FOLLOWING";
    case FrameBound::Kind::kUnboundedFollowing:
      break;
  }
  return "UNBOUNDED FOLLOWING";
}

std::string FrameText(const WindowFrame& frame) {
  static constexpr const char* kUnits[] = {"ROWS", "RANGE", "GROUPS", "TRAILING"};
  static constexpr const char* kExclusions[] = {"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP",
                                                " EXCLUDE TIES"};
  return std::string(kUnits[static_cast<size_t>(frame.unit)]) + " BETWEEN " +
         BoundText(frame.start) + " AND " + BoundText(frame.end) +
         kExclusions[static_cast<size_t>(frame.exclusion)];
}

std::string BufferText(const RowBuffer& buffer) {
  std::string text = fmt::format("ROWS WINDOW BUFFER {} ROWS", buffer.rows);
  if (buffer.only_full) text += " EMIT ON BUFFER FULL";
  if (buffer.expire_micros.has_value()) {
    text += fmt::format(" EXPIRE AFTER {} us", *buffer.expire_micros);
  }
  return text;
}

std::string WindowText(const WindowSpec& window) {
  std::string text = window.buffer.has_value() ? BufferText(*window.buffer) : "";
  if (!window.partition_by.empty()) {
    text += (text.empty() ? "" : " ") + ("PARTITION BY " + JoinTexts(window.partition_by));
  }
  const char* separator = text.empty() ? "ORDER BY " : " ORDER BY ";
  for (const WindowSpec::Key& key : window.order_by) {
    text += separator + ToString(*key.expression) + (key.descending ? " DESC" : "") +
            (key.nulls == NullPlacement::kFirst ? " NULLS FIRST" : " NULLS LAST");
    separator = ", ";
  }
  if (!SameFrame(window.frame, WindowFrame())) {
    text += (text.empty() ? "" : " ") + FrameText(window.frame);
  }
  return " OVER (" + text + ")";
}

/// Calls `visit` on every node, parents first, windows included, until it gives true.
template <typename Visit>
bool AnyNode(const Expression& expression, const Visit& visit) {
  if (visit(expression)) return true;
  for (const ExpressionPtr& arg : expression.args) {
    if (AnyNode(*arg, visit)) return true;
  }
  if (expression.window == nullptr) return false;
  for (const ExpressionPtr* part : expression.window->Parts()) {
    if (AnyNode(**part, visit)) return true;
  }
  return false;
}

void AppendTerms(const ExpressionPtr& expression, std::vector<ExpressionPtr>* terms) {
  static const FunctionDef* const kAnd = FindFunctionById("and");
  if (expression->kind != Expression::Kind::kCall || expression->function != kAnd) {
    terms->push_back(expression);
    return;
  }
  for (const ExpressionPtr& arg : expression->args) AppendTerms(arg, terms);
}

template <typename Part, typename Spec>
std::vector<Part*> PartsOf(Spec& window) {
  std::vector<Part*> parts;
  for (auto& key : window.partition_by) parts.push_back(&key);
  for (auto& key : window.order_by) parts.push_back(&key.expression);
  if (window.frame.start.value != nullptr) parts.push_back(&window.frame.start.value);
  if (window.frame.end.value != nullptr) parts.push_back(&window.frame.end.value);
  return parts;
}

}  // namespace

std::vector<const ExpressionPtr*> WindowSpec::Parts() const {
  return PartsOf<const ExpressionPtr>(*this);
}

std::vector<ExpressionPtr*> WindowSpec::Parts() { return PartsOf<ExpressionPtr>(*this); }

ExpressionPtr Expression::Column(int index, std::string name, TypePtr type) {
  auto column = std::make_shared<Expression>();
  column->kind = Kind::kColumn;
  column->column = index;
  column->name = std::move(name);
  column->type = std::move(type);
  return column;
}

ExpressionPtr Expression::Literal(ScalarPtr value) {
  auto literal = std::make_shared<Expression>();
  literal->kind = Kind::kLiteral;
  literal->type = value->type;
  literal->literal = std::move(value);
  return literal;
}

ExpressionPtr Expression::Call(const FunctionDef* function, const Overload* overload,
                               std::vector<ExpressionPtr> args, TypePtr type) {
  auto call = std::make_shared<Expression>();
  call->kind = Kind::kCall;
  call->function = function;
  call->overload = overload;
  call->args = std::move(args);
  call->type = std::move(type);
  return call;
}

ExpressionPtr Expression::Cast(ExpressionPtr arg, TypePtr type, bool try_cast) {
  auto cast = std::make_shared<Expression>();
  cast->kind = Kind::kCast;
  cast->span = arg->span;
  cast->args.push_back(std::move(arg));
  cast->type = std::move(type);
  cast->try_cast = try_cast;
  return cast;
}

bool Equals(const Expression& left, const Expression& right) {
  if (&left == &right) return true;
  if (left.kind != right.kind || !left.type->Equals(*right.type)) return false;
  if (left.kind == Expression::Kind::kLiteral) return SameLiteral(*left.literal, *right.literal);
  return left.column == right.column && left.function == right.function &&
         left.overload == right.overload && left.distinct == right.distinct &&
         left.try_cast == right.try_cast && left.ignore_nulls == right.ignore_nulls &&
         left.callback_id == right.callback_id && SameAll(left.args, right.args) &&
         SameWindow(left.window.get(), right.window.get()) &&
         SameLambda(left.lambda.get(), right.lambda.get());
}

std::string ToString(const Expression& expression) {
  std::vector<std::string> args;
  for (const ExpressionPtr& arg : expression.args) args.push_back(ToString(*arg));
  switch (expression.kind) {
    case Expression::Kind::kColumn:
      return expression.name;
    case Expression::Kind::kLiteral:
      return LiteralText(*expression.literal);
    case Expression::Kind::kCast:
      return CastText(args[0], *expression.type, expression.try_cast);
    case Expression::Kind::kCallback:
      return CallText("callback", args);
    case Expression::Kind::kCall:
      break;
  }
  const FunctionDef& function = *expression.function;
  if (args.empty() && function.Has(function_flag::kStar)) args.emplace_back("*");
  if (expression.lambda != nullptr) WriteLambda(*expression.lambda, &args);
  std::string text = CallText(NameOf(function), args, expression.distinct);
  if (expression.ignore_nulls) text += " IGNORE NULLS";
  return expression.window == nullptr ? text : text + WindowText(*expression.window);
}

std::vector<int> ColumnsOf(const Expression& expression) {
  std::set<int> columns;
  AnyNode(expression, [&](const Expression& node) {
    if (node.kind == Expression::Kind::kColumn) columns.insert(node.column);
    return false;
  });
  return {columns.begin(), columns.end()};
}

ExpressionPtr ReplaceColumns(const ExpressionPtr& expression,
                             const std::function<ExpressionPtr(const Expression&)>& replace) {
  if (expression->kind == Expression::Kind::kColumn) return replace(*expression);
  auto copy = std::make_shared<Expression>(*expression);
  for (ExpressionPtr& arg : copy->args) arg = ReplaceColumns(arg, replace);
  if (expression->window != nullptr) {
    auto window = std::make_shared<WindowSpec>(*expression->window);
    for (ExpressionPtr* part : window->Parts()) *part = ReplaceColumns(*part, replace);
    copy->window = std::move(window);
  }
  return copy;
}

bool ContainsCall(const Expression& expression, FunctionKind kind) {
  return AnyNode(expression, [kind](const Expression& node) {
    const bool is_aggregate = kind == FunctionKind::kAggregate;
    return node.kind == Expression::Kind::kCall && node.function->kind == kind &&
           !(is_aggregate && node.window != nullptr);
  });
}

bool IsWindowCall(const Expression& expression) {
  if (expression.kind != Expression::Kind::kCall) return false;
  return expression.function->kind == FunctionKind::kOrdered || expression.window != nullptr;
}

bool IsVolatile(const Expression& expression) {
  return AnyNode(expression, [](const Expression& node) {
    if (node.kind == Expression::Kind::kCallback) return true;
    if (node.kind != Expression::Kind::kCall) return false;
    return node.function->Has(function_flag::kVolatile) ||
           (node.lambda != nullptr && IsVolatile(*node.lambda->body));
  });
}

bool ContainsCallback(const Expression& expression) {
  return AnyNode(expression,
                 [](const Expression& node) { return node.kind == Expression::Kind::kCallback; });
}

std::vector<ExpressionPtr> SplitConjunction(const ExpressionPtr& expression) {
  std::vector<ExpressionPtr> terms;
  AppendTerms(expression, &terms);
  return terms;
}

}  // namespace headrace
