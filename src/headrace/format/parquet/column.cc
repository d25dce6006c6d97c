// The choice of decoder, and the change to libparquet's at a page that ours does not take.
#include "headrace/format/parquet/column.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/format/parquet/pick_rows.h"
#include "headrace/format/parquet/stored_type.h"

namespace headrace::parquet_format {
namespace {

/// Read ahead of every column at most, of all columns together, and of a column at least.
constexpr int64_t kReadAheadMax = int64_t{256} << 10;
constexpr int64_t kReadAheadOfAll = int64_t{2} << 20;
constexpr int64_t kReadAheadMin = int64_t{4} << 10;
/// The same of pages that are decompressed as they are read, with what their codec looks back over.
constexpr int64_t kPageWindowMax = int64_t{512} << 10;
constexpr int64_t kPageWindowOfAll = int64_t{4} << 20;
constexpr int64_t kPageWindowMin = 2 * SnappyStream::kLookBack;
/// Of a column that libparquet reads: a usual page, stored and plain.
constexpr int64_t kLibraryBytes = int64_t{2} << 20;
/// Rows that libparquet decodes at a time when they are to be skipped.
constexpr int64_t kSkipRows = 1024;

/// Types some of whose bit patterns are no values.
bool HasInvalidValues(const arrow::DataType& type) {
  return arrow::is_decimal(type.id()) || arrow::is_time(type.id());
}

}  // namespace

OpenRowGroup::OpenRowGroup(const Footer& footer, Vfs& vfs, const FileInfo& file, int row_group,
                           size_t num_columns, arrow::MemoryPool* pool)
    : footer_(footer),
      vfs_(vfs),
      file_(file),
      row_group_(row_group),
      num_columns_(num_columns),
      pool_(pool) {}

OpenRowGroup::~OpenRowGroup() = default;

PageMemory OpenRowGroup::page_memory() const {
  const auto columns = std::max<int64_t>(1, static_cast<int64_t>(num_columns_));
  return {std::clamp(kReadAheadOfAll / columns, kReadAheadMin, kReadAheadMax),
          std::clamp(kPageWindowOfAll / columns, kPageWindowMin, kPageWindowMax)};
}

Result<std::shared_ptr<BoundFile>> OpenRowGroup::File() {
  if (bound_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(bound_, OpenBound(vfs_, file_, pool_));
  }
  return bound_;
}

Result<parquet::arrow::FileReader*> OpenRowGroup::Library() {
  if (library_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(library_, footer_.OpenReader(vfs_, file_, num_columns_, pool_));
  }
  return library_.get();
}

Column::Column(OpenRowGroup& group, int column) : group_(group), column_(column) {}
Column::~Column() = default;

Result<std::unique_ptr<Column>> Column::Make(OpenRowGroup& group, int column, int64_t begin,
                                             PageMap* map) {
  std::unique_ptr<Column> made(new Column(group, column));
  const auto chunk = group.footer().FlatChunkOf(group.row_group(), column);
  if (!chunk.has_value()) {
    ARROW_RETURN_NOT_OK(made->SwitchToLibrary(begin));
    return made;
  }
  made->row_ = begin;
  ARROW_ASSIGN_OR_RAISE(auto file, group.File());
  auto flat =
      FlatColumn::Make(*chunk, begin, std::move(file), group.page_memory(), map, group.pool());
  if (flat.status().IsNotImplemented()) {
    ARROW_RETURN_NOT_OK(made->SwitchToLibrary(begin));
    return made;
  }
  ARROW_ASSIGN_OR_RAISE(made->flat_, std::move(flat));
  return made;
}

Status Column::SwitchToLibrary(int64_t begin) {
  flat_.reset();
  ARROW_ASSIGN_OR_RAISE(parquet::arrow::FileReader* const reader, group_.Library());
  const std::vector<int> leaves = group_.footer().LeavesOf({column_});
  reader->set_batch_size(kSkipRows);
  ARROW_ASSIGN_OR_RAISE(library_, reader->GetRecordBatchReader({group_.row_group()}, leaves));
  row_ = 0;
  return SkipLibrary(begin);
}

Status Column::SkipLibrary(int64_t rows) {
  while (rows > 0) {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr skipped, ReadLibrary(std::min(rows, kSkipRows)));
    rows -= skipped->length();
  }
  return Status::OK();
}

Result<ArrayPtr> Column::ReadLibrary(int64_t rows_max) {
  ARROW_ASSIGN_OR_RAISE(parquet::arrow::FileReader* const reader, group_.Library());
  reader->set_batch_size(rows_max);
  ARROW_ASSIGN_OR_RAISE(const auto batch, library_->Next());
  if (batch == nullptr) return Status::Invalid("the column ends after ", row_, " rows");
  ARROW_RETURN_NOT_OK(batch->ValidateFull());
  row_ += batch->num_rows();
  return batch->column(0);
}

Result<ArrayPtr> Column::Read(int64_t rows_max, int64_t bytes_max, bool codes_of_numbers) {
  if (flat_ != nullptr) {
    Result<ArrayPtr> array = flat_->Read(rows_max, bytes_max, codes_of_numbers);
    if (array.ok()) {
      row_ += (*array)->length();
      if (HasInvalidValues(*(*array)->type())) ARROW_RETURN_NOT_OK((*array)->ValidateFull());
      return array;
    }
    if (!array.status().IsNotImplemented()) return array;
    ARROW_RETURN_NOT_OK(SwitchToLibrary(row_));
  }
  return ReadLibrary(rows_max);
}

Status Column::SkipUndecoded() {
  const int64_t rows = std::exchange(to_skip_, 0);
  if (rows == 0) return Status::OK();
  if (flat_ == nullptr) return SkipLibrary(rows);
  const Status status = flat_->Skip(rows);
  if (status.IsNotImplemented()) return SwitchToLibrary(row_ + rows);
  row_ += rows;
  return status;
}

Status Column::SetReady(const ArrayPtr& array, int64_t rows) {
  const TypePtr& promised = group_.footer().schema()->field(column_)->type();
  ARROW_ASSIGN_OR_RAISE(ready_, AsPromised(array, promised, group_.pool()));
  num_ready_ = rows;
  return Status::OK();
}

Status Column::Fill(int64_t rows_max, int64_t bytes_max, bool codes_of_numbers) {
  if (num_ready_ > 0) return Status::OK();
  ARROW_RETURN_NOT_OK(SkipUndecoded());
  is_picked_ = false;
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr array, Read(rows_max, bytes_max, codes_of_numbers));
  return SetReady(array, array->length());
}

Status Column::FillPicked(int64_t rows_max, std::span<const uint32_t> picks, int64_t bytes_max) {
  if (num_ready_ > 0) return Status::OK();
  ARROW_RETURN_NOT_OK(SkipUndecoded());
  if (flat_ == nullptr) return Fill(rows_max, bytes_max, false);
  const auto end = std::lower_bound(picks.begin(), picks.end(), rows_max);
  Result<ArrayPtr> array = flat_->ReadPicked({picks.begin(), end}, &rows_max, bytes_max);
  if (array.status().IsNotImplemented()) {
    ARROW_RETURN_NOT_OK(SwitchToLibrary(row_));
    return Fill(rows_max, bytes_max, false);
  }
  ARROW_RETURN_NOT_OK(array.status());
  if (HasInvalidValues(*(*array)->type())) ARROW_RETURN_NOT_OK((*array)->ValidateFull());
  row_ += rows_max;
  is_picked_ = true;
  return SetReady(*array, rows_max);
}

/// The first `values` of what is ready, which are of the next `rows` rows.
ArrayPtr Column::CutReady(int64_t rows, int64_t values) {
  HEADRACE_CHECK(rows > 0 && rows <= num_ready_, "rows that are not ready");
  num_ready_ -= rows;
  if (num_ready_ == 0) {
    is_picked_ = false;
    return std::exchange(ready_, nullptr);
  }
  ArrayPtr taken = ready_->Slice(0, values);
  ready_ = ready_->Slice(values);
  return taken;
}

Result<ArrayPtr> Column::Take(int64_t rows) {
  HEADRACE_CHECK(!is_picked_, "rows that were not all decoded");
  return DecodeNumbers(CutReady(rows, rows), group_.pool());
}

Result<ArrayPtr> Column::TakePicked(int64_t rows, std::span<const uint32_t> picks) {
  if (is_picked_) return CutReady(rows, static_cast<int64_t>(picks.size()));
  return PickRows(CutReady(rows, rows), picks, group_.pool());
}

void Column::Skip(int64_t rows) {
  const int64_t ready = std::min(rows, num_ready_);
  if (ready > 0) CutReady(ready, is_picked_ ? 0 : ready);
  to_skip_ += rows - ready;
}

int64_t Column::bytes() const { return flat_ == nullptr ? kLibraryBytes : flat_->bytes(); }

}  // namespace headrace::parquet_format
