// headrace describe: the columns of a file, without reading its rows.
#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "command.h"
#include "headrace/types/type_table.h"
#include "row_writer.h"
#include "terminal.h"

namespace headrace::app {
namespace {

Result<std::shared_ptr<arrow::RecordBatch>> ColumnsOf(const arrow::Schema& schema) {
  arrow::StringBuilder names;
  arrow::StringBuilder types;
  for (const auto& field : schema.fields()) {
    ARROW_RETURN_NOT_OK(names.Append(field->name()));
    ARROW_RETURN_NOT_OK(types.Append(SqlNameOf(*field->type())));
  }
  ARROW_ASSIGN_OR_RAISE(auto name_array, names.Finish());
  ARROW_ASSIGN_OR_RAISE(auto type_array, types.Finish());
  const auto columns =
      arrow::schema({arrow::field("column", arrow::utf8()), arrow::field("type", arrow::utf8())});
  return arrow::RecordBatch::Make(columns, schema.num_fields(), {name_array, type_array});
}

}  // namespace

Status RunDescribe(const DescribeCommand& command, const Settings& settings, Output& output) {
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(const OptionMap options, OptionsFrom(command.input_options));
  ARROW_RETURN_NOT_OK(CheckFormatGiven(command.input, options, "--input-option"));
  ARROW_ASSIGN_OR_RAISE(const SourcePtr source,
                        session->OpenFile(PathOf(command.input, "/dev/stdin"), options));
  ARROW_ASSIGN_OR_RAISE(const auto batch, ColumnsOf(*source->schema()));
  const std::optional<int64_t> rows = source->row_count();
  fmt::print(stderr, "{}{}\n", source->name(),
             rows.has_value() ? fmt::format(": {} rows", *rows) : "");
  TableOptions table;
  table.width = output.is_terminal() ? TerminalWidth(output.descriptor()) : 0;
  table.color = output.is_terminal() && ShowsColor(output.descriptor());
  table.unit = "column";
  const auto writer = MakeRowWriter(command.format, output, table);
  ARROW_RETURN_NOT_OK(writer->Begin(*batch->schema()));
  ARROW_RETURN_NOT_OK(writer->Write(*batch));
  return writer->End();
}

}  // namespace headrace::app
