// Columns are numbered anew: only those that are read have to be there.
#include "headrace/exec/op/stream/pair_condition.h"

#include <algorithm>

#include "headrace/expression/evaluate.h"

namespace headrace {

PairCondition::PairCondition(const ExpressionPtr& condition, int width) {
  const std::vector<int> columns = ColumnsOf(*condition);
  for (int column : columns) {
    if (column < width) first_columns_.push_back(column);
    if (column >= width) second_columns_.push_back(column - width);
  }
  condition_ = ReplaceColumns(condition, [&](const Expression& column) {
    const auto place = std::find(columns.begin(), columns.end(), column.column) - columns.begin();
    return Expression::Column(static_cast<int>(place), column.name, column.type);
  });
}

Result<Selection> PairCondition::Passing(std::vector<ArrayPtr> columns, int64_t num_rows,
                                         Selection candidates, arrow::MemoryPool* pool) const {
  const Batch pairs = Batch(std::move(columns), num_rows).WithSelection(candidates);
  bool all_pass = false;
  ARROW_ASSIGN_OR_RAISE(Selection passing, EvaluatePredicate(*condition_, pairs, pool, &all_pass));
  return all_pass ? candidates : passing;
}

}  // namespace headrace
