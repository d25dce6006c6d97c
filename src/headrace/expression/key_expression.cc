// Calls of sort_key.
#include "headrace/expression/key_expression.h"

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/function/registry.h"
#include "headrace/types/encoding.h"

namespace headrace {

ExpressionPtr AsKey(const ExpressionPtr& expression) {
  if (!IsComparedByKey(*PlainType(expression->type))) return expression;
  static const FunctionDef* const function = FindFunctionById("sort_key");
  HEADRACE_CHECK(function != nullptr, "sort_key is a function");
  auto call = std::make_shared<Expression>(
      *Expression::Call(function, function->overloads.data(), {expression}, arrow::binary()));
  call->span = expression->span;
  return call;
}

}  // namespace headrace
