// Rows to JSON.
#include "headrace/engine/rows_aside.h"

#include "arrow/record_batch.h"
#include "headrace/format/json_lines/row_text.h"

namespace headrace {

Status RowsToDeadLetters::Put(const SchemaPtr& schema, const Batch& rows, const char* why) {
  ARROW_ASSIGN_OR_RAISE(const Batch compact, rows.Compact(pool_));
  ARROW_RETURN_NOT_OK(json_lines::CheckColumns(*schema));
  json_lines::RowText text(*schema);
  ARROW_RETURN_NOT_OK(text.SetBatch(*compact.ToRecordBatch(schema), pool_));
  for (int64_t row = 0; row < text.num_rows(); ++row) {
    DeadLetter letter;
    letter.source = query_;
    letter.error = why;
    text.Append(row, &letter.payload);
    box_->Add(std::move(letter));
  }
  return Status::OK();
}

}  // namespace headrace
