// Parts of JSON text, for the functions of lists and maps that take it too. Text that is no JSON is
// an error, as far as it is read.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

/// Items of an array, 0 of what is none; of one argument, or with a path.
Result<ArrayPtr> JsonArrayLength(KernelContext& ctx, std::span<const Argument> args,
                                 const Rows& rows);
/// The keys of an object in their order, none of what is none; of one argument, or with a path.
Result<ArrayPtr> JsonKeys(KernelContext& ctx, std::span<const Argument> args, const Rows& rows);
/// The values of an object as text, strings as themselves, in the order of the keys.
Result<ArrayPtr> JsonValues(KernelContext& ctx, std::span<const Argument> args, const Rows& rows);
/// Whether an array has an item whose text, or number, is that of the second argument, a text.
Result<ArrayPtr> JsonContains(KernelContext& ctx, std::span<const Argument> args, const Rows& rows);

}  // namespace headrace
