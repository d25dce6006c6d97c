// Choosing, per row, the value of one of several arguments: what CASE and COALESCE end with.
#pragma once

#include <vector>

#include "headrace/function/view.h"

namespace headrace {

/// Row r of the result is row r of branches[choice[r]], or null where the choice is kNoBranch.
/// All branches have ctx.result_type.
inline constexpr uint32_t kNoBranch = ~uint32_t{0};
Result<ArrayPtr> ChooseRows(KernelContext& ctx, std::span<const Argument> branches,
                            const std::vector<uint32_t>& choice);

/// The active rows, written out.
std::vector<uint32_t> ActiveRows(const Rows& rows);

}  // namespace headrace
