// RowText: rows of batches as JSON objects, for files and for the command.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arrow/type_fwd.h"
#include "headrace/types/batch.h"

namespace headrace::json_lines {

/// kUnsupported names columns that JSON cannot hold, and names that come twice.
Status CheckColumns(const arrow::Schema& schema);

/// How the cells of one column are written.
class CellText {
 public:
  virtual ~CellText() = default;
  virtual void Append(int64_t row, std::string* out) const = 0;
};

/// One thread.
class RowText {
 public:
  explicit RowText(const arrow::Schema& schema);

  /// The rows from here on; of the schema, in any encoding.
  Status SetBatch(const arrow::RecordBatch& batch, arrow::MemoryPool* pool);
  int64_t num_rows() const { return batch_.num_rows(); }
  /// Row `row` of the batch as one object. Values as AppendJson writes them.
  void Append(int64_t row, std::string* out) const;

 private:
  std::vector<std::string> keys_;  // with what stands around them: {"a":  ,"b":
  Batch batch_;
  std::vector<std::unique_ptr<CellText>> cells_;
};

}  // namespace headrace::json_lines
