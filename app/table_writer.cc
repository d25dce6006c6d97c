// Rows as a table for people:
//   carrier  flights
//   -------  -------
//   9E         18460
#include <algorithm>
#include <chrono>
#include <vector>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"
#include "row_writer.h"

namespace headrace::app {
namespace {

constexpr size_t kSampleRows = 1000;
constexpr size_t kSampleBytes = size_t{4} << 20;
constexpr std::chrono::milliseconds kSampleTime{200};
constexpr size_t kWidthMax = 60;  // longer cells stand out of their column
constexpr std::string_view kGap = "  ";

/// Characters, not bytes; wide ones count as one.
size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

/// On one line, and without bytes that move the cursor of a terminal.
void EscapeControls(std::string* text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::none_of(text->begin(), text->end(), is_control)) return;
  std::string escaped;
  for (const char c : *text) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else if (is_control(c)) {
      escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  *text = std::move(escaped);
}

class TableWriter final : public RowWriter {
 public:
  explicit TableWriter(Output& output) : output_(output) {}

  Status Begin(const arrow::Schema& schema) override {
    start_ = std::chrono::steady_clock::now();
    for (const auto& field : schema.fields()) {
      Column column{field->name(), HasTypeFlag(*field->type(), kTypeNumeric)};
      EscapeControls(&column.name);
      columns_.push_back(std::move(column));
    }
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::vector<std::string> cells;
      for (const ArrayPtr& column : batch.columns()) {
        cells.push_back(FormatValue(*column, row));
        EscapeControls(&cells.back());
        sample_bytes_ += cells.back().size();
      }
      if (has_header_) {
        ARROW_RETURN_NOT_OK(WriteRow(cells));
        continue;
      }
      sample_.push_back(std::move(cells));
      const bool enough = sample_.size() >= kSampleRows || sample_bytes_ >= kSampleBytes;
      if (enough) ARROW_RETURN_NOT_OK(WriteSample());
    }
    const bool waited = std::chrono::steady_clock::now() - start_ > kSampleTime;
    if (!waited || (!has_header_ && sample_.empty())) return Status::OK();
    if (!has_header_) ARROW_RETURN_NOT_OK(WriteSample());
    return output_.is_terminal() ? output_.Flush() : Status::OK();
  }

  Status End() override { return has_header_ ? Status::OK() : WriteSample(); }

 private:
  struct Column {
    std::string name;
    bool is_number;
    size_t width = 0;
  };

  Status WriteSample() {
    has_header_ = true;
    std::vector<std::string> names;
    std::vector<std::string> rules;
    for (size_t i = 0; i < columns_.size(); ++i) {
      Column& column = columns_[i];
      column.width = WidthOf(column.name);
      for (const auto& row : sample_) column.width = std::max(column.width, WidthOf(row[i]));
      column.width = std::min(column.width, kWidthMax);
      names.push_back(column.name);
      rules.emplace_back(column.width, '-');
    }
    ARROW_RETURN_NOT_OK(WriteRow(names));
    ARROW_RETURN_NOT_OK(WriteRow(rules));
    for (const auto& row : sample_) ARROW_RETURN_NOT_OK(WriteRow(row));
    sample_.clear();
    return Status::OK();
  }

  Status WriteRow(const std::vector<std::string>& cells) {
    line_.clear();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line_ += kGap;
      const size_t width = WidthOf(cells[i]);
      const size_t blanks = columns_[i].width > width ? columns_[i].width - width : 0;
      if (columns_[i].is_number) line_.append(blanks, ' ');
      line_ += cells[i];
      const bool is_last = i + 1 == cells.size();
      if (!columns_[i].is_number && !is_last) line_.append(blanks, ' ');
    }
    return output_.Write(line_ += '\n');
  }

  Output& output_;
  std::chrono::steady_clock::time_point start_;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> sample_;
  size_t sample_bytes_ = 0;
  bool has_header_ = false;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeTableWriter(Output& output) {
  return std::make_unique<TableWriter>(output);
}

}  // namespace headrace::app
