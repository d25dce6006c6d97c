// The CSV source: rows of a file as batches of typed columns, in bounded memory.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/type.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/column_list.h"
#include "headrace/format/csv/row_scanner.h"
#include "headrace/format/csv/sniffer.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"

namespace headrace {
namespace csv {
namespace {

constexpr int64_t kSampleRows = 10'000;
constexpr int64_t kSampleBytes = int64_t{1} << 20;

RowCost CostOf(const arrow::Schema& schema, const std::vector<int>& columns) {
  RowCost cost;
  int64_t bits = 0;
  for (const int column : columns) {
    const arrow::DataType& type = *schema.field(column)->type();
    bits += BitsPerValue(type) + 1;  // and one for validity
    if (HoldsText(type)) cost.text_columns.push_back(column);
  }
  cost.fixed_bytes = (bits + 7) / 8;
  return cost;
}

class CsvReader final : public SplitReader {
 public:
  static Result<std::unique_ptr<SplitReader>> Make(std::unique_ptr<RowScanner> scanner,
                                                   const Dialect& dialect, const SchemaPtr& schema,
                                                   const ScanRequest& request,
                                                   arrow::MemoryPool* pool) {
    auto reader = std::make_unique<CsvReader>(std::move(scanner), dialect, request);
    for (const int column : reader->columns_) {
      ARROW_ASSIGN_OR_RAISE(auto builder,
                            MakeColumnBuilder(schema->field(column)->type(), reader->nulls_, pool));
      reader->builders_.push_back(std::move(builder));
    }
    if (dialect.header) ARROW_RETURN_NOT_OK(reader->PassHeader(*schema));
    reader->scanner_->SetColumns(schema->field_names(), CostOf(*schema, reader->columns_));
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

  CsvReader(std::unique_ptr<RowScanner> scanner, const Dialect& dialect, const ScanRequest& request)
      : scanner_(std::move(scanner)),
        request_(request),
        nulls_(dialect.nulls),
        columns_(DistinctColumns(request.projection)),
        rows_left_(request.limit.value_or(std::numeric_limits<int64_t>::max())) {}

  Result<ReadResult> Next() override {
    const int64_t rows_max = std::min(request_.batch_rows, rows_left_);
    int64_t rows = 0, bytes = 0;
    while (rows < rows_max) {
      ARROW_RETURN_NOT_OK(
          scanner_->NextBlock(rows_max - rows, request_.batch_bytes - bytes, rows == 0, &block_));
      if (block_.num_rows == 0) break;
      ARROW_RETURN_NOT_OK(AppendBlock());
      rows += block_.num_rows;
      bytes += block_.bytes;
    }
    if (rows == 0) return ReadResult(EndOfSplit{});
    rows_left_ -= rows;
    return FinishBatch(rows);
  }

 private:
  Status PassHeader(const arrow::Schema& schema) {
    const int64_t line = scanner_->line();
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> names, scanner_->NextTexts(false));
    const int got = static_cast<int>(names.size());
    if (names.empty() || got == schema.num_fields()) return Status::OK();
    return scanner_->ErrorAt(line,
                             fmt::format("expected {} fields, got {}", schema.num_fields(), got));
  }

  Status AppendBlock() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const int64_t misfit,
                            builders_[i]->Append(*scanner_, block_, columns_[i]));
      if (misfit != ColumnBuilder::kAllFit) {
        return scanner_->FieldError(block_, misfit, columns_[i], builders_[i]->expected());
      }
    }
    return Status::OK();
  }

  Result<ReadResult> FinishBatch(int64_t rows) {
    std::vector<ArrayPtr> arrays;
    arrays.reserve(builders_.size());
    for (const auto& builder : builders_) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr array, builder->Finish());
      arrays.push_back(std::move(array));
    }
    return ReadResult(Batch(InProjectionOrder(arrays, columns_, request_.projection), rows));
  }

  const std::unique_ptr<RowScanner> scanner_;
  const ScanRequest request_;
  const NullSpellings nulls_;
  const std::vector<int> columns_;  // that are built
  std::vector<std::unique_ptr<ColumnBuilder>> builders_;
  RowBlock block_;
  int64_t rows_left_;
};

class CsvFile final : public DataFile {
 public:
  CsvFile(Vfs& vfs, FileInfo info, Dialect dialect, SchemaPtr schema)
      : vfs_(vfs),
        info_(std::move(info)),
        dialect_(std::move(dialect)),
        schema_(std::move(schema)) {}

  const SchemaPtr& schema() const override { return schema_; }

  Result<std::vector<Split>> Parts(const ScanRequest&) const override {
    return std::vector<Split>{{0, 0, info_.size, info_.path}};
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split&, const ScanRequest& request,
                                            const ReadContext& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto scanner,
                          RowScanner::Open(vfs_, info_, dialect_, kReadBytes, context.pool));
    return CsvReader::Make(std::move(scanner), dialect_, schema_, request, context.pool);
  }

 private:
  Vfs& vfs_;
  const FileInfo info_;
  const Dialect dialect_;
  const SchemaPtr schema_;
};

SchemaPtr SchemaOf(const std::vector<std::string>& names,
                   const std::vector<TypeEvidence>& evidence) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < names.size(); ++i) {
    fields.push_back(arrow::field(names[i], evidence[i].Type()));
  }
  return arrow::schema(std::move(fields));
}

/// A schema per file. Files with the same number of columns get the types that fit all their
/// samples.
Result<std::vector<SchemaPtr>> SniffSchemas(Vfs& vfs, const std::vector<FileInfo>& files,
                                            const Dialect& dialect, const SampleLimits& limits) {
  std::vector<Sample> samples;
  for (const FileInfo& file : files) {
    ARROW_ASSIGN_OR_RAISE(Sample sample, TakeSample(vfs, file, dialect, limits));
    samples.push_back(std::move(sample));
  }
  std::vector<TypeEvidence> merged = samples.front().evidence;
  for (const Sample& sample : samples) {
    if (sample.names != samples.front().names) continue;
    for (size_t i = 0; i < merged.size(); ++i) merged[i].Merge(sample.evidence[i]);
  }
  std::vector<SchemaPtr> schemas;
  for (const Sample& sample : samples) {
    const bool same = sample.names == samples.front().names;
    schemas.push_back(SchemaOf(sample.names, same ? merged : sample.evidence));
  }
  return schemas;
}

Result<std::vector<SchemaPtr>> ReadSchemas(Vfs& vfs, const std::vector<FileInfo>& files,
                                           const Dialect& dialect, OptionReader& reader,
                                           const OptionMap& options) {
  const int64_t count = static_cast<int64_t>(files.size());
  ARROW_ASSIGN_OR_RAISE(const std::string columns, reader.Text("columns", ""));
  ARROW_ASSIGN_OR_RAISE(int64_t rows,
                        reader.Integer("sample_rows", kSampleRows, 0, int64_t{1} << 40));
  ARROW_RETURN_NOT_OK(reader.Finish());
  if (!columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(const SchemaPtr schema, ParseColumnList(columns));
    for (const auto& field : schema->fields()) {
      ARROW_RETURN_NOT_OK(WithContext(
          MakeColumnBuilder(field->type(), NullSpellings({}), arrow::default_memory_pool())
              .status(),
          fmt::format("column \"{}\": ", field->name())));
    }
    return std::vector<SchemaPtr>(files.size(), schema);
  }
  SampleLimits limits{rows, std::numeric_limits<int64_t>::max()};
  if (!options.contains("sample_rows")) {
    limits = {std::max<int64_t>(100, kSampleRows / count),
              std::max<int64_t>(1 << 14, kSampleBytes / count)};
  }
  return SniffSchemas(vfs, files, dialect, limits);
}

}  // namespace
}  // namespace csv

Result<SourcePtr> OpenCsv(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options) {
  OptionReader reader("csv reader", options);
  ARROW_ASSIGN_OR_RAISE(const csv::Dialect dialect,
                        csv::ReadDialect(reader, options, paths.front()));
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> infos, StatFiles(vfs, paths));
  ARROW_ASSIGN_OR_RAISE(const std::vector<SchemaPtr> schemas,
                        csv::ReadSchemas(vfs, infos, dialect, reader, options));
  std::vector<BoundDataFile> files;
  for (size_t i = 0; i < infos.size(); ++i) {
    auto file = std::make_unique<csv::CsvFile>(vfs, infos[i], dialect, schemas[i]);
    files.push_back({std::move(infos[i]), std::move(file)});
  }
  return MakeFileSource(vfs, "csv", std::move(files));
}

}  // namespace headrace
