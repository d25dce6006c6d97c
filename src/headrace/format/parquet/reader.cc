// The Parquet source: row groups, large ones in ranges of rows, decoded batch by batch.
#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "arrow/type.h"
#include "headrace/format/batch_slicer.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"
#include "headrace/format/parquet/column.h"
#include "headrace/format/parquet/footer.h"
#include "headrace/format/parquet/guard.h"
#include "headrace/format/parquet/row_filter.h"
#include "headrace/format/parquet/statistics.h"
#include "headrace/format/whole_file_rows.h"

namespace headrace {
namespace parquet_format {
namespace {

/// The footer tells little of the size of dictionary-encoded text: the first read is this much
/// shorter than it suggests, later ones go by what came.
constexpr int64_t kFirstReadFraction = 8;
/// A read is at most this many times the rows of the one before.
constexpr int64_t kReadGrowthMax = 4;
/// Where few rows satisfy the bounds, so many times the rows of a read are tested at once.
constexpr int64_t kWindowMax = 4;
/// Rows are picked one by one when at most one of so many satisfies the bounds.
constexpr int64_t kPickDensityInverse = 2;
/// A part is about this large when decoded: lanes work on parts that follow each other, and what
/// the later one makes has to wait in a queue. It has no fewer rows than the second.
constexpr int64_t kPartBytes = 3 * kQueueBytesMax;
constexpr int64_t kPartRowsMin = 65536;
/// Parts of a row group: how many rows it has is the word of the file.
constexpr double kPartsMax = 1024;

/// Rows of parts whose columns nobody wants.
class RowCountReader final : public SplitReader {
 public:
  RowCountReader(const ScanRequest& request, int64_t rows) : slicer_(request) {
    slicer_.Put(Batch({}, rows));
  }
  Result<ReadResult> Next() override {
    if (slicer_.empty()) return ReadResult(EndOfSplit{});
    return ReadResult(slicer_.Take());
  }

 private:
  BatchSlicer slicer_;
};

/// Where the pages of a file have been found, by row group and column.
class PageMaps {
 public:
  PageMaps(int row_groups, int columns)
      : columns_(columns), maps_(static_cast<size_t>(row_groups) * static_cast<size_t>(columns)) {}
  PageMap* Of(int row_group, int column) {
    const size_t index = static_cast<size_t>(row_group) * static_cast<size_t>(columns_) +
                         static_cast<size_t>(column);
    std::lock_guard lock(mutex_);
    if (maps_[index] == nullptr) maps_[index] = std::make_unique<PageMap>();
    return maps_[index].get();
  }

 private:
  const int columns_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<PageMap>> maps_;
};

/// Rows [part.begin, part.end) of a row group.
class PartReader final : public SplitReader {
 public:
  PartReader(std::string name, const Split& part, const ScanRequest& request, StopToken stop)
      : name_(std::move(name)),
        request_(request),
        stop_(std::move(stop)),
        wanted_(DistinctColumns(request.projection)),
        slicer_(request),
        row_(part.begin),
        end_(part.end) {}

  /// What is given is borrowed.
  Status Open(const Footer& footer, Vfs& vfs, const FileInfo& file, int row_group, PageMaps* maps,
              arrow::MemoryPool* pool) {
    return Guarded(name_, [&]() -> Status {
      present_ = wanted_;
      for (const ColumnBound& bound : request_.bounds) present_.push_back(bound.column);
      present_ = DistinctColumns(present_);
      group_ = std::make_unique<OpenRowGroup>(footer, vfs, file, row_group, present_.size(), pool);
      if (row_ == end_) return Status::OK();
      const int64_t row_bytes = footer.RowBytes(row_group, wanted_);
      SetReadRows(request_.batch_bytes / row_bytes / kFirstReadFraction);
      for (const int column : present_) {
        ARROW_ASSIGN_OR_RAISE(auto opened,
                              Column::Make(*group_, column, row_, maps->Of(row_group, column)));
        columns_.push_back(std::move(opened));
      }
      return Status::OK();
    });
  }

  Result<ReadResult> Next() override {
    while (slicer_.empty()) {
      if (slicer_.finished() || row_ == end_ || stop_.stop_requested()) {
        return ReadResult(EndOfSplit{});
      }
      ARROW_RETURN_NOT_OK(Guarded(name_, [&] { return ReadMore(); }));
    }
    return ReadResult(slicer_.Take());
  }

  int64_t bytes() const override {
    return std::accumulate(columns_.begin(), columns_.end(), slicer_.bytes(),
                           [](int64_t sum, const auto& column) { return sum + column->bytes(); });
  }

 private:
  void SetReadRows(int64_t rows) {
    read_rows_ = std::clamp<int64_t>(rows, 1, std::min(request_.batch_rows, slicer_.rows_left()));
  }

  Column& ColumnOf(int column) {
    const auto at = std::lower_bound(present_.begin(), present_.end(), column);
    return *columns_[static_cast<size_t>(at - present_.begin())];
  }

  /// Decodes the columns that have bounds; of the others only rows that can satisfy them all.
  Status ReadMore() {
    int64_t rows = std::min(read_rows_ * window_, end_ - row_);
    if (request_.bounds.empty()) return ReadRange(rows);
    for (const ColumnBound& bound : request_.bounds) {
      ARROW_RETURN_NOT_OK(Fill(ColumnOf(bound.column), &rows, /*codes_of_numbers=*/true));
    }
    FindPicks(rows);
    const auto picked = static_cast<int64_t>(picks_.size());
    window_ = std::clamp<int64_t>(rows / (picked * 2 + 1), 1, kWindowMax);
    if (picked == 0) {
      Skip(rows);
      return Status::OK();
    }
    const bool has_picked = std::any_of(columns_.begin(), columns_.end(),
                                        [](const auto& column) { return column->is_picked(); });
    if (!has_picked && picked * kPickDensityInverse > rows) {
      Skip(picks_.front());
      return ReadRange(int64_t{picks_.back()} + 1 - picks_.front());
    }
    return ReadPicked(rows);
  }

  Status ReadRange(int64_t rows) {
    for (const int column : wanted_) {
      ARROW_RETURN_NOT_OK(Fill(ColumnOf(column), &rows, /*codes_of_numbers=*/false));
    }
    std::vector<ArrayPtr> arrays;
    for (const int column : wanted_) {
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), ColumnOf(column).Take(rows));
    }
    SkipUnwanted(rows);
    return Put(arrays, rows);
  }

  Status ReadPicked(int64_t rows) {
    for (const int at : wanted_) {
      Column& column = ColumnOf(at);
      ARROW_RETURN_NOT_OK(column.FillPicked(rows, picks_, request_.batch_bytes));
      rows = std::min(rows, column.num_ready());
    }
    picks_.erase(std::lower_bound(picks_.begin(), picks_.end(), rows), picks_.end());
    std::vector<ArrayPtr> arrays;
    for (const int column : wanted_) {
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), ColumnOf(column).TakePicked(rows, picks_));
    }
    SkipUnwanted(rows);
    if (picks_.empty()) return Status::OK();
    return Put(arrays, static_cast<int64_t>(picks_.size()));
  }

  Status Fill(Column& column, int64_t* rows, bool codes_of_numbers) const {
    ARROW_RETURN_NOT_OK(column.Fill(*rows, request_.batch_bytes, codes_of_numbers));
    *rows = std::min(*rows, column.num_ready());
    return Status::OK();
  }

  /// Which of the next `rows` rows can satisfy all bounds.
  void FindPicks(int64_t rows) {
    keep_.assign(static_cast<size_t>(rows), 1);
    for (const ColumnBound& bound : request_.bounds) {
      FilterRows(bound, *ColumnOf(bound.column).ready(), &keep_);
    }
    PositionsOf(keep_, &picks_);
  }

  void Skip(int64_t rows) {
    for (auto& column : columns_) column->Skip(rows);
    row_ += rows;
  }

  /// The columns that only have bounds; the others were taken.
  void SkipUnwanted(int64_t rows) {
    for (const int column : present_) {
      if (!std::binary_search(wanted_.begin(), wanted_.end(), column)) ColumnOf(column).Skip(rows);
    }
    row_ += rows;
  }

  Status Put(const std::vector<ArrayPtr>& arrays, int64_t rows) {
    Batch batch(InProjectionOrder(arrays, wanted_, request_.projection), rows);
    AdaptReadRows(batch);
    slicer_.Put(std::move(batch));
    return Status::OK();
  }

  void AdaptReadRows(const Batch& batch) {
    const int64_t shared_bytes = batch.Slice(0, 0).num_bytes();
    const int64_t bytes = std::max<int64_t>(1, batch.num_bytes() - shared_bytes);
    const double rows = static_cast<double>(request_.batch_bytes) / static_cast<double>(bytes) *
                        static_cast<double>(batch.physical_rows());
    SetReadRows(std::min(static_cast<int64_t>(std::min(rows, 1e9)), read_rows_ * kReadGrowthMax));
  }

  const std::string name_;  // of the split
  const ScanRequest request_;
  const StopToken stop_;
  const std::vector<int> wanted_;  // columns, sorted
  std::vector<int> present_;       // with those that only have bounds
  BatchSlicer slicer_;
  int64_t row_;
  const int64_t end_;
  int64_t read_rows_ = 1;
  std::unique_ptr<OpenRowGroup> group_;           // outlives columns_
  std::vector<std::unique_ptr<Column>> columns_;  // those present
  int64_t window_ = 1;  // reads are so many times as long: most of their rows will go
  std::vector<uint8_t> keep_;
  std::vector<uint32_t> picks_;
};

class ParquetFile final : public DataFile {
 public:
  ParquetFile(Vfs& vfs, FileInfo info, std::unique_ptr<const Footer> footer)
      : vfs_(vfs),
        info_(std::move(info)),
        footer_(std::move(footer)),
        page_maps_(std::make_unique<PageMaps>(footer_->metadata().num_row_groups(),
                                              footer_->schema()->num_fields())) {
    for (int group = 0; group < footer_->metadata().num_row_groups(); ++group) {
      first_part_.push_back(num_parts_);
      num_parts_ += std::max<int64_t>(1, NumRows(group) / kPartRowsMin);
    }
  }

  const SchemaPtr& schema() const override { return footer_->schema(); }
  std::optional<int64_t> row_count() const override { return footer_->metadata().num_rows(); }
  std::optional<WholeColumn> WholeColumnOf(int column) const override {
    if (!HasExactStatistics(*schema()->field(column)->type())) return std::nullopt;
    const auto read = Guarded(info_.path, [&]() -> Result<std::optional<WholeColumn>> {
      WholeColumn whole;
      for (int group = 0; group < footer_->metadata().num_row_groups(); ++group) {
        const ColumnRange range = footer_->RangeOf(group, column);
        if (range.null_count < 0 || range.null_count > range.num_rows) return std::nullopt;
        WholeColumn part{range.null_count, range.min, range.max};
        const bool has_values = range.null_count < range.num_rows;
        if (has_values && (part.min == nullptr || part.max == nullptr)) return std::nullopt;
        if (!has_values) part.min = part.max = nullptr;
        Merge(part, &whole);
      }
      return whole;
    });
    return read.ok() ? *read : std::nullopt;
  }
  /// At most: how many a row group has depends on the columns.
  int64_t num_parts() const override { return num_parts_; }

  Result<std::vector<Split>> Parts(const ScanRequest& request) const override {
    return Guarded(info_.path, [&]() -> Result<std::vector<Split>> {
      std::vector<Split> parts;
      int64_t rows = 0;  // in `parts`; with bounds nobody knows how many of them count
      const int64_t enough = request.limit.has_value() && request.bounds.empty()
                                 ? *request.limit
                                 : std::numeric_limits<int64_t>::max();
      for (int group = 0; group < footer_->metadata().num_row_groups() && rows < enough; ++group) {
        if (!MayHold(group, request.bounds)) continue;
        const int64_t count = NumPartsOf(group, request);
        for (int64_t i = 0; i < count && rows < enough; ++i) {
          parts.push_back(PartOf(group, i, count));
          rows += parts.back().end - parts.back().begin;
        }
      }
      return parts;
    });
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                            const ReadContext& context) const override {
    if (request.projection.empty() && request.bounds.empty()) {
      ARROW_RETURN_NOT_OK(CheckUnchanged(vfs_, info_));
      return std::make_unique<RowCountReader>(request, part.end - part.begin);
    }
    const auto next = std::upper_bound(first_part_.begin(), first_part_.end(), part.index);
    const int group = static_cast<int>(next - first_part_.begin()) - 1;
    auto reader = std::make_unique<PartReader>(part.name, part, request, context.stop);
    ARROW_RETURN_NOT_OK(reader->Open(*footer_, vfs_, info_, group, page_maps_.get(), context.pool));
    return std::unique_ptr<SplitReader>(std::move(reader));
  }

 private:
  int64_t NumRows(int group) const { return footer_->metadata().RowGroup(group)->num_rows(); }

  bool MayHold(int group, const std::vector<ColumnBound>& bounds) const {
    return std::all_of(bounds.begin(), bounds.end(), [&](const ColumnBound& bound) {
      return MayMatch(bound, footer_->RangeOf(group, bound.column));
    });
  }

  /// One where a column has to be decoded from its start.
  int64_t NumPartsOf(int group, const ScanRequest& request) const {
    const int64_t rows = NumRows(group);
    if (request.projection.empty() && request.bounds.empty()) return 1;
    std::vector<int> columns = request.projection;
    for (const ColumnBound& bound : request.bounds) columns.push_back(bound.column);
    columns = DistinctColumns(columns);
    const double bytes =
        static_cast<double>(footer_->RowBytes(group, columns)) * static_cast<double>(rows);
    const double count = std::min({bytes / static_cast<double>(kPartBytes),
                                   static_cast<double>(rows / kPartRowsMin), kPartsMax});
    if (count < 2 || !std::all_of(
                         columns.begin(), columns.end(),
                         [&](int column) { return footer_->IsFlat(group, column); })) {
      return 1;
    }
    return static_cast<int64_t>(count);
  }

  Split PartOf(int group, int64_t index, int64_t count) const {
    const int64_t rows = NumRows(group);
    const int64_t most = (rows + count - 1) / count;
    const int64_t begin = std::min(rows, index * most), end = std::min(rows, begin + most);
    std::string name = fmt::format("{} row group {}", info_.path, group);
    if (count > 1) name += fmt::format(" rows {} to {}", begin, end);
    return {first_part_[static_cast<size_t>(group)] + index, begin, end, std::move(name)};
  }

  Vfs& vfs_;
  const FileInfo info_;
  const std::unique_ptr<const Footer> footer_;
  const std::unique_ptr<PageMaps> page_maps_;
  std::vector<int64_t> first_part_;  // of each row group
  int64_t num_parts_ = 0;
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

Result<std::unique_ptr<RowFormat>> StreamParquet(const SchemaPtr& schema, const OptionMap&,
                                                 OptionReader&) {
  return MakeWholeFileFormat(OpenParquet, schema);
}

}  // namespace headrace
