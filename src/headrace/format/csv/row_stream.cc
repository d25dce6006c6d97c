// CSV as a stream of rows: columns by the names of the header, or by their place.
#include "headrace/format/row_stream.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/ranges.h>

#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/row_scanner.h"
#include "headrace/format/csv/text_file.h"
#include "headrace/format/format.h"
#include "headrace/format/time_form.h"

namespace headrace {
namespace csv {
namespace {

/// What all files of a stream share.
struct StreamRules {
  StreamRules(SchemaPtr declared, Dialect text, TimeForms forms)
      : schema(std::move(declared)), dialect(std::move(text)), fields(dialect), times(forms) {}
  const SchemaPtr schema;
  const Dialect dialect;
  const FieldRules fields;
  const TimeForms times;
};

class CsvRowStream final : public RowStream {
 public:
  CsvRowStream(std::shared_ptr<const StreamRules> rules, StreamFile file, const RowPlace& from,
               const RowRequest& request)
      : rules_(std::move(rules)), file_(std::move(file)), begin_(from), request_(request) {}

  Result<std::optional<Batch>> Next() override {
    if (scanner_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(const bool begun, Begin());
      if (!begun) return std::nullopt;
    }
    scanner_->ReadAgain();
    int64_t rows = 0, bytes = 0;
    while (rows < request_.batch_rows) {
      ARROW_RETURN_NOT_OK(scanner_->NextBlock(request_.batch_rows - rows,
                                              request_.batch_bytes - bytes, rows == 0, &block_));
      if (block_.num_rows == 0) break;
      ARROW_RETURN_NOT_OK(AppendBlock(rows));
      rows += block_.num_rows;
      bytes += block_.bytes;
    }
    if (rows == 0) return std::nullopt;
    return Finish(rows);
  }

  RowPlace place() const override {
    if (scanner_ == nullptr) return begin_;
    return {begin_.offset + scanner_->offset(), scanner_->line() - 1};
  }

  void EndOfFile() override {
    grows_ = false;
    if (scanner_ != nullptr) scanner_->set_grows(false);
  }

 private:
  struct Column {
    int declared;   // in the schema
    int in_file;    // in the rows
    bool required;  // NOT NULL
    std::unique_ptr<ColumnBuilder> builder;
  };
  struct Misfit {
    int64_t row;
    size_t column;  // of columns_
    bool is_null;   // … where it must not be
  };

  /// False while the header is not there yet.
  Result<bool> Begin() {
    ARROW_ASSIGN_OR_RAISE(auto text, OpenText(file_, 0, request_.pool));
    RowScanner head(file_.info.path, rules_->dialect, std::move(text), 1, kHeaderReadBytes,
                    request_.pool);
    head.set_grows(grows_);
    ARROW_RETURN_NOT_OK(head.PassPreamble());
    if (!head.preamble_is_whole()) return false;
    std::vector<std::string> names = rules_->schema->field_names();
    if (rules_->dialect.header) {
      ARROW_ASSIGN_OR_RAISE(names, head.NextTexts(false));
      if (names.empty()) return false;
    }
    if (begin_ == RowPlace{}) begin_ = {head.offset(), head.line() - 1};
    ARROW_RETURN_NOT_OK(MakeColumns(names, head));
    ARROW_ASSIGN_OR_RAISE(text, OpenText(file_, begin_.offset, request_.pool));
    scanner_ = std::make_unique<RowScanner>(file_.info.path, rules_->dialect, std::move(text),
                                            begin_.row + 1, kReadBytes, request_.pool);
    scanner_->set_grows(grows_);
    scanner_->SetColumns(std::move(names), Cost());
    scanner_->set_on_odd_row(
        [this](int64_t offset, int64_t line, const Status& error, std::string_view row) {
          return request_.on_bad_row({{begin_.offset + offset, line - 1}, error, row});
        });
    return true;
  }

  Status MakeColumns(const std::vector<std::string>& names, const RowScanner& head) {
    columns_.clear();
    std::vector<int> wanted = request_.projection;
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    for (const int declared : wanted) {
      const arrow::Field& field = *rules_->schema->field(declared);
      const auto found = std::find(names.begin(), names.end(), field.name());
      if (found != names.end() && std::find(found + 1, names.end(), field.name()) != names.end()) {
        return head.ErrorAt(head.line() - 1, "expected one column of each name, got two of " +
                                                 ShowBytes(field.name()));
      }
      if (found == names.end()) {
        if (field.nullable()) continue;
        return head.ErrorAt(head.line() - 1,
                            fmt::format("expected a column {}, which is NOT NULL, got {}",
                                        ShowBytes(field.name()), fmt::join(names, ", ")));
      }
      ARROW_ASSIGN_OR_RAISE(
          auto builder,
          MakeColumnBuilder(field.type(), rules_->fields, request_.pool, rules_->times.Of(field)));
      columns_.push_back({declared, static_cast<int>(found - names.begin()), !field.nullable(),
                          std::move(builder)});
    }
    return Status::OK();
  }

  RowCost Cost() const {
    RowCost cost;
    int64_t bits = 0;
    for (const Column& column : columns_) {
      const arrow::DataType& type = *rules_->schema->field(column.declared)->type();
      bits += BitsPerValue(type) + 1;  // and one for validity
      if (HoldsText(type)) cost.text_columns.push_back(column.in_file);
    }
    cost.fixed_bytes = (bits + 7) / 8;
    return cost;
  }

  Status AppendBlock(int64_t rows_before) {
    misfits_.clear();
    for (size_t i = 0; i < columns_.size(); ++i) {
      Column& column = columns_[i];
      misfit_rows_.clear();
      ARROW_RETURN_NOT_OK(column.builder->Append(block_, column.in_file, &misfit_rows_));
      for (const int64_t row : misfit_rows_) misfits_.push_back({row, i, false});
      if (column.required) FindNulls(i);
    }
    if (misfits_.empty()) [[likely]]
      return Status::OK();
    std::stable_sort(misfits_.begin(), misfits_.end(),
                     [](const Misfit& a, const Misfit& b) { return a.row < b.row; });
    for (const Misfit& misfit : misfits_) {
      if (!bad_rows_.empty() && bad_rows_.back() == rows_before + misfit.row) continue;
      bad_rows_.push_back(rows_before + misfit.row);
      ARROW_RETURN_NOT_OK(Tell(misfit));
    }
    return Status::OK();
  }

  void FindNulls(size_t index) {
    for (int64_t row = 0; row < block_.num_rows; ++row) {
      const std::string_view text = block_.field(row, columns_[index].in_file);
      const bool is_null =
          !rules_->fields.text.IsQuoted(text) && rules_->fields.nulls.Contains(text);
      if (is_null) misfits_.push_back({row, index, true});
    }
  }

  Status Tell(const Misfit& misfit) {
    const Column& column = columns_[misfit.column];
    const std::string expected =
        misfit.is_null ? "a value (the column is NOT NULL)" : column.builder->expected();
    const RowPlace place{begin_.offset + scanner_->OffsetOf(block_, misfit.row),
                         scanner_->LineOf(block_, misfit.row) - 1};
    return request_.on_bad_row({place,
                                scanner_->FieldError(block_, misfit.row, column.in_file, expected),
                                scanner_->RowText(block_, misfit.row)});
  }

  Result<std::optional<Batch>> Finish(int64_t rows) {
    std::map<int, ArrayPtr> arrays;
    for (Column& column : columns_) {
      ARROW_ASSIGN_OR_RAISE(arrays[column.declared], column.builder->Finish());
    }
    std::vector<ArrayPtr> ordered;
    for (const int declared : request_.projection) {
      ArrayPtr& array = arrays[declared];
      if (array == nullptr) {
        ARROW_ASSIGN_OR_RAISE(array, arrow::MakeArrayOfNull(rules_->schema->field(declared)->type(),
                                                            rows, request_.pool));
      }
      ordered.push_back(array);
    }
    Batch batch(std::move(ordered), rows);
    if (bad_rows_.empty()) return batch;
    auto kept = std::make_shared<std::vector<uint32_t>>();
    auto bad = bad_rows_.begin();
    for (int64_t row = 0; row < rows; ++row) {
      if (bad != bad_rows_.end() && *bad == row) {
        ++bad;
      } else {
        kept->push_back(static_cast<uint32_t>(row));
      }
    }
    bad_rows_.clear();
    return batch.WithSelection(std::move(kept)).Compact(request_.pool);
  }

  const std::shared_ptr<const StreamRules> rules_;
  const StreamFile file_;
  RowPlace begin_;  // where the scanner began
  const RowRequest request_;
  bool grows_ = true;
  std::unique_ptr<RowScanner> scanner_;  // null until the header was read
  std::vector<Column> columns_;          // that are wanted and there
  RowBlock block_;
  std::vector<int64_t> misfit_rows_;
  std::vector<Misfit> misfits_;
  std::vector<int64_t> bad_rows_;  // of the batch under construction, ascending
};

class CsvRowFormat final : public RowFormat {
 public:
  explicit CsvRowFormat(std::shared_ptr<const StreamRules> rules) : rules_(std::move(rules)) {}

  bool is_text() const override { return true; }
  Result<std::unique_ptr<RowStream>> Open(const StreamFile& file, const RowPlace& from,
                                          const RowRequest& request) const override {
    return std::make_unique<CsvRowStream>(rules_, file, from, request);
  }

 private:
  const std::shared_ptr<const StreamRules> rules_;
};

}  // namespace
}  // namespace csv

Result<std::unique_ptr<RowFormat>> StreamCsv(const SchemaPtr& schema, const OptionMap& options,
                                             OptionReader& reader) {
  const auto path = options.find("path");
  ARROW_ASSIGN_OR_RAISE(
      csv::Dialect dialect,
      csv::ReadStreamDialect(reader, options, path == options.end() ? "" : path->second));
  ARROW_ASSIGN_OR_RAISE(TimeForms times, ReadTimeForms(reader, *schema));
  auto rules = std::make_shared<csv::StreamRules>(schema, std::move(dialect), std::move(times));
  for (const auto& field : schema->fields()) {
    ARROW_RETURN_NOT_OK(WithContext(
        csv::MakeColumnBuilder(field->type(), rules->fields, arrow::default_memory_pool()).status(),
        fmt::format("column \"{}\": ", field->name())));
  }
  return std::make_unique<csv::CsvRowFormat>(std::move(rules));
}

}  // namespace headrace
