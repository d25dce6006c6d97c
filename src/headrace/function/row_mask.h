// Sets of a batch's rows as bits, a word at a time.
#pragma once

#include <vector>

#include "headrace/function/view.h"

namespace headrace {

/// Row r is bit r % 64 of word r / 64. No bit is set past the rows.
using RowMask = std::vector<uint64_t>;

/// The active rows.
RowMask MaskOf(const Rows& rows);
/// The rows where a boolean is true.
RowMask TrueRows(const Argument& condition, int64_t length);
/// The rows that are not null.
RowMask ValidRows(const Argument& argument, int64_t length);
/// The rows of a mask in order.
std::vector<uint32_t> RowsIn(const RowMask& mask);
int64_t CountRows(const RowMask& mask);

}  // namespace headrace
