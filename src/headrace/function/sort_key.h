// Types whose values are compared by the function sort_key.
#pragma once

#include "arrow/type_fwd.h"

namespace headrace {

/// Whether `type` is a list, struct, map or interval with months, in plain encoding, that sort_key
/// takes.
bool IsComparedByKey(const arrow::DataType& type);

}  // namespace headrace
