// Calls with a lambda, such as list_transform(l, x -> x + k). The lambda is computed once for the
// items of all lists of a batch, one after the other, beside the columns it uses, repeated for
// each item; a fold once per place in the lists.
#pragma once

#include <span>

#include "headrace/expression/expression.h"

namespace headrace {

/// What the call gives. `args`: the list, the other values of the call, then what the lambda uses
/// of the row; plain, of rows.length rows or constant. Only items of active rows are computed.
Result<ArrayPtr> CallWithLambda(const Expression& call, std::span<const Argument> args,
                                const Rows& rows, arrow::MemoryPool* pool);

}  // namespace headrace
