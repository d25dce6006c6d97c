// Backslash escapes of E'…' texts, as in PostgreSQL and DuckDB.
#pragma once

#include <string>
#include <string_view>

#include "headrace/base/error.h"

namespace headrace::sql {

/// The text that `inside`, what stands between the quotes, means: \b \f \n \r \t, up to three octal
/// digits, \x and up to two hexadecimal ones, \u and four, \U and eight; any other character stands
/// for itself, and two quotes are one. Fails without enough digits and where the text is not UTF-8.
Result<std::string> UnescapedText(std::string_view inside);

}  // namespace headrace::sql
