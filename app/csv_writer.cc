// Rows as CSV.
#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/format/csv/quoting.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

class CsvWriter final : public RowWriter {
 public:
  explicit CsvWriter(Output& output) : output_(output), quoting_(csv::Dialect{}) {}

  Status Begin(const arrow::Schema& schema) override {
    line_.clear();
    for (int i = 0; i < schema.num_fields(); ++i) {
      if (i > 0) line_ += ',';
      ARROW_RETURN_NOT_OK(quoting_.Append(schema.field(i)->name(), &line_));
    }
    return output_.Write(line_ + "\n");
  }

  Status Write(const arrow::RecordBatch& record_batch) override {
    ARROW_ASSIGN_OR_RAISE(const Batch batch, DecodeBatch(Batch::FromRecordBatch(record_batch),
                                                         arrow::default_memory_pool()));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      line_.clear();
      for (const ArrayPtr& column : batch.columns()) {
        if (&column != &batch.columns().front()) line_ += ',';
        ARROW_RETURN_NOT_OK(AppendCell(*column, row));
      }
      ARROW_RETURN_NOT_OK(output_.Write(line_ += '\n'));
    }
    return Status::OK();
  }

 private:
  Status AppendCell(const arrow::Array& column, int64_t row) {
    if (column.IsNull(row)) {
      line_ += quoting_.null();
      return Status::OK();
    }
    cell_.clear();
    AppendValue(column, row, &cell_);
    return quoting_.Append(cell_, &line_);
  }

  Output& output_;
  const csv::Quoting quoting_;
  std::string line_;
  std::string cell_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeCsvWriter(Output& output) {
  return std::make_unique<CsvWriter>(output);
}

}  // namespace headrace::app
