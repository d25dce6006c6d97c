// Choosing, per row, the value of one of several arguments: what CASE and COALESCE end with.
#pragma once

#include <vector>

#include "headrace/function/row_mask.h"

namespace headrace {

/// An argument of ctx.result_type and the rows that take it.
struct Branch {
  Argument value;
  RowMask rows;
};
/// `length` rows, each of the branch that has it; null where none has. No two have the same row.
Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Branch> branches, int64_t length);

/// Row r of the result is row r of values[choice[r]], or null where the choice is kNoBranch.
inline constexpr uint32_t kNoBranch = ~uint32_t{0};
Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Argument> values,
                            const std::vector<uint32_t>& choice);

/// The active rows, written out.
std::vector<uint32_t> ActiveRows(const Rows& rows);

}  // namespace headrace
