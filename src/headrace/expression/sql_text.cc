// The SQL spelling of calls and literals.
#include "headrace/expression/sql_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

bool IsSymbol(std::string_view name) {
  return std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

std::string Uppered(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

std::string CaseText(const std::vector<std::string>& args) {
  std::string text = "CASE";
  size_t next = 0;
  for (; next + 1 < args.size(); next += 2) {
    text += fmt::format(" WHEN {} THEN {}", args[next], args[next + 1]);
  }
  if (next < args.size()) text += fmt::format(" ELSE {}", args[next]);
  return text + " END";
}

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c;
    if (c == '\'') quoted += c;
  }
  return quoted + "'";
}

}  // namespace

std::string CallText(std::string_view name, const std::vector<std::string>& args, bool distinct) {
  if (name == "case") return CaseText(args);
  if (name == "not" && args.size() == 1) return fmt::format("(NOT {})", args[0]);
  if (name == "is_null" && args.size() == 1) return fmt::format("({} IS NULL)", args[0]);
  if (name == "is_not_null" && args.size() == 1) return fmt::format("({} IS NOT NULL)", args[0]);
  if (IsSymbol(name) && args.size() == 1) return fmt::format("({}{})", name, args[0]);
  if (IsSymbol(name) || name == "and" || name == "or") {
    return fmt::format("({})", fmt::join(args, fmt::format(" {} ", Uppered(name))));
  }
  return fmt::format("{}({}{})", name, distinct ? "DISTINCT " : "", fmt::join(args, ", "));
}

std::string LiteralText(const arrow::Scalar& literal) {
  if (!literal.is_valid) return "NULL";
  const auto array = arrow::MakeArrayFromScalar(literal, 1);
  if (!array.ok()) return literal.ToString();
  const std::string text = FormatValue(**array, 0);
  switch (literal.type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return Quoted(text);
    case arrow::Type::DATE32:
      return "DATE " + Quoted(text);
    case arrow::Type::TIMESTAMP:
      return "TIMESTAMP " + Quoted(text);
    case arrow::Type::BOOL:
      return text;
    default:
      break;
  }
  const bool is_plain_number = text.find_first_not_of("0123456789.-") == std::string::npos;
  return is_plain_number ? text : CastText(Quoted(text), *literal.type, false);
}

std::string CastText(const std::string& arg, const arrow::DataType& type, bool try_cast) {
  return fmt::format("{}({} AS {})", try_cast ? "TRY_CAST" : "CAST", arg, SqlNameOf(type));
}

}  // namespace headrace
