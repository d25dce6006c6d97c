// Which rows of a sorted table bounds on its first key leave: found by binary search.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "headrace/table/bound.h"
#include "headrace/types/ordering.h"

namespace headrace {

/// Rows [first, second), among which are all that satisfy `bounds`; other rows may be there too.
/// `starts` goes beside `batches`, and has the number of rows behind the last one. REQUIRES: the
/// rows come in `order`.
Result<std::pair<int64_t, int64_t>> SearchRange(const std::vector<Batch>& batches,
                                                const std::vector<int64_t>& starts,
                                                const Ordering& order,
                                                const std::vector<ColumnBound>& bounds);

}  // namespace headrace
