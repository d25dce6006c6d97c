// What every family file needs to write a FunctionDef: the defining macro and the usual result
// rules.
#pragma once

#include <array>

#include "headrace/function/function.h"

namespace headrace {

/// A list of argument patterns: kArgs<ArgPattern::kString, ArgPattern::kInt64>.
template <ArgPattern... kPatterns>
inline constexpr std::array<ArgPattern, sizeof...(kPatterns)> kArgs = {kPatterns...};

// Result rules.
Result<TypePtr> FirstType(std::span<const TypePtr> args);
Result<TypePtr> SecondType(std::span<const TypePtr> args);
Result<TypePtr> LastType(std::span<const TypePtr> args);
Result<TypePtr> BooleanType(std::span<const TypePtr> args);
Result<TypePtr> Int32Type(std::span<const TypePtr> args);
Result<TypePtr> Int64Type(std::span<const TypePtr> args);
Result<TypePtr> UInt64Type(std::span<const TypePtr> args);
Result<TypePtr> Float64Type(std::span<const TypePtr> args);
Result<TypePtr> StringType(std::span<const TypePtr> args);
Result<TypePtr> BinaryType(std::span<const TypePtr> args);
Result<TypePtr> DateType(std::span<const TypePtr> args);
/// timestamp[us] without a zone.
Result<TypePtr> TimestampType(std::span<const TypePtr> args);
/// The type of the items of the first argument, a list; of the values of a map.
Result<TypePtr> ItemType(std::span<const TypePtr> args);
/// list<T> of arguments of type T.
Result<TypePtr> ListOfFirstType(std::span<const TypePtr> args);
Result<TypePtr> ListOfStringType(std::span<const TypePtr> args);
/// decimal(38, s) of a decimal argument of scale s.
Result<TypePtr> WidestDecimalType(std::span<const TypePtr> args);

}  // namespace headrace

/// Defines a function that list.inc names. Usage: HEADRACE_DEFINE_FUNCTION(kAbs) = {.id = "abs",
/// …};
#define HEADRACE_DEFINE_FUNCTION(name) \
  extern const FunctionDef name;       \
  constexpr FunctionDef name
