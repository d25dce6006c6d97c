// The names inside lambdas: their parameters, and what they use of the row around.
#pragma once

#include <string>
#include <vector>

#include "headrace/expression/expression.h"

namespace headrace {

/// A lambda while its body is bound: columns of the body are the parameters, then what it uses.
struct LambdaScope {
  int64_t id = 0;
  std::vector<std::string> names;  // of the parameters
  std::vector<TypePtr> types;
  std::vector<ExpressionPtr> used;  // over the scope around

  ExpressionPtr Parameter(size_t index) const {
    return Expression::Column(static_cast<int>(index), names[index], types[index]);
  }
  /// The column of the body that stands for `around`, an expression over the scope around.
  ExpressionPtr Use(const ExpressionPtr& around);
};

}  // namespace headrace
