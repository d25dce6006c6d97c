// What x[i] is for maps and structs, shared with lists.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

/// The value of a key (argument 1) in a map; the last where a key stands twice; null without one.
Result<ArrayPtr> MapValueOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows);

/// The field of a struct that argument 1, a literal text, names.
Result<ArrayPtr> StructFieldOf(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows);
Result<TypePtr> StructFieldType(std::span<const TypePtr> args, std::span<const ScalarPtr> literals);

}  // namespace headrace
