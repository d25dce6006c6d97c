// What a lambda uses is used once.
#include "headrace/expression/lambda_scope.h"

#include <algorithm>

#include "headrace/types/encoding.h"

namespace headrace {

ExpressionPtr LambdaScope::Use(const ExpressionPtr& around) {
  const auto found = std::find_if(used.begin(), used.end(), [&](const ExpressionPtr& known) {
    return Equals(*known, *around);
  });
  const auto place = static_cast<size_t>(found - used.begin());
  if (found == used.end()) used.push_back(around);
  return Expression::Column(static_cast<int>(names.size() + place), ToString(*around),
                            PlainType(around->type));
}

}  // namespace headrace
