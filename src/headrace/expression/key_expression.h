// Values that have no order of their own (lists, structs, maps, intervals with months) are
// compared, grouped and sorted as the bytes of sort_key.
#pragma once

#include "headrace/expression/expression.h"
#include "headrace/function/sort_key.h"

namespace headrace {

/// sort_key(expression) where its type is compared so; else the expression itself.
ExpressionPtr AsKey(const ExpressionPtr& expression);

}  // namespace headrace
