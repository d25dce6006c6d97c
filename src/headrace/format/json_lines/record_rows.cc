// Parsing of records into builders, and what becomes of those that do not fit.
#include "headrace/format/json_lines/record_rows.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "arrow/type.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/file_source.h"

namespace headrace::json_lines {

RecordRows::RecordRows(RecordStream& records, OnError on_error, bool unknown_keys_fail,
                       const std::vector<int>& projection)
    : records_(records),
      parser_(records),
      projection_(projection),
      columns_(DistinctColumns(projection)),
      fields_(unknown_keys_fail) {
  reading_.on_error = on_error;
}

Status RecordRows::Prepare(const arrow::Schema& schema, const TimeForms* times,
                           arrow::MemoryPool* pool) {
  pool_ = pool;
  for (int i = 0; i < schema.num_fields(); ++i) {
    const arrow::Field& field = *schema.field(i);
    std::unique_ptr<ValueBuilder> builder;
    if (std::binary_search(columns_.begin(), columns_.end(), i)) {
      ARROW_ASSIGN_OR_RAISE(builder,
                            MakeValueBuilder(field.type(), fields_.unknown_keys_fail(), pool,
                                             times == nullptr ? nullptr : times->Of(field)));
    }
    fields_.Add(field.name(), std::move(builder), !field.nullable());
  }
  return Status::OK();
}

Result<RecordRows::Row> RecordRows::Append(std::string_view record) {
  reading_.mended = 0;
  ARROW_ASSIGN_OR_RAISE(fault_, AppendFields(record));
  const auto row = static_cast<uint32_t>(rows_++);
  const bool mends = reading_.on_error == OnError::kNull;
  if (fault_ == Fault::kNone || mends) kept_.push_back(row);
  if (fault_ == Fault::kNone && reading_.mended == 0) [[likely]]
    return Row::kFits;
  return mends ? Row::kMended : Row::kBad;
}

/// A record that is not as it should be becomes a row of nulls, or of what fitted and nulls.
Result<RecordRows::Fault> RecordRows::AppendFields(std::string_view record) {
  JsonObject object;
  const RecordParser::Kind kind = parser_.Parse(record, &object);
  const Fit fit = kind == RecordParser::Kind::kObject ? fields_.Append(object, reading_)
                                                      : fields_.AppendNulls(reading_);
  ARROW_RETURN_NOT_OK(CheckMemory(fit));
  if (kind == RecordParser::Kind::kBroken) return Fault::kNotParsed;
  if (fit == Fit::kMisfit) return Fault::kMisfit;
  if (fit == Fit::kBroken) return Fault::kBroken;
  return kind == RecordParser::Kind::kNull || parser_.AtEnd() ? Fault::kNone : Fault::kTail;
}

Status RecordRows::Error() {
  switch (fault_) {
    case Fault::kNone:
      return Status::OK();
    case Fault::kNotParsed:
      return parser_.BrokenError();
    case Fault::kMisfit:
      return parser_.MisfitError(reading_);
    case Fault::kBroken:
      return parser_.BrokenError(reading_.place, reading_.path, reading_.expected);
    case Fault::kTail:
      return parser_.BrokenError(nullptr, "", "expected the end of the record after its object");
  }
  return Status::OK();
}

Status RecordRows::CheckMemory(Fit fit) const {
  return fit == Fit::kNoMemory ? DecodeError(reading_.status, records_.path(), "json_lines")
                               : Status::OK();
}

Result<Batch> RecordRows::Finish() {
  ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> arrays, fields_.Finish());
  Batch batch(InProjectionOrder(arrays, columns_, projection_), std::exchange(rows_, 0));
  reading_.bytes = 0;
  std::vector<uint32_t> kept = std::exchange(kept_, {});
  if (static_cast<int64_t>(kept.size()) == batch.physical_rows()) return batch;
  return batch.WithSelection(std::make_shared<const std::vector<uint32_t>>(std::move(kept)))
      .Compact(pool_);
}

}  // namespace headrace::json_lines
