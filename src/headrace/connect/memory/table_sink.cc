// Nothing is kept back: what a checkpoint has to know of a table is its rows.
#include "headrace/connect/memory/table_sink.h"

#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace {

Status TableSink::Open(const SchemaPtr& schema, arrow::MemoryPool*) {
  const int change = schema->GetFieldIndex(kChangeColumn);
  SchemaPtr rows = schema;
  if (change >= 0) {
    ARROW_ASSIGN_OR_RAISE(rows, schema->RemoveField(change));
  }
  const arrow::Schema& expected = *table_->schema();
  if (rows->num_fields() != expected.num_fields()) {
    return Error(ErrorKind::kTypeMismatch, "{}: expected {} columns, got {}", name(),
                 expected.num_fields(), rows->num_fields());
  }
  for (int i = 0; i < expected.num_fields(); ++i) {
    const arrow::DataType& type = *rows->field(i)->type();
    if (SameLogicalType(*expected.field(i)->type(), type)) continue;
    return Error(ErrorKind::kTypeMismatch, "{}: column {}: expected type {}, got {}", name(),
                 expected.field(i)->name(), expected.field(i)->type()->ToString(), type.ToString());
  }
  schema_ = schema;
  change_ = change;
  return Status::OK();
}

Status TableSink::Write(const arrow::RecordBatch& batch) {
  if (schema_ == nullptr || !batch.schema()->Equals(*schema_)) {
    return Error(ErrorKind::kTypeMismatch, "{}: expected a batch of schema {}, got {}", name(),
                 schema_ == nullptr ? "of an open sink" : schema_->ToString(),
                 batch.schema()->ToString());
  }
  if (change_ < 0) return table_->Upsert(batch);
  ARROW_ASSIGN_OR_RAISE(const auto rows, batch.RemoveColumn(change_));
  return table_->Apply(*rows, batch.column(change_));
}

}  // namespace headrace
