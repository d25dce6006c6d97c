// Slices never cross batches, so dictionaries and other encodings stay as they are.
#include "headrace/connect/memory/slice_reader.h"

#include <algorithm>
#include <charconv>

#include "arrow/type.h"

namespace headrace {
namespace {

class SliceReader final : public SplitReader {
 public:
  SliceReader(RowRange range, const ScanRequest& request, const ReadContext& context)
      : range_(std::move(range)),
        projection_(request.projection),
        batch_rows_(std::clamp<int64_t>(request.batch_rows, 1, kBatchRowsMax)),
        batch_bytes_(std::max<int64_t>(request.batch_bytes, 1)),
        waker_(context.waker),
        row_(range_.begin) {
    if (request.limit.has_value() && *request.limit < range_.end - range_.begin) {
      range_.end = range_.begin + std::max<int64_t>(*request.limit, 0);
    }
  }

  void Seek(int64_t row) { row_ = std::max(row, range_.begin); }

  Result<ReadResult> Next() override {
    if (row_ >= range_.end) return EndOfSplit{};
    if (range_.pending_before_batches && !std::exchange(was_pending_, true)) {
      waker_.Wake();
      return Pending{};
    }
    was_pending_ = false;
    const std::vector<int64_t>& starts = *range_.starts;
    const auto next = std::upper_bound(starts.begin(), starts.end(), row_);
    const Batch& whole = (*range_.batches)[static_cast<size_t>(next - starts.begin() - 1)];
    const int64_t offset = row_ - *(next - 1);
    if (whole_ != &whole) {
      whole_ = &whole;
      projected_ = Project(whole);
      fitting_rows_ = RowsThatFit(projected_, batch_rows_, batch_bytes_);
    }
    const int64_t length = std::min({*next - row_, range_.end - row_, fitting_rows_});
    row_ += length;
    return projected_.Slice(offset, length);
  }

  Result<std::string> Position() const override { return std::to_string(row_); }

 private:
  Batch Project(const Batch& whole) const {
    std::vector<ArrayPtr> columns;
    columns.reserve(projection_.size());
    for (const int column : projection_) columns.push_back(whole.column(column));
    return whole.WithColumns(std::move(columns));
  }

  RowRange range_;
  const std::vector<int> projection_;
  const int64_t batch_rows_;
  const int64_t batch_bytes_;
  const Waker waker_;
  int64_t row_;
  const Batch* whole_ = nullptr;  // that of the slice before
  Batch projected_;               // its columns
  int64_t fitting_rows_ = 0;      // of it in a slice
  bool was_pending_ = false;
};

}  // namespace

Result<std::unique_ptr<SplitReader>> OpenRowRange(RowRange range, const ScanRequest& request,
                                                  const ReadContext& context) {
  auto reader = std::make_unique<SliceReader>(std::move(range), request, context);
  if (!context.position.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t row, ParsePosition(context.position));
    reader->Seek(row);
  }
  return reader;
}

Status CheckColumns(std::span<const int> columns, const arrow::Schema& schema) {
  for (const int column : columns) {
    if (column >= 0 && column < schema.num_fields()) continue;
    return Error(ErrorKind::kInternal, "no column number {} among {}", column, schema.num_fields());
  }
  return Status::OK();
}

int64_t RowsThatFit(const Batch& batch, int64_t rows_max, int64_t bytes) {
  const int64_t held = batch.num_bytes() - batch.Slice(0, 0).num_bytes();
  if (held <= bytes) return rows_max;
  const double share = static_cast<double>(bytes) / static_cast<double>(held);
  const auto rows = static_cast<int64_t>(share * static_cast<double>(batch.num_rows()));
  return std::clamp<int64_t>(rows, 1, rows_max);
}

Result<int64_t> ParsePosition(std::string_view text) {
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || value < 0) {
    return Error(ErrorKind::kInvalidArgument, "expected the number of a row, got '{}'", text);
  }
  return value;
}

}  // namespace headrace
