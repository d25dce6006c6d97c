// Errors with the place in the query that they speak of.
#pragma once

#include <string_view>

#include "headrace/base/error.h"

namespace headrace::sql {

/// `status` with the line of `text` its span begins in and a caret under the place:
///   unknown column "dpe_delay"; did you mean dep_delay?
///     line 1: SELECT dpe_delay FROM f
///                    ^
/// Long lines are cut around the caret. Lines count from `first_line`. The span is used up. A
/// status without a span stays as it is.
Status WithCaret(const Status& status, std::string_view text, int64_t first_line = 1);

}  // namespace headrace::sql
