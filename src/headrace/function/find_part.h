// Looks for one text in the texts of a column, in all bytes at once.
#pragma once

#include <cstdint>
#include <string_view>

#include "headrace/function/view.h"

namespace headrace {

/// Sets the bit of every row whose text holds `part`. Row r has the bytes [offsets[r],
/// offsets[r + 1]) of `data`. REQUIRES: part is not empty; the bits are zero.
void MarkRowsHolding(std::string_view part, const char* data, const int32_t* offsets, int64_t rows,
                     uint8_t* bits);

/// Booleans: whether each text of a column, one per row, holds `part`, which is not empty.
Result<ArrayPtr> HoldsPart(KernelContext& ctx, const Argument& text, std::string_view part,
                           const Rows& rows);

}  // namespace headrace
