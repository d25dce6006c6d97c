// JSON lines as a stream of rows: one object a line.
#include "headrace/format/row_stream.h"

#include <memory>
#include <utility>

#include "arrow/type.h"
#include "headrace/format/format.h"
#include "headrace/format/json_lines/record_rows.h"
#include "headrace/format/json_lines/record_stream.h"
#include "headrace/format/json_lines/value_builder.h"

namespace headrace {
namespace json_lines {
namespace {

class JsonRowStream final : public RowStream {
 public:
  JsonRowStream(std::unique_ptr<RecordStream> records, const RowRequest& request)
      : records_(std::move(records)),
        request_(request),
        rows_(*records_, OnError::kFail, false, request.projection) {}

  Status Prepare(const arrow::Schema& schema, const TimeForms& times) {
    return rows_.Prepare(schema, &times, request_.pool);
  }

  Result<std::optional<Batch>> Next() override {
    records_->ReadAgain();
    while (rows_.rows() < request_.batch_rows && rows_.bytes() < request_.batch_bytes) {
      std::string_view record;
      ARROW_ASSIGN_OR_RAISE(const bool more, records_->Next(&record));
      if (!more) break;
      ARROW_ASSIGN_OR_RAISE(const RecordRows::Row row, rows_.Append(record));
      if (row == RecordRows::Row::kFits) [[likely]]
        continue;
      ARROW_RETURN_NOT_OK(request_.on_bad_row({records_->record_place(), rows_.Error(), record}));
    }
    if (rows_.rows() == 0) return std::nullopt;
    return rows_.Finish();
  }

  RowPlace place() const override { return records_->place(); }
  void EndOfFile() override { records_->EndOfFile(); }

 private:
  const std::unique_ptr<RecordStream> records_;
  const RowRequest request_;
  RecordRows rows_;
};

class JsonRowFormat final : public RowFormat {
 public:
  JsonRowFormat(SchemaPtr schema, TimeForms times)
      : schema_(std::move(schema)), times_(std::move(times)) {}

  bool is_text() const override { return true; }

  Result<std::unique_ptr<RowStream>> Open(const StreamFile& file, const RowPlace& from,
                                          const RowRequest& request) const override {
    ARROW_ASSIGN_OR_RAISE(auto text, OpenText(file, from.offset, request.pool));
    ARROW_ASSIGN_OR_RAISE(auto records,
                          RecordStream::Follow(file, from, std::move(text), request.pool));
    auto rows = std::make_unique<JsonRowStream>(std::move(records), request);
    ARROW_RETURN_NOT_OK(rows->Prepare(*schema_, times_));
    return std::unique_ptr<RowStream>(std::move(rows));
  }

 private:
  const SchemaPtr schema_;
  const TimeForms times_;
};

}  // namespace
}  // namespace json_lines

Result<std::unique_ptr<RowFormat>> StreamJsonLines(const SchemaPtr& schema, const OptionMap&,
                                                   OptionReader& reader) {
  ARROW_ASSIGN_OR_RAISE(TimeForms times, ReadTimeForms(reader, *schema));
  for (const auto& field : schema->fields()) {
    ARROW_RETURN_NOT_OK(WithContext(
        json_lines::MakeValueBuilder(field->type(), false, arrow::default_memory_pool()).status(),
        fmt::format("column \"{}\": ", field->name())));
  }
  return std::make_unique<json_lines::JsonRowFormat>(schema, std::move(times));
}

}  // namespace headrace
