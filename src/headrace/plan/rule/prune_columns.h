// What PlanNode::Prune is written with: which columns are needed, and columns that have moved.
#pragma once

#include <vector>

#include "headrace/plan/node.h"

namespace headrace {

/// No column of `node`'s output.
ColumnMask NoneOf(const PlanNode& node);
/// The first `width` entries: what is needed of the input by a node that appends columns to it.
ColumnMask InputPart(const ColumnMask& needed, size_t width);

/// Adds the columns that are read.
void Need(const Expression& expression, ColumnMask* needed);
void Need(const std::vector<int>& columns, ColumnMask* needed);
void Need(const Ordering& order, ColumnMask* needed);
void Need(const FramedCall& framed, ColumnMask* needed);

/// The same with column c at places[c]. REQUIRES: it is not gone.
std::vector<int> Moved(std::vector<int> columns, const std::vector<int>& places);
Ordering Moved(Ordering order, const std::vector<int>& places);
std::vector<FunctionCall> Moved(std::vector<FunctionCall> calls, const std::vector<int>& places);
std::vector<FramedCall> Moved(std::vector<FramedCall> calls, const std::vector<int>& places);

/// Prunes `plan` and drops even the columns that only a filter below needed: for inputs whose rows
/// are copied.
Result<PrunedPlan> PruneExactly(const PlanPtr& plan, const ColumnMask& needed);

/// Places of the columns that a node appends to the `width` columns of its pruned input, which are
/// those that are needed.
void PlaceAppended(const ColumnMask& needed, size_t width, PrunedPlan* pruned);

}  // namespace headrace
