// Unbound expressions as Python holds them.
#pragma once

#include <nanobind/nanobind.h>

#include <set>
#include <string>

#include "headrace/expression/expression.h"
#include "headrace/expression/unbound.h"
#include "headrace/python/callback.h"

namespace headrace {
class Scope;
}

namespace headrace::python {

/// A tree with what its text cannot hold: the functions it calls back, the column names that must
/// match exactly (those given by Python rather than by SQL text), and the text it was parsed from.
struct ExpressionHandle {
  UnboundPtr tree;
  Callbacks callbacks;
  std::set<std::vector<std::string>> exact_paths;
  std::string text;
};

/// Types `expression` over `scope`. Errors in a text show a caret under the place.
Result<ExpressionPtr> BindHandle(const ExpressionHandle& expression, const Scope& scope);

void AddExpressionClasses(nb::module_& module);

}  // namespace headrace::python
