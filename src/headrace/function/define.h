// What every family file needs to write a FunctionDef: the defining macro and the usual result
// rules.
#pragma once

#include "headrace/function/function.h"

namespace headrace {

// Result rules.
Result<TypePtr> FirstType(std::span<const TypePtr> args);
Result<TypePtr> SecondType(std::span<const TypePtr> args);
Result<TypePtr> LastType(std::span<const TypePtr> args);
Result<TypePtr> BooleanType(std::span<const TypePtr> args);
Result<TypePtr> Int64Type(std::span<const TypePtr> args);
Result<TypePtr> UInt64Type(std::span<const TypePtr> args);
Result<TypePtr> Float64Type(std::span<const TypePtr> args);
Result<TypePtr> StringType(std::span<const TypePtr> args);
/// decimal(38, s) of a decimal argument of scale s.
Result<TypePtr> WidestDecimalType(std::span<const TypePtr> args);

}  // namespace headrace

/// Defines a function that list.inc names. Usage: HEADRACE_DEFINE_FUNCTION(kAbs) = {.id = "abs",
/// …};
#define HEADRACE_DEFINE_FUNCTION(name) \
  extern const FunctionDef name;       \
  constexpr FunctionDef name
