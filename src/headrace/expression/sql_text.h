// The SQL spelling of calls and literals, for names of columns, EXPLAIN and messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/types/batch.h"

namespace headrace {

/// "(a + b)", "upper(a)", "CASE WHEN a THEN b END": a call of a SQL name over the texts of its
/// arguments.
std::string CallText(std::string_view name, const std::vector<std::string>& args,
                     bool distinct = false);
/// "'it''s'", "42", "DATE '2013-01-01'", "NULL".
std::string LiteralText(const arrow::Scalar& literal);
std::string CastText(const std::string& arg, const arrow::DataType& type, bool try_cast);

}  // namespace headrace
