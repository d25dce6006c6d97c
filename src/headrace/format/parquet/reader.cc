// The Parquet source: a split per row group, decoded batch by batch.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/format/batch_slicer.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"
#include "headrace/format/parquet/footer.h"
#include "headrace/format/parquet/guard.h"
#include "headrace/format/parquet/stored_type.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace parquet_format {
namespace {

/// The footer tells little of the size of dictionary-encoded text: the first read is this much
/// shorter than it suggests, later ones go by what came.
constexpr int64_t kFirstReadFraction = 8;
/// A read is at most this many times the rows of the one before.
constexpr int64_t kReadGrowthMax = 4;

/// Rows of a row group whose columns nobody wants.
class CountReader final : public SplitReader {
 public:
  CountReader(const ScanRequest& request, int64_t rows) : slicer_(request) {
    slicer_.Put(Batch({}, rows));
  }
  Result<ReadResult> Next() override {
    if (slicer_.empty()) return ReadResult(EndOfSplit{});
    return ReadResult(slicer_.Take());
  }

 private:
  BatchSlicer slicer_;
};

class RowGroupReader final : public SplitReader {
 public:
  RowGroupReader(std::string name, SchemaPtr schema, int64_t num_rows, const ScanRequest& request,
                 arrow::MemoryPool* pool)
      : name_(std::move(name)),
        schema_(std::move(schema)),
        request_(request),
        pool_(pool),
        columns_(DistinctColumns(request.projection)),
        slicer_(request),
        rows_expected_(num_rows) {}

  Status Open(const Footer& footer, Vfs& vfs, const FileInfo& file, int row_group) {
    return Guarded(name_, [&]() -> Status {
      const std::vector<int> leaves = footer.LeavesOf(columns_);
      ARROW_ASSIGN_OR_RAISE(file_reader_, footer.OpenReader(vfs, file, leaves.size(), pool_));
      SetReadRows(request_.batch_bytes / footer.RowBytes(row_group, columns_) / kFirstReadFraction);
      ARROW_ASSIGN_OR_RAISE(batches_, file_reader_->GetRecordBatchReader({row_group}, leaves));
      return Status::OK();
    });
  }

  Result<ReadResult> Next() override {
    while (slicer_.empty()) {
      if (slicer_.finished()) return ReadResult(EndOfSplit{});
      ARROW_ASSIGN_OR_RAISE(const bool more, Guarded(name_, [&] { return ReadMore(); }));
      if (!more) return ReadResult(EndOfSplit{});
    }
    return ReadResult(slicer_.Take());
  }

 private:
  void SetReadRows(int64_t rows) {
    read_rows_ = std::clamp<int64_t>(rows, 1, std::min(request_.batch_rows, slicer_.rows_left()));
    file_reader_->set_batch_size(read_rows_);
  }

  Result<bool> ReadMore() {
    ARROW_ASSIGN_OR_RAISE(const auto read, batches_->Next());
    if (read == nullptr) {
      if (rows_read_ == rows_expected_) return false;
      return Status::Invalid("expected ", rows_expected_, " rows, got ", rows_read_);
    }
    rows_read_ += read->num_rows();
    ARROW_ASSIGN_OR_RAISE(Batch batch, Checked(*read));
    AdaptReadRows(batch);
    slicer_.Put(std::move(batch));
    return true;
  }

  /// Valid whatever the file holds, in the promised types, in the order of the projection.
  Result<Batch> Checked(const arrow::RecordBatch& read) {
    ARROW_RETURN_NOT_OK(read.ValidateFull());
    std::vector<ArrayPtr> arrays = read.columns();
    for (size_t i = 0; i < arrays.size(); ++i) {
      const TypePtr& promised = schema_->field(columns_[i])->type();
      ARROW_ASSIGN_OR_RAISE(arrays[i], AsPromised(arrays[i], promised, pool_));
    }
    return Batch(InProjectionOrder(arrays, columns_, request_.projection), read.num_rows());
  }

  void AdaptReadRows(const Batch& batch) {
    if (batch.physical_rows() == 0) return;
    const int64_t shared_bytes = batch.Slice(0, 0).num_bytes();
    const int64_t bytes = std::max<int64_t>(1, batch.num_bytes() - shared_bytes);
    const double rows = static_cast<double>(request_.batch_bytes) / static_cast<double>(bytes) *
                        static_cast<double>(batch.physical_rows());
    SetReadRows(std::min(static_cast<int64_t>(std::min(rows, 1e9)), read_rows_ * kReadGrowthMax));
  }

  const std::string name_;  // of the split
  const SchemaPtr schema_;
  const ScanRequest request_;
  arrow::MemoryPool* const pool_;
  const std::vector<int> columns_;  // that are decoded
  BatchSlicer slicer_;
  const int64_t rows_expected_;
  int64_t rows_read_ = 0;
  int64_t read_rows_ = 1;
  std::unique_ptr<parquet::arrow::FileReader> file_reader_;  // outlives batches_
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

class ParquetFile final : public DataFile {
 public:
  ParquetFile(Vfs& vfs, FileInfo info, std::unique_ptr<const Footer> footer)
      : vfs_(vfs), info_(std::move(info)), footer_(std::move(footer)) {}

  const SchemaPtr& schema() const override { return footer_->schema(); }
  std::optional<int64_t> row_count() const override { return footer_->metadata().num_rows(); }
  int64_t num_parts() const override { return footer_->metadata().num_row_groups(); }

  Result<std::vector<Split>> Parts(const ScanRequest& request) const override {
    return Guarded(info_.path, [&]() -> Result<std::vector<Split>> {
      std::vector<Split> parts;
      int64_t rows = 0;  // in `parts`; with bounds nobody knows how many of them count
      for (int group = 0; group < footer_->metadata().num_row_groups(); ++group) {
        if (request.limit.has_value() && request.bounds.empty() && rows >= *request.limit) break;
        if (!MayHold(group, request.bounds)) continue;
        parts.push_back({group, group, group + 1, NameOf(group)});
        rows += footer_->metadata().RowGroup(group)->num_rows();
      }
      return parts;
    });
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                            const ReadContext& context) const override {
    const int group = static_cast<int>(part.index);
    const int64_t rows = footer_->metadata().RowGroup(group)->num_rows();
    if (request.projection.empty()) {
      ARROW_RETURN_NOT_OK(CheckUnchanged(vfs_, info_));
      return std::make_unique<CountReader>(request, rows);
    }
    auto reader =
        std::make_unique<RowGroupReader>(NameOf(group), schema(), rows, request, context.pool);
    ARROW_RETURN_NOT_OK(reader->Open(*footer_, vfs_, info_, group));
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

 private:
  bool MayHold(int group, const std::vector<ColumnBound>& bounds) const {
    return std::all_of(bounds.begin(), bounds.end(), [&](const ColumnBound& bound) {
      return MayMatch(bound, footer_->RangeOf(group, bound.column));
    });
  }
  std::string NameOf(int group) const { return fmt::format("{} row group {}", info_.path, group); }

  Vfs& vfs_;
  const FileInfo info_;
  const std::unique_ptr<const Footer> footer_;
};

}  // namespace
}  // namespace parquet_format

Result<SourcePtr> OpenParquet(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options) {
  ARROW_RETURN_NOT_OK(OptionReader("parquet reader", options).Finish());
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> infos, StatFiles(vfs, paths));
  std::vector<BoundDataFile> files;
  for (FileInfo& info : infos) {
    ARROW_ASSIGN_OR_RAISE(auto footer, parquet_format::Footer::Read(vfs, info));
    auto file = std::make_unique<parquet_format::ParquetFile>(vfs, info, std::move(footer));
    files.push_back({std::move(info), std::move(file)});
  }
  return MakeFileSource(vfs, "parquet", std::move(files));
}

}  // namespace headrace
