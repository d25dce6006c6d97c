// Rewriting of expression trees.
#pragma once

#include <functional>
#include <vector>

#include "headrace/expression/expression.h"

namespace headrace {

/// What `visit` gives for a node replaces it, whole; null goes on with the node's parts. Parts of a
/// window (PARTITION BY, ORDER BY) are visited too. Unchanged trees are shared.
using Visit = std::function<Result<ExpressionPtr>(const ExpressionPtr&)>;
Result<ExpressionPtr> Transform(const ExpressionPtr& expression, const Visit& visit);

/// Calls `see` on every direct part of `expression`: arguments, then parts of its window.
void ForEachPart(const Expression& expression,
                 const std::function<void(const ExpressionPtr&)>& see);

/// Columns of `expressions` moved: column c becomes `places[c]`. REQUIRES: places[c] >= 0.
ExpressionPtr MoveColumns(const ExpressionPtr& expression, const std::vector<int>& places);

/// `expression` over columns of a join, all of its right side, as one over that side's columns.
ExpressionPtr OverRight(const ExpressionPtr& expression, int left_width);

/// An aggregate with OVER is no call of kAggregate.
bool IsCallOf(const Expression& expression, FunctionKind kind);
/// A column or a literal: nothing is gained by computing it before.
bool IsLeaf(const Expression& expression);
/// Comparisons and connectives over columns and literals: they give a value for every row.
bool NeverRaises(const Expression& expression);
/// The terms of a disjunction (OR), flattened; the expression itself when it is none.
std::vector<ExpressionPtr> SplitDisjunction(const ExpressionPtr& expression);
bool IsOr(const Expression& expression);
/// The terms joined by AND. REQUIRES: not empty.
ExpressionPtr MakeConjunction(std::vector<ExpressionPtr> terms);

/// The comparison that `expression` is (a call of =, <, <=, >, >=, IS NOT DISTINCT FROM), for plan
/// rewrites.
enum class Comparison { kNone, kEqual, kNotDistinct, kLess, kLessEqual, kGreater, kGreaterEqual };
Comparison ComparisonOf(const Expression& expression);
/// The same comparison with its sides exchanged.
Comparison Mirror(Comparison comparison);

}  // namespace headrace
