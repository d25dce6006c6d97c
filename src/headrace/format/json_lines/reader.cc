// The JSON lines source: records of a file as batches of typed columns, in bounded memory, a split
// per range of bytes.
#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/compressed_stream.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"
#include "headrace/format/json_lines/evidence.h"
#include "headrace/format/json_lines/options.h"
#include "headrace/format/json_lines/record_parser.h"
#include "headrace/format/json_lines/record_stream.h"
#include "headrace/format/json_lines/value_builder.h"

namespace headrace {
namespace json_lines {
namespace {

/// A split of a file has about this many bytes.
constexpr int64_t kSplitBytes = int64_t{8} << 20;
/// Files whose records are looked at to find types.
constexpr int64_t kSampleFilesMax = 32;

class JsonReader final : public SplitReader {
 public:
  static Result<std::unique_ptr<SplitReader>> Make(std::unique_ptr<RecordStream> records,
                                                   const Options& options, const SchemaPtr& schema,
                                                   const ScanRequest& request,
                                                   const ReadContext& context) {
    auto reader = std::make_unique<JsonReader>(std::move(records), options, request, context);
    for (int i = 0; i < schema->num_fields(); ++i) {
      std::unique_ptr<ValueBuilder> builder;
      if (std::binary_search(reader->columns_.begin(), reader->columns_.end(), i)) {
        ARROW_ASSIGN_OR_RAISE(builder, MakeValueBuilder(schema->field(i)->type(),
                                                        options.unknown_keys_fail, context.pool));
      }
      reader->fields_.Add(schema->field(i)->name(), std::move(builder));
    }
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

  JsonReader(std::unique_ptr<RecordStream> records, const Options& options,
             const ScanRequest& request, const ReadContext& context)
      : records_(std::move(records)),
        parser_(*records_),
        request_(request),
        pool_(context.pool),
        rejected_rows_(context.rejected_rows),
        columns_(DistinctColumns(request.projection)),
        fields_(options.unknown_keys_fail),
        rows_left_(request.limit.value_or(std::numeric_limits<int64_t>::max())) {
    reading_.on_error = options.on_error;
  }

  Result<ReadResult> Next() override {
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const int64_t rows, FillRows());
      if (rows == 0) return ReadResult(EndOfSplit{});
      rows_left_ -= static_cast<int64_t>(kept_.size());
      ARROW_ASSIGN_OR_RAISE(Batch batch, FinishBatch(rows));
      if (batch.num_rows() > 0) return ReadResult(std::move(batch));
    }
  }

 private:
  /// Appends rows up to the limits of a batch; how many, with those that are to be skipped.
  Result<int64_t> FillRows() {
    const int64_t rows_max = std::min(request_.batch_rows, rows_left_);
    reading_.bytes = 0;
    kept_.clear();
    int64_t rows = 0;
    while (static_cast<int64_t>(kept_.size()) < rows_max && rows < request_.batch_rows &&
           reading_.bytes < request_.batch_bytes) {
      std::string_view record;
      ARROW_ASSIGN_OR_RAISE(const bool more, records_->Next(&record));
      if (!more) break;
      ARROW_ASSIGN_OR_RAISE(const bool keep, AppendRecord(record));
      if (keep) kept_.push_back(static_cast<uint32_t>(rows));
      ++rows;
    }
    return rows;
  }

  /// Appends one row; whether it is to be kept. Counts those that are left out or mended.
  Result<bool> AppendRecord(std::string_view record) {
    reading_.mended = 0;
    ARROW_ASSIGN_OR_RAISE(const bool fits, AppendFields(record));
    if (fits && reading_.mended == 0) [[likely]]
      return true;
    if (rejected_rows_ != nullptr) rejected_rows_->fetch_add(1);
    return fits || reading_.on_error == OnError::kNull;
  }

  /// False for a record that is not as it should be and was, as a whole, taken for nulls.
  Result<bool> AppendFields(std::string_view record) {
    JsonObject object;
    switch (parser_.Parse(record, &object)) {
      case RecordParser::Kind::kBroken: {
        ARROW_RETURN_NOT_OK(CheckMemory(fields_.AppendNulls(reading_)));
        if (reading_.on_error == OnError::kFail) return parser_.BrokenError();
        return false;
      }
      case RecordParser::Kind::kNull:
        ARROW_RETURN_NOT_OK(CheckMemory(fields_.AppendNulls(reading_)));
        return true;
      case RecordParser::Kind::kObject:
        break;
    }
    Fit fit = fields_.Append(object, reading_);
    if (fit == Fit::kFits && parser_.AtEnd()) [[likely]]
      return true;
    ARROW_RETURN_NOT_OK(CheckMemory(fit));
    if (reading_.on_error != OnError::kFail) return false;
    if (fit == Fit::kMisfit) return parser_.MisfitError(reading_);
    if (fit == Fit::kBroken) {
      return parser_.BrokenError(reading_.place, reading_.path, reading_.expected);
    }
    return parser_.BrokenError(nullptr, "", "expected the end of the record after its object");
  }

  Status CheckMemory(Fit fit) const {
    return fit == Fit::kNoMemory ? DecodeError(reading_.status, records_->path(), "json_lines")
                                 : Status::OK();
  }

  Result<Batch> FinishBatch(int64_t rows) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<ArrayPtr> arrays, fields_.Finish());
    Batch batch(InProjectionOrder(arrays, columns_, request_.projection), rows);
    if (static_cast<int64_t>(kept_.size()) == rows) return batch;
    auto selection = std::make_shared<const std::vector<uint32_t>>(kept_);
    return batch.WithSelection(std::move(selection)).Compact(pool_);
  }

  const std::unique_ptr<RecordStream> records_;
  RecordParser parser_;
  const ScanRequest request_;
  arrow::MemoryPool* const pool_;
  const std::shared_ptr<std::atomic<int64_t>> rejected_rows_;  // may be null
  const std::vector<int> columns_;                             // that are built
  FieldBuilders fields_;
  Reading reading_;
  std::vector<uint32_t> kept_;  // rows of the batch that are not skipped
  int64_t rows_left_;
};

class JsonFile final : public DataFile {
 public:
  JsonFile(Vfs& vfs, FileInfo info, Options options, SchemaPtr schema)
      : vfs_(vfs),
        info_(std::move(info)),
        options_(std::move(options)),
        schema_(std::move(schema)) {
    const bool whole = options_.layout == Layout::kArray || IsCompressedPath(info_.path);
    num_parts_ = whole ? 1 : info_.size / kSplitBytes + 1;
  }

  const SchemaPtr& schema() const override { return schema_; }
  int64_t num_parts() const override { return num_parts_; }

  Result<std::vector<Split>> Parts(const ScanRequest&) const override {
    std::vector<Split> parts;
    for (int64_t i = 0; i < num_parts_; ++i) {
      const int64_t begin = info_.size / num_parts_ * i;
      const int64_t end = i + 1 == num_parts_ ? info_.size : info_.size / num_parts_ * (i + 1);
      parts.push_back({i, begin, end, fmt::format("{} bytes {}-{}", info_.path, begin, end)});
    }
    return parts;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                            const ReadContext& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto records, RecordStream::Open(vfs_, info_, options_.layout, part.begin,
                                                           part.end, context.pool));
    return JsonReader::Make(std::move(records), options_, schema_, request, context);
  }

 private:
  Vfs& vfs_;
  const FileInfo info_;
  const Options options_;
  const SchemaPtr schema_;
  int64_t num_parts_ = 1;
};

/// Adds the first records of a file to `evidence`. Tells what the layout turned out to be.
Result<Layout> Sample(Vfs& vfs, const FileInfo& file, const Options& options, int64_t rows_max,
                      int64_t bytes_max, FieldEvidence* evidence) {
  ARROW_ASSIGN_OR_RAISE(auto records, RecordStream::Open(vfs, file, options.layout, 0, file.size,
                                                         arrow::default_memory_pool()));
  RecordParser parser(*records);
  std::string_view record;
  int64_t bytes = 0;
  for (int64_t rows = 0; rows < rows_max && bytes < bytes_max; ++rows) {
    ARROW_ASSIGN_OR_RAISE(const bool more, records->Next(&record));
    if (!more) break;
    bytes += static_cast<int64_t>(record.size());
    JsonObject object;
    const RecordParser::Kind kind = parser.Parse(record, &object);
    if (kind == RecordParser::Kind::kNull) continue;
    if (kind == RecordParser::Kind::kObject) {
      const auto error = evidence->Add(object, 0);
      if (error == simdjson::SUCCESS || options.on_error != OnError::kFail) continue;
      return parser.BrokenError(nullptr, "", simdjson::error_message(error));
    }
    if (options.on_error == OnError::kFail) return parser.BrokenError();
  }
  return records->is_array() ? Layout::kArray : Layout::kLines;
}

Result<SchemaPtr> DeclaredSchema(const Options& options) {
  for (const auto& field : options.columns->fields()) {
    ARROW_RETURN_NOT_OK(
        WithContext(MakeValueBuilder(field->type(), false, arrow::default_memory_pool()).status(),
                    fmt::format("column \"{}\": ", field->name())));
  }
  return options.columns;
}

/// One schema for all files; with their layouts.
Result<SchemaPtr> InferSchema(Vfs& vfs, const std::vector<FileInfo>& files, const Options& options,
                              std::vector<Layout>* layouts) {
  FieldEvidence evidence(options.infer_times);
  const int64_t count = std::min<int64_t>(kSampleFilesMax, static_cast<int64_t>(files.size()));
  for (size_t i = 0; i < files.size(); ++i) {
    const int64_t rows = static_cast<int64_t>(i) < count ? options.sample_rows : 0;
    ARROW_ASSIGN_OR_RAISE((*layouts)[i], Sample(vfs, files[i], options, rows,
                                                options.sample_bytes / count, &evidence));
  }
  SchemaPtr schema = arrow::schema(evidence.Fields());
  if (schema->num_fields() > 0) return schema;
  return Error(ErrorKind::kBadData, "{}: expected a record with keys, got none",
               files.front().path);
}

}  // namespace
}  // namespace json_lines

Result<SourcePtr> OpenJsonLines(Vfs& vfs, std::vector<std::string> paths,
                                const OptionMap& options) {
  using json_lines::Layout;
  ARROW_ASSIGN_OR_RAISE(json_lines::Options read, json_lines::ReadOptions(options));
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> infos, StatFiles(vfs, paths));
  std::vector<Layout> layouts(infos.size(), read.layout);
  SchemaPtr schema;
  if (read.columns == nullptr) {
    ARROW_ASSIGN_OR_RAISE(schema, json_lines::InferSchema(vfs, infos, read, &layouts));
  } else {
    ARROW_ASSIGN_OR_RAISE(schema, json_lines::DeclaredSchema(read));
    json_lines::FieldEvidence unused(false);
    for (size_t i = 0; i < infos.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(layouts[i], json_lines::Sample(vfs, infos[i], read, 0, 0, &unused));
    }
  }
  std::vector<BoundDataFile> files;
  for (size_t i = 0; i < infos.size(); ++i) {
    read.layout = layouts[i];
    auto file = std::make_unique<json_lines::JsonFile>(vfs, infos[i], read, schema);
    files.push_back({std::move(infos[i]), std::move(file)});
  }
  return MakeFileSource(vfs, "json_lines", std::move(files));
}

}  // namespace headrace
