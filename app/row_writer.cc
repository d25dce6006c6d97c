// The formats by name.
#include "row_writer.h"

namespace headrace::app {

const std::vector<std::string>& RowFormats() {
  static const std::vector<std::string> names = {"table", "csv",      "json",
                                                 "jsonl", "markdown", "arrow"};
  return names;
}

std::unique_ptr<RowWriter> MakeRowWriter(const std::string& format, Output& output,
                                         const TableOptions& table) {
  if (format == "csv") return MakeCsvWriter(output);
  if (format == "json") return MakeJsonWriter(output);
  if (format == "jsonl") return MakeJsonLinesWriter(output);
  if (format == "markdown") return MakeMarkdownWriter(output);
  if (format == "arrow") return MakeArrowWriter(output);
  return MakeTableWriter(output, table);
}

}  // namespace headrace::app
