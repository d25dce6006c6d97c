// PairCondition: the condition of a join over pairs of rows, evaluated on the columns it reads.
#pragma once

#include <memory>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/types/batch.h"

namespace headrace {

class PairCondition {
 public:
  /// `condition` is over the columns of one side, `width` of them, then of the other.
  PairCondition(const ExpressionPtr& condition, int width);

  /// What is read of each side: columns of that side alone, sorted.
  const std::vector<int>& first_columns() const { return first_columns_; }
  const std::vector<int>& second_columns() const { return second_columns_; }
  /// The candidates (positions in the columns) for which it is true. `columns` are those of the
  /// first side, then of the second, of `num_rows` rows.
  Result<Selection> Passing(std::vector<ArrayPtr> columns, int64_t num_rows, Selection candidates,
                            arrow::MemoryPool* pool) const;

 private:
  std::vector<int> first_columns_;
  std::vector<int> second_columns_;
  ExpressionPtr condition_;  // over first_columns_, then second_columns_
};

}  // namespace headrace
