// The CSV source: rows of a file as batches of typed columns, in bounded memory.
#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array/array_base.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/compute/api_vector.h"
#include "arrow/type.h"
#include "headrace/format/batch_slicer.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/csv/column_builder.h"
#include "headrace/format/csv/column_list.h"
#include "headrace/format/csv/range_chain.h"
#include "headrace/format/csv/range_survey.h"
#include "headrace/format/csv/row_scanner.h"
#include "headrace/format/csv/sniffer.h"
#include "headrace/format/csv/text_file.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"

namespace headrace {
namespace csv {
namespace {

constexpr int64_t kSampleRows = 10'000;
constexpr int64_t kSampleBytes = int64_t{1} << 20;
/// A query that wants no more rows reads the file in order, from its start.
constexpr int64_t kFewRows = 100'000;
/// Bytes of a range: so many times those of a batch, within limits.
constexpr int64_t kRangeBatches = 4;
constexpr int64_t kRangeBytesMin = int64_t{256} << 10;
constexpr int64_t kRangeBytesMax = int64_t{4} << 20;

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

/// The rows of a split, which is a range of bytes, or all of a file.
class CsvReader final : public SplitReader {
 public:
  CsvReader(std::unique_ptr<RowScanner> scanner, const Dialect& dialect, const ScanRequest& request,
            const ReadContext& context)
      : scanner_(std::move(scanner)),
        request_(request),
        context_(context),
        on_error_(dialect.on_error),
        rules_(dialect),
        columns_(DistinctColumns(request.projection)),
        rows_left_(request.limit.value_or(std::numeric_limits<int64_t>::max())) {}

  Status Prepare(const arrow::Schema& schema) {
    for (const int column : columns_) {
      ARROW_ASSIGN_OR_RAISE(auto builder,
                            MakeColumnBuilder(schema.field(column)->type(), rules_, context_.pool));
      builders_.push_back(std::move(builder));
    }
    scanner_->SetColumns(schema.field_names(), CostOf(schema, columns_));
    return Status::OK();
  }

  /// Reads only the rows of one range of `chain`.
  Status SetRange(std::shared_ptr<RangeChain> chain, int64_t range, int64_t length) {
    ARROW_ASSIGN_OR_RAISE(const RangeEffect effect, scanner_->BeginRange(range == 0, length));
    chain->Tell(range, effect);
    chain_ = std::move(chain);
    range_ = range;
    return Status::OK();
  }

  Result<ReadResult> Next() override {
    if (chain_ != nullptr) {
      const std::optional<RangeEntry> entry = chain_->EntryOf(range_, context_.waker);
      if (!entry.has_value()) return ReadResult(Pending{});
      scanner_->EnterRange(*entry);
      chain_ = nullptr;
    }
    while (true) {
      const int64_t rows_max = std::min(request_.batch_rows, rows_left_);
      int64_t rows = 0, bytes = 0;
      while (rows < rows_max) {
        ARROW_RETURN_NOT_OK(
            scanner_->NextBlock(rows_max - rows, request_.batch_bytes - bytes, rows == 0, &block_));
        if (block_.num_rows == 0) break;
        ARROW_RETURN_NOT_OK(AppendBlock(rows));
        rows += block_.num_rows;
        bytes += block_.bytes;
      }
      CountRejects(scanner_->TakeRejectedRows());
      if (rows == 0) return ReadResult(EndOfSplit{});
      ARROW_ASSIGN_OR_RAISE(Batch batch, FinishBatch(rows));
      rows_left_ -= batch.num_rows();
      if (batch.num_rows() > 0) return ReadResult(std::move(batch));
    }
  }
  int64_t bytes() const override { return scanner_->bytes(); }

 private:
  Status AppendBlock(int64_t rows_before) {
    int64_t first_row = block_.num_rows;
    size_t first_builder = 0;
    for (size_t i = 0; i < columns_.size(); ++i) {
      misfits_.clear();
      ARROW_RETURN_NOT_OK(builders_[i]->Append(block_, columns_[i], &misfits_));
      if (misfits_.empty()) [[likely]]
        continue;
      if (misfits_.front() < first_row) {
        first_row = misfits_.front();
        first_builder = i;
      }
      // A mended row is counted already.
      if (block_.line > 0 && on_error_ == OnError::kNull) continue;
      for (const int64_t row : misfits_) bad_rows_.push_back(rows_before + row);
    }
    if (first_row == block_.num_rows || on_error_ != OnError::kFail) return Status::OK();
    return scanner_->FieldError(block_, first_row, columns_[first_builder],
                                builders_[first_builder]->expected());
  }

  Result<Batch> FinishBatch(int64_t rows) {
    std::vector<ArrayPtr> arrays;
    arrays.reserve(builders_.size());
    for (const auto& builder : builders_) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr array, builder->Finish());
      arrays.push_back(std::move(array));
    }
    if (!bad_rows_.empty()) {
      std::sort(bad_rows_.begin(), bad_rows_.end());
      bad_rows_.erase(std::unique(bad_rows_.begin(), bad_rows_.end()), bad_rows_.end());
      if (on_error_ == OnError::kSkipRow) ARROW_RETURN_NOT_OK(LeaveOutBadRows(&arrays, &rows));
      CountRejects(static_cast<int64_t>(bad_rows_.size()));
      bad_rows_.clear();
    }
    return Batch(InProjectionOrder(arrays, columns_, request_.projection), rows);
  }

  void CountRejects(int64_t rows) {
    if (context_.rejected_rows != nullptr) context_.rejected_rows->fetch_add(rows);
  }

  Status LeaveOutBadRows(std::vector<ArrayPtr>* arrays, int64_t* rows) {
    arrow::Int64Builder kept;
    auto bad = bad_rows_.begin();
    for (int64_t row = 0; row < *rows; ++row) {
      while (bad != bad_rows_.end() && *bad < row) ++bad;
      if (bad == bad_rows_.end() || *bad != row) ARROW_RETURN_NOT_OK(kept.Append(row));
    }
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr indices, kept.Finish());
    for (ArrayPtr& array : *arrays) {
      ARROW_ASSIGN_OR_RAISE(array, arrow::compute::Take(*array, *indices));
    }
    *rows = indices->length();
    return Status::OK();
  }

  const std::unique_ptr<RowScanner> scanner_;
  const ScanRequest request_;
  const ReadContext context_;
  const OnError on_error_;
  const FieldRules rules_;
  const std::vector<int> columns_;  // that are built
  std::vector<std::unique_ptr<ColumnBuilder>> builders_;
  RowBlock block_;
  std::vector<int64_t> misfits_;
  std::vector<int64_t> bad_rows_;  // of the batch under construction
  int64_t rows_left_;
  std::shared_ptr<RangeChain> chain_;  // until the range was entered
  int64_t range_ = 0;
};

/// The rows of a range whose columns nobody wants, counted when it was opened.
class CountReader final : public SplitReader {
 public:
  using OpenRows = std::function<Result<std::unique_ptr<SplitReader>>()>;

  /// `open_rows` reads the range row by row.
  CountReader(const CountedRange& counted, std::shared_ptr<RangeChain> chain, int64_t range,
              const ScanRequest& request, Waker waker, OpenRows open_rows)
      : num_rows_(counted.num_rows),
        chain_(std::move(chain)),
        range_(range),
        waker_(std::move(waker)),
        open_rows_(std::move(open_rows)),
        slicer_(request) {
    chain_->Tell(range_, counted.effect);
  }

  Result<ReadResult> Next() override {
    if (rows_ != nullptr) return rows_->Next();
    if (chain_ != nullptr) {
      const std::optional<RangeEntry> entry = chain_->EntryOf(range_, waker_);
      if (!entry.has_value()) return ReadResult(Pending{});
      if (entry->quoted) {
        ARROW_ASSIGN_OR_RAISE(rows_, open_rows_());
        return rows_->Next();
      }
      slicer_.Put(Batch({}, num_rows_));
      chain_ = nullptr;
    }
    if (slicer_.empty()) return ReadResult(EndOfSplit{});
    return ReadResult(slicer_.Take());
  }

 private:
  const int64_t num_rows_;
  std::shared_ptr<RangeChain> chain_;  // until the range was entered
  const int64_t range_;
  const Waker waker_;
  const OpenRows open_rows_;
  BatchSlicer slicer_;
  std::unique_ptr<SplitReader> rows_;
};

class CsvFile final : public DataFile {
 public:
  CsvFile(TextFile text, Dialect dialect, SchemaPtr schema, TextStart start)
      : text_(std::move(text)),
        dialect_(std::move(dialect)),
        schema_(std::move(schema)),
        start_(start) {}

  const SchemaPtr& schema() const override { return schema_; }

  int64_t num_parts() const override { return NumRanges(kRangeBytesMin); }

  Result<std::vector<Split>> Parts(const ScanRequest& request) const override {
    const bool few_rows = request.limit.has_value() && *request.limit <= kFewRows;
    if (few_rows || text_.is_compressed()) return std::vector<Split>{WholeFile()};
    const int64_t length =
        std::clamp(request.batch_bytes * kRangeBatches, kRangeBytesMin, kRangeBytesMax);
    std::vector<Split> parts;
    for (int64_t i = 0; i < NumRanges(length); ++i) {
      const int64_t begin = start_.offset + i * length;
      parts.push_back({i, begin, begin + length, text_.path()});
    }
    if (parts.size() == 1) return std::vector<Split>{WholeFile()};
    return parts;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                            const ReadContext& context) const override {
    if (request.projection.empty() && part.end != kWholeFile) {
      ARROW_ASSIGN_OR_RAISE(auto reader, OpenCount(part, request, context));
      if (reader != nullptr) return reader;
    }
    return OpenRows(part, request, context);
  }

 private:
  static constexpr int64_t kWholeFile = -1;

  static int64_t OffsetOf(const Split& part) { return part.begin - (part.index > 0 ? 1 : 0); }

  /// Null when the rows must be looked at one by one.
  Result<std::unique_ptr<SplitReader>> OpenCount(const Split& part, const ScanRequest& request,
                                                 const ReadContext& context) const {
    const int64_t length = part.end - part.begin;
    ARROW_ASSIGN_OR_RAISE(auto stream, text_.Open(OffsetOf(part), context.pool));
    ARROW_ASSIGN_OR_RAISE(const std::optional<CountedRange> counted,
                          CountRange(*stream, OffsetOf(part), dialect_, schema_->num_fields(),
                                     part.index == 0, length, kCountReadBytes, context.pool));
    if (!counted.has_value()) return nullptr;
    return std::make_unique<CountReader>(
        *counted, ChainOf(length), part.index, request, context.waker,
        [this, part, request, context] { return OpenRows(part, request, context); });
  }

  Result<std::unique_ptr<SplitReader>> OpenRows(const Split& part, const ScanRequest& request,
                                                const ReadContext& context) const {
    const bool whole = part.end == kWholeFile;
    const int64_t offset = OffsetOf(part);
    const int64_t wanted = whole ? ReadBytesFor(request) : part.end - offset + kRangeTailBytes;
    ARROW_ASSIGN_OR_RAISE(auto stream, text_.Open(offset, context.pool));
    auto reader = std::make_unique<CsvReader>(
        std::make_unique<RowScanner>(text_.path(), dialect_, std::move(stream), start_.line,
                                     text_.ReadBytes(offset, wanted), context.pool),
        dialect_, request, context);
    ARROW_RETURN_NOT_OK(reader->Prepare(*schema_));
    if (!whole) {
      const int64_t length = part.end - part.begin;
      ARROW_RETURN_NOT_OK(reader->SetRange(ChainOf(length), part.index, length));
    }
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

  Split WholeFile() const { return {0, start_.offset, kWholeFile, text_.path()}; }
  int64_t NumRanges(int64_t length) const {
    return std::max<int64_t>(1, (text_.size() - start_.offset + length - 1) / length);
  }
  static int64_t ReadBytesFor(const ScanRequest& request) {
    return request.limit.has_value() ? kReadBytes / 4 : kReadBytes;
  }
  /// Readers of ranges of one length tell each other what they find, also across queries.
  std::shared_ptr<RangeChain> ChainOf(int64_t length) const {
    std::lock_guard lock(mutex_);
    std::shared_ptr<RangeChain>& chain = chains_[length];
    if (chain == nullptr) chain = std::make_shared<RangeChain>(RangeEntry{start_.line, false});
    return chain;
  }

  const TextFile text_;
  const Dialect dialect_;
  const SchemaPtr schema_;
  const TextStart start_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<RangeChain>> chains_;
};

SchemaPtr SchemaOf(const std::vector<std::string>& names,
                   const std::vector<TypeEvidence>& evidence) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < names.size(); ++i) {
    fields.push_back(arrow::field(names[i], evidence[i].Type()));
  }
  return arrow::schema(std::move(fields));
}

/// What is known of a file when its source is bound.
struct FileLayout {
  SchemaPtr schema;
  TextStart start;
};

/// Files with the same columns get the types that fit all their samples.
Result<std::vector<FileLayout>> SniffLayouts(const std::vector<TextFile>& files,
                                             const Dialect& dialect, const SampleLimits& limits) {
  std::vector<Sample> samples;
  for (const TextFile& file : files) {
    ARROW_ASSIGN_OR_RAISE(Sample sample, TakeSample(file, dialect, limits));
    samples.push_back(std::move(sample));
  }
  std::vector<TypeEvidence> merged = samples.front().evidence;
  for (const Sample& sample : samples) {
    if (sample.names != samples.front().names) continue;
    for (size_t i = 0; i < merged.size(); ++i) merged[i].Merge(sample.evidence[i]);
  }
  std::vector<FileLayout> layouts;
  for (const Sample& sample : samples) {
    const bool same = sample.names == samples.front().names;
    layouts.push_back({SchemaOf(sample.names, same ? merged : sample.evidence), sample.start});
  }
  return layouts;
}

Status CheckTypes(const arrow::Schema& schema, const Dialect& dialect) {
  const FieldRules rules(dialect);
  for (const auto& field : schema.fields()) {
    ARROW_RETURN_NOT_OK(
        WithContext(MakeColumnBuilder(field->type(), rules, arrow::default_memory_pool()).status(),
                    fmt::format("column \"{}\": ", field->name())));
  }
  return Status::OK();
}

Result<std::vector<FileLayout>> GivenLayouts(const std::vector<TextFile>& files,
                                             const Dialect& dialect, const std::string& columns) {
  ARROW_ASSIGN_OR_RAISE(const SchemaPtr schema, ParseColumnList(columns));
  ARROW_RETURN_NOT_OK(CheckTypes(*schema, dialect));
  std::vector<FileLayout> layouts;
  for (const TextFile& file : files) {
    ARROW_ASSIGN_OR_RAISE(const TextStart start, PassHeader(file, dialect, schema->num_fields()));
    layouts.push_back({schema, start});
  }
  return layouts;
}

Result<std::vector<FileLayout>> ReadLayouts(const std::vector<TextFile>& files,
                                            const Dialect& dialect, OptionReader& reader,
                                            const OptionMap& options) {
  const int64_t count = static_cast<int64_t>(files.size());
  ARROW_ASSIGN_OR_RAISE(const std::string columns, reader.Text("columns", ""));
  ARROW_ASSIGN_OR_RAISE(int64_t rows,
                        reader.Integer("sample_rows", kSampleRows, 0, int64_t{1} << 40));
  ARROW_RETURN_NOT_OK(reader.Finish());
  if (!columns.empty()) return GivenLayouts(files, dialect, columns);
  SampleLimits limits{rows, std::numeric_limits<int64_t>::max()};
  if (!options.contains("sample_rows")) {
    limits = {std::max<int64_t>(100, kSampleRows / count),
              std::max<int64_t>(1 << 14, kSampleBytes / count)};
  }
  return SniffLayouts(files, dialect, limits);
}

}  // namespace
}  // namespace csv

Result<SourcePtr> OpenCsv(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options) {
  OptionReader reader("csv reader", options);
  ARROW_ASSIGN_OR_RAISE(const csv::Dialect dialect,
                        csv::ReadDialect(reader, options, paths.front()));
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> infos, StatFiles(vfs, paths));
  std::vector<csv::TextFile> texts;
  for (const FileInfo& info : infos) {
    ARROW_ASSIGN_OR_RAISE(csv::TextFile text, csv::TextFile::Bind(vfs, info));
    texts.push_back(std::move(text));
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<csv::FileLayout> layouts,
                        csv::ReadLayouts(texts, dialect, reader, options));
  std::vector<BoundDataFile> files;
  for (size_t i = 0; i < infos.size(); ++i) {
    auto file = std::make_unique<csv::CsvFile>(std::move(texts[i]), dialect, layouts[i].schema,
                                               layouts[i].start);
    files.push_back({std::move(infos[i]), std::move(file)});
  }
  return MakeFileSource(vfs, "csv", std::move(files));
}

}  // namespace headrace
