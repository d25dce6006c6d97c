// The binder: names → columns and functions, and every coercion written as a cast.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/expression/unbound.h"

namespace headrace {

/// The columns that names may mean. `qualifier` is a table's name or alias; "" for none.
class Scope {
 public:
  struct Entry {
    std::string qualifier;
    std::string name;
    TypePtr type;
    /// Found by qualifier.name alone, and left out of *: the second column of JOIN … USING.
    bool qualified_only = false;
  };

  Scope() = default;
  explicit Scope(const arrow::Schema& schema, std::string qualifier = "");
  void Add(std::string qualifier, std::string name, TypePtr type, bool qualified_only = false);
  const std::vector<Entry>& entries() const { return entries_; }

  /// Index of the entry that `path` ([qualifier,] name) names. kUnknownName with the nearest names;
  /// ambiguous names are an error that says so. SQL ignores case (an exact match wins).
  Result<int> Resolve(const std::vector<std::string>& path, Dialect dialect) const;
  /// Whether `path` names any entry, or several.
  bool Knows(const std::vector<std::string>& path, Dialect dialect) const;

 private:
  std::vector<Entry> entries_;
};

/// Types an expression. Errors carry the span of the part they speak of: kUnknownName (with the
/// nearest names), kTypeMismatch (function, what it takes, what came). Does not fold constants.
Result<ExpressionPtr> Bind(const Unbound& expression, const Scope& scope, Dialect dialect);

/// `expression` as a `type`, by the implicit rules of the dialect, or kTypeMismatch.
Result<ExpressionPtr> CoerceTo(const ExpressionPtr& expression, const TypePtr& type);
/// The least type both can be widened to without loss of meaning; kTypeMismatch names both.
Result<TypePtr> CommonType(const TypePtr& left, const TypePtr& right);

/// Folds calls and casts over literals. A part that raises is left as it is: it fails only when a
/// row reaches it.
ExpressionPtr FoldConstants(const ExpressionPtr& expression);

}  // namespace headrace
