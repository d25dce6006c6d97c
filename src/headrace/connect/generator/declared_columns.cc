// Columns of a declared stream: what is made for a type where no option says it.
#include <fmt/format.h>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/connect/generator/generator.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

/// "" where there is nothing to make such cells of.
std::string KindFor(const arrow::DataType& type, bool is_first) {
  switch (type.id()) {
    case arrow::Type::INT64:
    case arrow::Type::INT32:
      return is_first ? "sequence" : "integer(0, 999)";
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return "integer(0, 99)";
    case arrow::Type::BOOL:
      return "integer(0, 1)";
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
      return "double(0, 100)";
    case arrow::Type::STRING:
      return "key(100)";
    case arrow::Type::TIMESTAMP:
      return "event_time(0, 1000)";
    default:
      return "";
  }
}

}  // namespace

Result<std::vector<GeneratorColumn>> DeclaredGeneratorColumns(
    const arrow::Schema& schema,
    const std::function<Result<std::string>(const std::string& option, const std::string& text)>&
        text) {
  std::vector<GeneratorColumn> columns;
  for (const auto& field : schema.fields()) {
    const std::string by_type = KindFor(*field->type(), columns.empty());
    ARROW_ASSIGN_OR_RAISE(const std::string kind,
                          text("columns." + LowerCase(field->name()), by_type));
    if (kind.empty() || by_type.empty()) {
      return Error(ErrorKind::kUnsupported, "generator: column {}: no cells of type {} are made",
                   field->name(), SqlNameOf(*field->type()));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<GeneratorColumn> made, ParseGeneratorColumns("c " + kind));
    if (made.size() != 1) {
      return Error(ErrorKind::kInvalidArgument, "generator: column {}: expected one kind, got '{}'",
                   field->name(), kind);
    }
    made.front().name = field->name();
    made.front().type = field->type();
    columns.push_back(std::move(made.front()));
  }
  return columns;
}

}  // namespace headrace
