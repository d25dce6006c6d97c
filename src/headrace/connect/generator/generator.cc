// The generator's source and reader. A cell is a hash of its place, brought into the column's
// range.
#include "headrace/connect/generator/generator.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/buffer.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

using Kind = GeneratorColumn::Kind;
using BufferPtr = std::shared_ptr<arrow::Buffer>;

constexpr std::string_view kKeyPrefix = "key-";
constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();
constexpr int64_t kMicrosPerSecond = 1'000'000;

TypePtr TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kDouble:
      return arrow::float64();
    case Kind::kKey:
    case Kind::kOneOf:
      return arrow::utf8();
    case Kind::kEventTime:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    default:
      return arrow::int64();
  }
}

// ---- Cells ----

// The stream of random numbers of one column in one split, addressed by row.
class CellHash {
 public:
  CellHash(uint64_t seed, int64_t split, size_t column)
      : base_(CombineHash(CombineHash(HashInteger(seed + kOffset), static_cast<uint64_t>(split)),
                          column)) {}

  uint64_t Of(int64_t row) const {
    return HashInteger(HashInteger(base_ + static_cast<uint64_t>(row) * kOffset) ^ base_);
  }
  // Uniform in [0, bound); every 64-bit number for bound 0.
  uint64_t Below(int64_t row, uint64_t bound) const {
    if (bound == 0) return Of(row);
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Of(row)) * bound) >> 64);
  }

 private:
  static constexpr uint64_t kOffset = 0x9e3779b97f4a7c15ULL;
  const uint64_t base_;
};

struct RowSpan {
  int64_t split;
  int64_t first;
  int64_t length;
};

int64_t SequenceAt(const GeneratorSpec& spec, int64_t split, int64_t row) {
  return spec.rows == GeneratorSpec::kEndless ? row * spec.splits + split : split * spec.rows + row;
}

// Sums and products of settings wrap around instead of overflowing.
int64_t EventTime(const GeneratorColumn& column, int64_t row, uint64_t lateness) {
  return static_cast<int64_t>(
      static_cast<uint64_t>(column.start_micros) +
      static_cast<uint64_t>(row) * static_cast<uint64_t>(column.step_micros) - lateness);
}

int64_t IntegerCell(const GeneratorSpec& spec, const GeneratorColumn& column, const CellHash& hash,
                    int64_t split, int64_t row) {
  switch (column.kind) {
    case Kind::kSequence:
      return SequenceAt(spec, split, row);
    case Kind::kInteger: {
      const auto low = static_cast<uint64_t>(column.low);
      const uint64_t range = static_cast<uint64_t>(column.high) - low + 1;
      return static_cast<int64_t>(low + hash.Below(row, range));
    }
    default:
      return EventTime(column, row,
                       hash.Below(row, static_cast<uint64_t>(column.jitter_micros) + 1));
  }
}

Result<ArrayPtr> MakeIntegers(const GeneratorSpec& spec, size_t index, RowSpan rows,
                              arrow::MemoryPool* pool) {
  const GeneratorColumn& column = spec.columns[index];
  const CellHash hash(spec.seed, rows.split, index);
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer,
                        arrow::AllocateBuffer(rows.length * int64_t{sizeof(int64_t)}, pool));
  auto* out = buffer->mutable_data_as<int64_t>();
  for (int64_t i = 0; i < rows.length; ++i) {
    out[i] = IntegerCell(spec, column, hash, rows.split, rows.first + i);
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(TypeOf(column.kind), rows.length, {nullptr, std::move(buffer)}, 0));
}

Result<ArrayPtr> MakeDoubles(const GeneratorSpec& spec, size_t index, RowSpan rows,
                             arrow::MemoryPool* pool) {
  const GeneratorColumn& column = spec.columns[index];
  const CellHash hash(spec.seed, rows.split, index);
  const double width = column.high_value - column.low_value;
  ARROW_ASSIGN_OR_RAISE(BufferPtr buffer,
                        arrow::AllocateBuffer(rows.length * int64_t{sizeof(double)}, pool));
  auto* out = buffer->mutable_data_as<double>();
  for (int64_t i = 0; i < rows.length; ++i) {
    const double unit = static_cast<double>(hash.Of(rows.first + i) >> 11) * 0x1.0p-53;
    out[i] = column.low_value + unit * width;
  }
  return std::make_shared<arrow::DoubleArray>(rows.length, std::move(buffer));
}

Result<ArrayPtr> MakeKeys(const GeneratorSpec& spec, size_t index, RowSpan rows,
                          arrow::MemoryPool* pool) {
  constexpr int64_t kCellBytesMax = kKeyPrefix.size() + 20;
  const auto keys = static_cast<uint64_t>(spec.columns[index].keys);
  const CellHash hash(spec.seed, rows.split, index);
  ARROW_ASSIGN_OR_RAISE(BufferPtr offsets,
                        arrow::AllocateBuffer((rows.length + 1) * int64_t{sizeof(int32_t)}, pool));
  ARROW_ASSIGN_OR_RAISE(auto text,
                        arrow::AllocateResizableBuffer(rows.length * kCellBytesMax, pool));
  auto* ends = offsets->mutable_data_as<int32_t>();
  char* const begin = text->mutable_data_as<char>();
  char* out = begin;
  ends[0] = 0;
  for (int64_t i = 0; i < rows.length; ++i) {
    std::memcpy(out, kKeyPrefix.data(), kKeyPrefix.size());
    out += kKeyPrefix.size();
    out = std::to_chars(out, out + 20, hash.Below(rows.first + i, keys)).ptr;
    ends[i + 1] = static_cast<int32_t>(out - begin);
  }
  ARROW_RETURN_NOT_OK(text->Resize(out - begin, /*shrink_to_fit=*/false));
  return std::make_shared<arrow::StringArray>(rows.length, std::move(offsets), std::move(text));
}

Result<ArrayPtr> MakeChoices(const GeneratorSpec& spec, size_t index, RowSpan rows,
                             arrow::MemoryPool* pool) {
  const std::vector<std::string>& choices = spec.columns[index].choices;
  const CellHash hash(spec.seed, rows.split, index);
  arrow::StringBuilder builder(pool);
  for (int64_t i = 0; i < rows.length; ++i) {
    const uint64_t choice = hash.Below(rows.first + i, choices.size());
    ARROW_RETURN_NOT_OK(builder.Append(choices[static_cast<size_t>(choice)]));
  }
  return builder.Finish();
}

Result<ArrayPtr> MakeCells(const GeneratorSpec& spec, size_t index, RowSpan rows,
                           arrow::MemoryPool* pool) {
  switch (spec.columns[index].kind) {
    case Kind::kOneOf:
      return MakeChoices(spec, index, rows, pool);
    case Kind::kDouble:
      return MakeDoubles(spec, index, rows, pool);
    case Kind::kKey:
      return MakeKeys(spec, index, rows, pool);
    default:
      return MakeIntegers(spec, index, rows, pool);
  }
}

Result<ArrayPtr> MakeColumn(const GeneratorSpec& spec, size_t index, RowSpan rows,
                            arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(ArrayPtr cells, MakeCells(spec, index, rows, pool));
  const TypePtr& type = spec.columns[index].type;
  if (type == nullptr || type->Equals(*cells->type())) return cells;
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum cast,
      arrow::compute::Cast(cells, arrow::compute::CastOptions::Unsafe(type), &context));
  return cast.make_array();
}

int64_t BytesPerRow(const GeneratorSpec& spec, const std::vector<int>& projection) {
  int64_t bytes = 1;
  for (const int column : projection) {
    bytes += TypeOf(spec.columns[static_cast<size_t>(column)].kind)->id() == arrow::Type::STRING
                 ? 16
                 : 8;
  }
  return bytes;
}

// ---- Reading ----

// Row r is due r / rate seconds after the opening. A wake is asked for when rows are due, but not
// sooner than the linger time after now, so that slow streams still make batches of some size.
class GeneratorReader final : public SplitReader {
 public:
  GeneratorReader(std::shared_ptr<const GeneratorSpec> spec, Clock& clock, int64_t split,
                  const ScanRequest& request, const ReadContext& context)
      : spec_(std::move(spec)),
        clock_(clock),
        split_(split),
        projection_(request.projection),
        batch_rows_(std::clamp<int64_t>(
            std::min(request.batch_rows,
                     request.batch_bytes / BytesPerRow(*spec_, request.projection)),
            1, kBatchRowsMax)),
        pool_(context.pool == nullptr ? arrow::default_memory_pool() : context.pool),
        waker_(context.waker),
        opened_micros_(clock.MonotonicMicros()) {
    end_ = spec_->rows == GeneratorSpec::kEndless ? kInt64Max / spec_->splits : spec_->rows;
    if (request.limit.has_value()) end_ = std::clamp<int64_t>(*request.limit, 0, end_);
  }

  void Seek(int64_t row) { first_ = row_ = row; }

  Result<ReadResult> Next() override {
    if (row_ >= end_) return EndOfSplit{};
    int64_t length = std::min(end_ - row_, batch_rows_);
    if (spec_->rows_per_second > 0) {
      length = std::min(length, DueRows());
      if (length <= 0) return Wait();
    }
    std::vector<ArrayPtr> columns;
    columns.reserve(projection_.size());
    for (const int column : projection_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            MakeColumn(*spec_, static_cast<size_t>(column),
                                       {.split = split_, .first = row_, .length = length}, pool_));
    }
    row_ += length;
    return Batch(std::move(columns), length);
  }

  Result<std::string> Position() const override { return std::to_string(row_); }

 private:
  // Rows that are due and not yet given. A row is due at the start of its time slot.
  int64_t DueRows() const {
    const int64_t elapsed = clock_.MonotonicMicros() - opened_micros_;
    const auto due = static_cast<__int128>(elapsed) * spec_->rows_per_second / kMicrosPerSecond;
    const auto given = static_cast<__int128>(row_ - first_);
    return static_cast<int64_t>(std::min<__int128>(due + 1 - given, kInt64Max));
  }

  ReadResult Wait() {
    const int64_t now = clock_.MonotonicMicros();
    if (wake_micros_ > now) return Pending{};
    const auto given = static_cast<__int128>(row_ - first_) * kMicrosPerSecond;
    const auto next_due =
        opened_micros_ +
        static_cast<int64_t>((given + spec_->rows_per_second - 1) / spec_->rows_per_second);
    wake_micros_ = std::max(next_due, now + kLingerMicros);
    clock_.CallAt(wake_micros_, [waker = waker_] { waker.Wake(); });
    return Pending{};
  }

  const std::shared_ptr<const GeneratorSpec> spec_;
  Clock& clock_;
  const int64_t split_;
  const std::vector<int> projection_;
  const int64_t batch_rows_;
  arrow::MemoryPool* const pool_;
  const Waker waker_;
  const int64_t opened_micros_;
  int64_t first_ = 0;
  int64_t row_ = 0;
  int64_t end_ = 0;
  int64_t wake_micros_ = std::numeric_limits<int64_t>::min();
};

// Ascending event times come first: the sequence breaks their ties.
Ordering OrderingOf(const GeneratorSpec& spec) {
  if (spec.rows == GeneratorSpec::kEndless && spec.splits > 1) return {};
  Ordering times;
  Ordering sequences;
  for (size_t i = 0; i < spec.columns.size(); ++i) {
    const GeneratorColumn& column = spec.columns[i];
    const SortKey key{.column = static_cast<int>(i)};
    if (column.kind == Kind::kSequence) sequences.push_back(key);
    if (column.kind == Kind::kEventTime && column.jitter_micros == 0 && spec.splits == 1) {
      times.push_back(key);
    }
  }
  times.insert(times.end(), sequences.begin(), sequences.end());
  return times;
}

class Generator final : public Source {
 public:
  Generator(GeneratorSpec spec, Clock& clock)
      : spec_(std::make_shared<const GeneratorSpec>(std::move(spec))), clock_(clock) {
    arrow::FieldVector fields;
    for (const GeneratorColumn& column : spec_->columns) {
      fields.push_back(
          arrow::field(column.name, column.type == nullptr ? TypeOf(column.kind) : column.type));
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::string name() const override { return fmt::format("generator, seed {}", spec_->seed); }
  const SchemaPtr& schema() const override { return schema_; }
  Boundedness boundedness() const override {
    return spec_->unbounded ? Boundedness::kUnbounded : Boundedness::kBounded;
  }
  Ordering ordering() const override { return OrderingOf(*spec_); }
  std::optional<int64_t> row_count() const override {
    if (spec_->rows == GeneratorSpec::kEndless) return std::nullopt;
    return spec_->rows * spec_->splits;
  }

  Result<std::vector<Split>> Splits(const ScanRequest&) override {
    std::vector<Split> splits;
    for (int64_t i = 0; i < spec_->splits; ++i) {
      splits.push_back({.index = i, .name = fmt::format("{}, split {}", name(), i)});
    }
    return splits;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    auto reader = std::make_unique<GeneratorReader>(spec_, clock_, split.index, request, context);
    if (!context.position.empty()) {
      ARROW_ASSIGN_OR_RAISE(const int64_t row, RowOf(context.position));
      reader->Seek(row);
    }
    return reader;
  }

  Result<std::string> Snapshot() override {
    return fmt::format("{}, {} splits of {} rows, {}", name(), spec_->splits, spec_->rows,
                       schema_->ToString());
  }

 private:
  static Result<int64_t> RowOf(std::string_view position) {
    int64_t row = 0;
    const char* end = position.data() + position.size();
    const auto [stop, error] = std::from_chars(position.data(), end, row);
    if (error == std::errc() && stop == end && row >= 0) return row;
    return Error(ErrorKind::kInvalidArgument, "generator: expected a row as position, got '{}'",
                 position);
  }

  const std::shared_ptr<const GeneratorSpec> spec_;
  Clock& clock_;
  SchemaPtr schema_;
};

Status CheckColumn(const GeneratorColumn& column) {
  const auto fail = [&](const char* expected) {
    return Error(ErrorKind::kInvalidArgument, "generator: column {}: expected {}", column.name,
                 expected);
  };
  if (column.kind == Kind::kInteger && column.low > column.high) return fail("low <= high");
  if (column.kind == Kind::kDouble && !(std::isfinite(column.high_value - column.low_value) &&
                                        column.low_value <= column.high_value)) {
    return fail("finite low <= high");
  }
  if (column.kind == Kind::kKey && column.keys < 1) return fail("at least one key");
  if (column.kind == Kind::kEventTime && (column.step_micros < 0 || column.jitter_micros < 0)) {
    return fail("a step and a jitter that are not negative");
  }
  return Status::OK();
}

Status CheckSpec(const GeneratorSpec& spec) {
  const auto fail = [](const char* expected, int64_t got) {
    return Error(ErrorKind::kInvalidArgument, "generator: expected {}, got {}", expected, got);
  };
  constexpr int64_t kSplitsMax = 1 << 20;
  if (spec.splits < 1 || spec.splits > kSplitsMax) return fail("1 to 2^20 splits", spec.splits);
  if (spec.rows < GeneratorSpec::kEndless) return fail("rows, or -1 for no end", spec.rows);
  if (spec.rows > kInt64Max / spec.splits) return fail("fewer rows", spec.rows);
  if (spec.rows_per_second < 0) return fail("rows_per_second >= 0", spec.rows_per_second);
  for (const GeneratorColumn& column : spec.columns) ARROW_RETURN_NOT_OK(CheckColumn(column));
  return Status::OK();
}

}  // namespace

Result<SourcePtr> MakeGenerator(GeneratorSpec spec, Clock& clock) {
  ARROW_RETURN_NOT_OK(CheckSpec(spec));
  spec.unbounded = spec.unbounded || spec.rows == GeneratorSpec::kEndless;
  return std::make_shared<Generator>(std::move(spec), clock);
}

Result<SourcePtr> OpenGenerator(const ConnectContext& context, const OptionMap& options) {
  constexpr const char* kDefaultColumns =
      "id sequence, key key(100), value integer(0, 999), at event_time(0, 1000)";
  OptionReader reader("generator", options);
  GeneratorSpec spec;
  const bool is_declared = context.schema != nullptr && !options.contains("columns");
  ARROW_ASSIGN_OR_RAISE(const std::string columns, reader.Text("columns", kDefaultColumns));
  ARROW_ASSIGN_OR_RAISE(const int64_t seed, reader.Integer("seed", 0, 0, kInt64Max));
  spec.seed = static_cast<uint64_t>(seed);
  ARROW_ASSIGN_OR_RAISE(spec.rows, reader.Integer("rows", -1, GeneratorSpec::kEndless, kInt64Max));
  ARROW_ASSIGN_OR_RAISE(spec.splits, reader.Integer("splits", 1, 1, kInt64Max));
  ARROW_ASSIGN_OR_RAISE(spec.unbounded, reader.Flag("unbounded", false));
  ARROW_ASSIGN_OR_RAISE(const int64_t rate, reader.Integer("rate", 0, 0, kInt64Max));
  ARROW_ASSIGN_OR_RAISE(spec.rows_per_second,
                        reader.Integer("rows_per_second", rate, 0, kInt64Max));
  if (is_declared) {
    ARROW_ASSIGN_OR_RAISE(
        spec.columns, DeclaredGeneratorColumns(
                          *context.schema, [&](const std::string& name, const std::string& text) {
                            return reader.Text(name, text);
                          }));
  } else {
    ARROW_ASSIGN_OR_RAISE(spec.columns, ParseGeneratorColumns(columns));
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  return MakeGenerator(std::move(spec), context.clock);
}

}  // namespace headrace
