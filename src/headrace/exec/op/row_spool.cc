// A file takes batches until the first of them is read.
#include "headrace/exec/op/row_spool.h"

#include "arrow/record_batch.h"

namespace headrace {

RowSpool::RowSpool(const OperatorContext& context, SchemaPtr schema, const char* stem)
    : context_(context), schema_(std::move(schema)), stem_(stem), reservation_(context.budget) {}

int64_t RowSpool::TryPush(const Batch& rows) {
  const int64_t bytes = rows.num_bytes();
  if (!reservation_.TryGrow(bytes)) return bytes;
  waiting_.push_back({rows, nullptr, 0, bytes});
  return 0;
}

Result<int64_t> RowSpool::TryPop(Batch* rows) {
  reservation_.TryResize(reservation_.bytes() - popped_bytes_);
  popped_bytes_ = 0;
  Waiting& first = waiting_.front();
  if (!first.rows.has_value()) {
    if (!reservation_.TryGrow(first.bytes)) return first.bytes;
    if (first.file == writing_) {
      ARROW_RETURN_NOT_OK(writing_->Seal());
      writing_.reset();
    }
    ARROW_ASSIGN_OR_RAISE(const auto read, first.file->Read(first.file->sections()[first.section]));
    first.file->ReadAhead(first.section + 1);
    first.rows = Batch::FromRecordBatch(*read);
  }
  *rows = *std::move(first.rows);
  popped_bytes_ = first.bytes;
  waiting_.pop_front();
  return 0;
}

Result<int64_t> RowSpool::Spill() {
  int64_t freed = 0;
  for (Waiting& waiting : waiting_) {
    if (!waiting.rows.has_value()) continue;
    if (writing_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(writing_, SpillFile::Make(context_, stem_));
      sections_ = 0;
    }
    ARROW_RETURN_NOT_OK(writing_->Write(/*key_group=*/0, *waiting.rows->ToRecordBatch(schema_)));
    waiting.file = writing_;
    waiting.section = sections_++;
    waiting.rows.reset();
    freed += waiting.bytes;
  }
  reservation_.TryResize(reservation_.bytes() - freed);
  return freed;
}

}  // namespace headrace
