// Rows as JSON: one object a line, or all in one array.
#include "arrow/memory_pool.h"
#include "headrace/format/json_lines/row_text.h"
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
    rows_ = std::make_unique<json_lines::RowText>(schema);
    return output_.Write(punctuation_.begin);
  }

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(rows_->SetBatch(batch, arrow::default_memory_pool()));
    for (int64_t row = 0; row < rows_->num_rows(); ++row) {
      line_.clear();
      if (!std::exchange(is_first_, false)) line_ += punctuation_.between;
      rows_->Append(row, &line_);
      ARROW_RETURN_NOT_OK(output_.Write(line_ += punctuation_.after_each));
    }
    return Status::OK();
  }

  Status End() override { return output_.Write(punctuation_.end); }

 private:
  Output& output_;
  const Punctuation& punctuation_;
  std::unique_ptr<json_lines::RowText> rows_;
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
