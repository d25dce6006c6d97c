// Column bounds: the part of a predicate that a source can use to skip data it need not read.
#pragma once

#include <memory>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

enum class BoundOp { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIsNull, kIsNotNull };

/// `column op value`; `value` has the plain type of the column and is not null (ignored by IsNull).
struct ColumnBound {
  int column = 0;  // in the source's schema
  BoundOp op = BoundOp::kEqual;
  ScalarPtr value;
};

/// What is known of a column in a piece of data: null min/max mean unknown.
struct ColumnRange {
  ScalarPtr min;
  ScalarPtr max;
  int64_t null_count = -1;  // −1: unknown
  int64_t num_rows = 0;
};

/// False only when no row of the piece can satisfy the bound. Min and max may be wider than the
/// data.
bool MayMatch(const ColumnBound& bound, const ColumnRange& range);

}  // namespace headrace
