// Rows as a Markdown table.
#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

void AppendEscaped(std::string_view text, std::string* out) {
  for (const char c : text) {
    if (c == '|' || c == '\\') *out += '\\';
    if (c == '\n') {
      *out += "<br>";
    } else if (c != '\r') {
      *out += c;
    }
  }
}

class MarkdownWriter final : public RowWriter {
 public:
  explicit MarkdownWriter(Output& output) : output_(output) {}

  Status Begin(const arrow::Schema& schema) override {
    std::string names = "|";
    std::string rules = "|";
    for (const auto& field : schema.fields()) {
      names += ' ';
      AppendEscaped(field->name(), &names);
      names += " |";
      rules += HasTypeFlag(*field->type(), kTypeNumeric) ? "--:|" : "---|";
    }
    return output_.Write(names + "\n" + rules + "\n");
  }

  Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      line_.clear();
      line_ += "|";
      for (const ArrayPtr& column : batch.columns()) {
        line_ += ' ';
        AppendEscaped(FormatValue(*column, row), &line_);
        line_ += " |";
      }
      ARROW_RETURN_NOT_OK(output_.Write(line_ += '\n'));
    }
    return Status::OK();
  }

 private:
  Output& output_;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeMarkdownWriter(Output& output) {
  return std::make_unique<MarkdownWriter>(output);
}

}  // namespace headrace::app
