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
#include "headrace/format/json_lines/record_rows.h"
#include "headrace/format/json_lines/record_stream.h"
#include "headrace/format/json_lines/value_builder.h"

namespace headrace {
namespace json_lines {
namespace {

/// A split of a file has about this many bytes.
constexpr int64_t kLineSplitBytes = int64_t{8} << 20;
/// Files whose records are looked at to find types.
constexpr int64_t kSampleFilesMax = 32;

class JsonReader final : public SplitReader {
 public:
  static Result<std::unique_ptr<SplitReader>> Make(std::unique_ptr<RecordStream> records,
                                                   const Options& options, const SchemaPtr& schema,
                                                   const ScanRequest& request,
                                                   const ReadContext& context) {
    auto reader = std::make_unique<JsonReader>(std::move(records), options, request, context);
    ARROW_RETURN_NOT_OK(reader->rows_.Prepare(*schema, nullptr, context.pool));
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

  JsonReader(std::unique_ptr<RecordStream> records, const Options& options,
             const ScanRequest& request, const ReadContext& context)
      : records_(std::move(records)),
        rows_(*records_, options.on_error, options.unknown_keys_fail, request.projection),
        request_(request),
        rejected_rows_(context.rejected_rows),
        fails_(options.on_error == OnError::kFail),
        rows_left_(request.limit.value_or(std::numeric_limits<int64_t>::max())) {}

  Result<ReadResult> Next() override {
    while (true) {
      ARROW_RETURN_NOT_OK(FillRows());
      if (rows_.rows() == 0) return ReadResult(EndOfSplit{});
      ARROW_ASSIGN_OR_RAISE(Batch batch, rows_.Finish());
      rows_left_ -= batch.num_rows();
      if (batch.num_rows() > 0) return ReadResult(std::move(batch));
    }
  }
  int64_t bytes() const override { return records_->bytes(); }

 private:
  /// Appends rows up to the limits of a batch. Counts those that are left out or mended.
  Status FillRows() {
    const int64_t rows_max = std::min(request_.batch_rows, rows_left_);
    while (rows_.good_rows() < rows_max && rows_.rows() < request_.batch_rows &&
           rows_.bytes() < request_.batch_bytes) {
      std::string_view record;
      ARROW_ASSIGN_OR_RAISE(const bool more, records_->Next(&record));
      if (!more) break;
      ARROW_ASSIGN_OR_RAISE(const RecordRows::Row row, rows_.Append(record));
      if (row == RecordRows::Row::kFits) [[likely]]
        continue;
      if (fails_) return rows_.Error();
      if (rejected_rows_ != nullptr) rejected_rows_->fetch_add(1);
    }
    return Status::OK();
  }

  const std::unique_ptr<RecordStream> records_;
  RecordRows rows_;
  const ScanRequest request_;
  const std::shared_ptr<std::atomic<int64_t>> rejected_rows_;  // may be null
  const bool fails_;
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
    num_parts_ = whole ? 1 : info_.size / kLineSplitBytes + 1;
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
