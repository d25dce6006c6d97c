// Joining what parts of a column hold.
#include "headrace/table/column_facts.h"

#include "headrace/table/bound.h"

namespace headrace {
namespace {

bool IsLess(const ScalarPtr& left, const ScalarPtr& right) {
  return MayMatch({0, BoundOp::kLess, right}, {left, left, 0, 1});
}

}  // namespace

void Merge(const WholeColumn& part, WholeColumn* whole) {
  whole->null_count += part.null_count;
  if (part.min == nullptr) return;
  if (whole->min == nullptr || IsLess(part.min, whole->min)) whole->min = part.min;
  if (whole->max == nullptr || IsLess(whole->max, part.max)) whole->max = part.max;
}

}  // namespace headrace
