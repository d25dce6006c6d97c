// Rows as JSON lines.
#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"
#include "json_text.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

class JsonLinesWriter final : public RowWriter {
 public:
  explicit JsonLinesWriter(Output& output) : output_(output) {}

  Status Begin(const arrow::Schema& schema) override {
    keys_.clear();
    for (const auto& field : schema.fields()) {
      keys_.emplace_back(keys_.empty() ? "{" : ",");
      AppendJsonString(field->name(), &keys_.back());
      keys_.back() += ':';
    }
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& record_batch) override {
    ARROW_ASSIGN_OR_RAISE(const Batch batch, DecodeBatch(Batch::FromRecordBatch(record_batch),
                                                         arrow::default_memory_pool()));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      line_.clear();
      if (keys_.empty()) line_ += '{';
      for (size_t i = 0; i < keys_.size(); ++i) {
        line_ += keys_[i];
        AppendJson(*batch.columns()[i], row, &line_);
      }
      ARROW_RETURN_NOT_OK(output_.Write(line_ += "}\n"));
    }
    return Status::OK();
  }

 private:
  Output& output_;
  std::vector<std::string> keys_;  // with what stands around them: {"a":  ,"b":
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeJsonLinesWriter(Output& output) {
  return std::make_unique<JsonLinesWriter>(output);
}

}  // namespace headrace::app
