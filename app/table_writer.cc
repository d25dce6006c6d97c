// Rows as a table for people:
//   ┌─────────┬─────────┐
//   │ carrier │ flights │
//   │ VARCHAR │  BIGINT │
//   │ 9E      │   18460 │
//   └─────────┴─────────┘
#include <algorithm>
#include <chrono>
#include <vector>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"
#include "row_writer.h"
#include "table_layout.h"
#include "terminal.h"

namespace headrace::app {
namespace {

constexpr size_t kSampleRows = 1000;
constexpr size_t kSampleBytes = size_t{4} << 20;
constexpr std::chrono::milliseconds kSampleTime{200};
constexpr std::chrono::milliseconds kCountTime{1000};
constexpr int kWidthMax = 60;  // of a column in a pipe; longer cells stand out
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

struct Cell {
  std::string text;
  bool is_null = false;
};

class TableWriter final : public RowWriter {
 public:
  TableWriter(Output& output, const TableOptions& options) : output_(output), options_(options) {}

  Status Begin(const arrow::Schema& schema) override {
    start_ = std::chrono::steady_clock::now();
    for (const auto& field : schema.fields()) {
      Column column;
      column.name = EscapeControls(field->name());
      column.type = SqlNameOf(*field->type());
      column.is_number = HasTypeFlag(*field->type(), kTypeNumeric);
      columns_.push_back(std::move(column));
    }
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) override {
    const int64_t room = options_.rows_max == 0 ? batch.num_rows() : options_.rows_max - rows_;
    const int64_t shown = std::clamp<int64_t>(room, 0, batch.num_rows());
    for (int64_t row = 0; row < shown; ++row) ARROW_RETURN_NOT_OK(AddRow(batch, row));
    if (shown > 0) full_ = std::chrono::steady_clock::now();
    rows_ += batch.num_rows();
    has_more_ = !options_.counts_all && options_.rows_max > 0 && rows_ > options_.rows_max &&
                std::chrono::steady_clock::now() - full_ > kCountTime;
    if (!has_header_ && (shown < batch.num_rows() || WaitedLong())) {
      ARROW_RETURN_NOT_OK(WriteSample());
    }
    if (!has_header_ || !output_.is_terminal()) return Status::OK();
    return output_.Flush();
  }

  bool WantsMore() const override { return !has_more_; }

  Status End() override {
    if (columns_.empty()) return output_.Write(Footer());
    if (!has_header_) ARROW_RETURN_NOT_OK(WriteSample());
    return output_.Write(Rule("└", "┴", "┘") + Footer());
  }

 private:
  struct Column {
    std::string name;
    std::string type;
    bool is_number = false;
  };

  Status AddRow(const arrow::RecordBatch& batch, int64_t row) {
    std::vector<Cell> cells;
    for (const ArrayPtr& column : batch.columns()) {
      const bool is_null = column->IsNull(row) || column->type_id() == arrow::Type::NA;
      cells.push_back({EscapeControls(FormatValue(*column, row)), is_null});
      sample_bytes_ += cells.back().text.size();
    }
    if (has_header_) return WriteRow(cells);
    sample_.push_back(std::move(cells));
    const bool enough = sample_.size() >= kSampleRows || sample_bytes_ >= kSampleBytes;
    return enough ? WriteSample() : Status::OK();
  }

  /// Somebody may be waiting for the rows that there are.
  bool WaitedLong() const {
    return !sample_.empty() && std::chrono::steady_clock::now() - start_ > kSampleTime;
  }

  void LayOut() {
    std::vector<int> widths;
    std::vector<bool> keeps_width;
    for (size_t i = 0; i < columns_.size(); ++i) {
      int width = std::max(DisplayWidth(columns_[i].name), DisplayWidth(columns_[i].type));
      for (const auto& row : sample_) width = std::max(width, DisplayWidth(row[i].text));
      widths.push_back(std::clamp(width, 1, std::max(kWidthMax, options_.width)));
      keeps_width.push_back(columns_[i].is_number);
    }
    layout_ = LayOutTable(std::move(widths), keeps_width, options_.width);
  }

  Status WriteSample() {
    has_header_ = true;
    if (columns_.empty()) return Status::OK();
    LayOut();
    std::vector<Cell> names;
    std::vector<Cell> types;
    for (const Column& column : columns_) {
      names.push_back({column.name});
      types.push_back({column.type});
    }
    ARROW_RETURN_NOT_OK(output_.Write(Rule("┌", "┬", "┐")));
    ARROW_RETURN_NOT_OK(WriteRow(names, kBold));
    ARROW_RETURN_NOT_OK(WriteRow(types, kDim));
    ARROW_RETURN_NOT_OK(output_.Write(Rule("├", "┼", "┤")));
    for (const auto& row : sample_) ARROW_RETURN_NOT_OK(WriteRow(row));
    sample_.clear();
    return Status::OK();
  }

  void Append(std::string_view text, std::string_view color) {
    if (options_.color && !color.empty()) {
      line_.append(color).append(text).append(kPlain);
    } else {
      line_ += text;
    }
  }

  void AppendCell(const Cell& cell, bool is_number, int width, std::string_view color) {
    const std::string text = options_.width > 0 ? CutToWidth(cell.text, width) : cell.text;
    const std::string blanks(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
    if (is_number) line_ += blanks;
    Append(text, cell.is_null ? kDim : color);
    if (!is_number) line_ += blanks;
  }

  Status WriteRow(const std::vector<Cell>& cells, std::string_view color = "") {
    line_.clear();
    for (size_t i = 0; i < layout_.shown.size(); ++i) {
      Append(i == 0 ? "│ " : " │ ", kDim);
      const int shown = layout_.shown[i];
      if (shown < 0) {
        Append("…", kDim);
        continue;
      }
      const auto column = static_cast<size_t>(shown);
      AppendCell(cells[column], columns_[column].is_number, layout_.widths[i], color);
    }
    Append(" │", kDim);
    return output_.Write(line_ += '\n');
  }

  std::string Rule(std::string_view left, std::string_view middle, std::string_view right) {
    std::string rule(left);
    for (size_t i = 0; i < layout_.widths.size(); ++i) {
      if (i > 0) rule += middle;
      for (int cell = 0; cell < layout_.widths[i] + 2; ++cell) rule += "─";
    }
    rule += right;
    line_.clear();
    Append(rule, kDim);
    return line_ + "\n";
  }

  std::string Footer() const {
    std::string text = fmt::format("{}{} {}{}", has_more_ ? "more than " : "", rows_, options_.unit,
                                   rows_ == 1 ? "" : "s");
    if (options_.rows_max > 0 && rows_ > options_.rows_max) {
      text += fmt::format(", {} shown", options_.rows_max);
    }
    const auto shown = std::count_if(layout_.shown.begin(), layout_.shown.end(),
                                     [](int column) { return column >= 0; });
    if (static_cast<size_t>(shown) < columns_.size()) {
      text += fmt::format(", {} columns, {} shown", columns_.size(), shown);
    }
    return text + "\n";
  }

  Output& output_;
  const TableOptions options_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point full_;  // when the last row was shown
  std::vector<Column> columns_;
  TableLayout layout_;
  std::vector<std::vector<Cell>> sample_;
  size_t sample_bytes_ = 0;
  int64_t rows_ = 0;
  bool has_more_ = false;  // rows that nobody counted
  bool has_header_ = false;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowWriter> MakeTableWriter(Output& output, const TableOptions& options) {
  return std::make_unique<TableWriter>(output, options);
}

}  // namespace headrace::app
