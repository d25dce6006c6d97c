// Rows on standard output, in the formats of --format.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/type_fwd.h"
#include "output.h"

namespace headrace::app {

/// Begin, any number of Write, End. Memory does not grow with the number of rows.
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  virtual Status Begin(const arrow::Schema& schema) = 0;
  /// The batch may be in any encoding.
  virtual Status Write(const arrow::RecordBatch& batch) = 0;
  /// Whether more rows would change what is shown.
  virtual bool WantsMore() const { return true; }
  virtual Status End() { return Status::OK(); }
};

struct TableOptions {
  int64_t rows_max = 0;  // 0: all
  int width = 0;         // cells of the terminal; 0: as wide as the rows are
  bool color = false;
  bool counts_all = true;    // false: rows that are not shown are counted for a moment only
  const char* unit = "row";  // what the footer counts
};

/// A box with names and types. Columns are as wide as the widest of the first rows; numbers to the
/// right; control characters shown escaped. A footer says how many rows there are and how many rows
/// and columns were left out. Rows are held back until there are enough to tell the widths, or a
/// moment has passed.
std::unique_ptr<RowWriter> MakeTableWriter(Output& output, const TableOptions& options);
/// As the CSV format writes files, with a header.
std::unique_ptr<RowWriter> MakeCsvWriter(Output& output);
/// One JSON object a row.
std::unique_ptr<RowWriter> MakeJsonLinesWriter(Output& output);
/// One JSON array of objects.
std::unique_ptr<RowWriter> MakeJsonWriter(Output& output);
std::unique_ptr<RowWriter> MakeMarkdownWriter(Output& output);
/// An Arrow IPC stream; refused by a terminal.
std::unique_ptr<RowWriter> MakeArrowWriter(Output& output);

/// Names that --format takes.
const std::vector<std::string>& RowFormats();
/// REQUIRES: `format` is one of RowFormats().
std::unique_ptr<RowWriter> MakeRowWriter(const std::string& format, Output& output,
                                         const TableOptions& table);

}  // namespace headrace::app
