// The registry: every FunctionDef of list.inc, found by id or by its name in a dialect.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/function/function.h"

namespace headrace {

/// In the order of list.inc.
std::span<const FunctionDef* const> AllFunctions();
/// Null when there is none. Names are case-insensitive in SQL, exact elsewhere.
const FunctionDef* FindFunction(Dialect dialect, std::string_view name);
const FunctionDef* FindFunctionById(std::string_view id);
/// Names of a function in a dialect, split; empty when it has none.
std::vector<std::string> NamesIn(const FunctionDef& function, Dialect dialect);
/// Every name of a dialect, for "did you mean".
std::vector<std::string> AllNames(Dialect dialect);

}  // namespace headrace
