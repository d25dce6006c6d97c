// Rows as text on standard output: a table, CSV or JSON lines.
#pragma once

#include <memory>
#include <string_view>

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
  virtual Status End() { return Status::OK(); }
};

/// Columns as wide as the widest of the first rows; numbers to the right; control characters shown
/// escaped. Rows are held back until there are enough to tell, or a moment has passed.
std::unique_ptr<RowWriter> MakeTableWriter(Output& output);
/// As the CSV format writes files, with a header.
std::unique_ptr<RowWriter> MakeCsvWriter(Output& output);
/// One JSON object a row.
std::unique_ptr<RowWriter> MakeJsonLinesWriter(Output& output);

}  // namespace headrace::app
