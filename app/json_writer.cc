// Rows as JSON: one object a line, or all in one array.
#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"
#include "json_text.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

/// What stands around the objects.
struct Punctuation {
  std::string_view begin;
  std::string_view between;
  std::string_view after_each;
  std::string_view end;
};
constexpr Punctuation kLines = {"", "", "\n", ""};
constexpr Punctuation kArray = {"[", ",\n ", "", "]\n"};

class JsonWriter final : public RowWriter {
 public:
  JsonWriter(Output& output, const Punctuation& punctuation)
      : output_(output), punctuation_(punctuation) {}

  Status Begin(const arrow::Schema& schema) override {
    for (const auto& field : schema.fields()) {
      keys_.emplace_back(keys_.empty() ? "{" : ",");
      AppendJsonString(field->name(), &keys_.back());
      keys_.back() += ':';
    }
    return output_.Write(punctuation_.begin);
  }

  Status Write(const arrow::RecordBatch& record_batch) override {
    ARROW_ASSIGN_OR_RAISE(const Batch batch, DecodeBatch(Batch::FromRecordBatch(record_batch),
                                                         arrow::default_memory_pool()));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      line_.clear();
      if (!std::exchange(is_first_, false)) line_ += punctuation_.between;
      if (keys_.empty()) line_ += '{';
      for (size_t i = 0; i < keys_.size(); ++i) {
        line_ += keys_[i];
        AppendJson(*batch.columns()[i], row, &line_);
      }
      line_ += '}';
      ARROW_RETURN_NOT_OK(output_.Write(line_ += punctuation_.after_each));
    }
    return Status::OK();
  }

  Status End() override { return output_.Write(punctuation_.end); }

 private:
  Output& output_;
  const Punctuation& punctuation_;
  std::vector<std::string> keys_;  // with what stands around them: {"a":  ,"b":
  bool is_first_ = true;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeJsonLinesWriter(Output& output) {
  return std::make_unique<JsonWriter>(output, kLines);
}
std::unique_ptr<RowWriter> MakeJsonWriter(Output& output) {
  return std::make_unique<JsonWriter>(output, kArray);
}

}  // namespace headrace::app
