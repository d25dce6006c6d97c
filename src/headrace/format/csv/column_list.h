// Column lists: "a BIGINT, \"b c\" DECIMAL(10, 2)" as a schema, in the words of SQL's types.
#pragma once

#include <string_view>

#include "headrace/types/batch.h"

namespace headrace::csv {

/// Names are words or stand in double quotes (a doubled one is a quote). kSyntax, kUnknownName.
Result<SchemaPtr> ParseColumnList(std::string_view text);

}  // namespace headrace::csv
