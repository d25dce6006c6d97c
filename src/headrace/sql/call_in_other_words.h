// Calls that stand for others: struct_pack, lists of quantiles, the first n of arg_min and max …
#pragma once

#include "headrace/expression/unbound.h"

namespace headrace::sql {

/// What takes the place of `call`, to be prepared in turn; null: it stands for itself.
Result<UnboundPtr> CallInOtherWords(const Unbound& call);

/// All calls of an expression that is not prepared.
Result<UnboundPtr> InOtherWords(const UnboundPtr& expression);

/// FILTER, ORDER BY and DISTINCT are of aggregates alone; names that nobody knows pass.
Status RefuseRowsOfItsOwn(const Unbound& call);

}  // namespace headrace::sql
