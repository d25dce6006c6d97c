// Evaluation of typed expressions over batches.
#pragma once

#include <span>
#include <vector>

#include "headrace/expression/expression.h"

namespace headrace {

/// Evaluates scalar expressions. Immutable after Make; thread safe. Row-level errors are raised
/// only for selected rows and for branches that a row takes.
class Evaluator {
 public:
  /// kInternal when an aggregate, ordered or callback node is left in a tree.
  static Result<Evaluator> Make(std::vector<ExpressionPtr> expressions);

  /// One array per expression, of the batch's physical length (its selection is respected for
  /// errors and kept by the caller). Column references pass through, encoding included.
  Result<std::vector<ArrayPtr>> Evaluate(const Batch& batch, arrow::MemoryPool* pool) const;

  const std::vector<ExpressionPtr>& expressions() const { return expressions_; }

 private:
  std::vector<ExpressionPtr> expressions_;
};

/// A scalar expression over `columns` of rows.length rows, in plain encoding.
Result<ArrayPtr> EvaluateOver(const Expression& expression, std::span<const ArrayPtr> columns,
                              const Rows& rows, arrow::MemoryPool* pool);

/// Positions among the batch's selected rows where the boolean `predicate` is true (null is not).
/// Null result: all of them.
Result<Selection> EvaluatePredicate(const Expression& predicate, const Batch& batch,
                                    arrow::MemoryPool* pool, bool* all_selected);

/// A scalar call on arrays of one length (or constants), with coercion: eager use of kernels.
Result<ArrayPtr> EvaluateCall(Dialect dialect, std::string_view name,
                              std::span<const Argument> args, arrow::MemoryPool* pool);

/// Casts an array (plain types); errors name the row's value. `try_cast`: misfits become null.
Result<ArrayPtr> CastArray(const ArrayPtr& array, const TypePtr& type, bool try_cast,
                           const Rows& rows, arrow::MemoryPool* pool);

}  // namespace headrace
