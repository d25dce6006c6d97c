// A scalar kernel's call: nulls are propagated around it, errors of rows that are null are dropped.
#pragma once

#include "headrace/expression/expression.h"

namespace headrace {

/// `args` are plain, of rows.length rows or constant. The result has no offset.
Result<ArrayPtr> CallKernel(const Expression& call, std::span<const Argument> args,
                            const Rows& rows, arrow::MemoryPool* pool);

}  // namespace headrace
