// The range source: splits are runs of rows; batches are computed.
#include "headrace/connect/range/range_table.h"

#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"

namespace headrace {
namespace {

constexpr int64_t kRowsPerSplit = int64_t{1} << 20;
constexpr int64_t kSplitsMax = 100'000;

class RangeReader final : public SplitReader {
 public:
  RangeReader(const RangeOptions& range, const Split& split, const ScanRequest& request,
              const ReadContext& context)
      : range_(range),
        columns_(request.projection.size()),
        batch_rows_(request.batch_rows),
        next_(split.begin),
        end_(split.end),
        pool_(context.pool) {}

  Result<ReadResult> Next() override {
    if (next_ >= end_) return EndOfSplit{};
    const int64_t rows = std::min(batch_rows_, end_ - next_);
    std::vector<ArrayPtr> columns;
    if (columns_ > 0) {
      arrow::Int64Builder builder(pool_);
      ARROW_RETURN_NOT_OK(builder.Reserve(rows));
      for (int64_t i = 0; i < rows; ++i) {
        builder.UnsafeAppend(range_.begin + (next_ + i) * range_.step);
      }
      ARROW_ASSIGN_OR_RAISE(ArrayPtr values, builder.Finish());
      columns.assign(columns_, values);
    }
    next_ += rows;
    return Batch(std::move(columns), rows);
  }

 private:
  const RangeOptions range_;
  const size_t columns_;
  const int64_t batch_rows_;
  int64_t next_;
  const int64_t end_;
  arrow::MemoryPool* const pool_;
};

class RangeTable final : public Source {
 public:
  RangeTable(RangeOptions range, int64_t rows)
      : range_(std::move(range)),
        rows_(rows),
        schema_(arrow::schema({arrow::field(range_.column, arrow::int64())})) {}

  std::string name() const override {
    return fmt::format("range {} to {} by {}", range_.begin, range_.end, range_.step);
  }
  const SchemaPtr& schema() const override { return schema_; }
  Ordering ordering() const override { return {{0, range_.step < 0, NullPlacement::kLast}}; }
  std::optional<int64_t> row_count() const override { return rows_; }

  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    const int64_t wanted = std::min(rows_, request.limit.value_or(rows_));
    const int64_t per_split = std::max(kRowsPerSplit, wanted / kSplitsMax + 1);
    std::vector<Split> splits;
    for (int64_t begin = 0; begin < wanted; begin += per_split) {
      const auto index = static_cast<int64_t>(splits.size());
      splits.push_back({index, begin, std::min(begin + per_split, rows_), name()});
      if (rows_ - begin <= per_split) break;
    }
    return splits;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    return std::make_unique<RangeReader>(range_, split, request, context);
  }

  Result<std::string> Snapshot() override { return std::string("range"); }

 private:
  const RangeOptions range_;
  const int64_t rows_;
  const SchemaPtr schema_;
};

}  // namespace

Result<SourcePtr> MakeRangeTable(const RangeOptions& options) {
  if (options.step == 0) {
    return Error(ErrorKind::kInvalidArgument, "the step of a range is not 0");
  }
  // Distances as unsigned numbers: they may be as long as the type.
  const bool up = options.step > 0;
  const bool is_empty = up ? options.begin > options.end : options.begin < options.end;
  uint64_t rows = 0;
  if (!is_empty) {
    const auto begin = static_cast<uint64_t>(options.begin);
    const auto end = static_cast<uint64_t>(options.end);
    const uint64_t distance = up ? end - begin : begin - end;
    const uint64_t step =
        up ? static_cast<uint64_t>(options.step) : 0 - static_cast<uint64_t>(options.step);
    rows = distance / step;
    if (options.inclusive || distance % step != 0) ++rows;
  }
  if (rows > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Error(ErrorKind::kOverflow, "a range has at most {} rows",
                 std::numeric_limits<int64_t>::max());
  }
  return std::make_shared<RangeTable>(options, static_cast<int64_t>(rows));
}

}  // namespace headrace
