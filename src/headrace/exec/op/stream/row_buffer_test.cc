// Row buffer against a loop over the rows of each partition: frames, ranks, order of time, lanes,
// batches, watermarks, and state that is saved and loaded at any moment.
#include "headrace/exec/op/stream/row_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "headrace/exec/op/stream/stream_drive.h"
#include "headrace/function/registry.h"

namespace headrace {
namespace {

using namespace breaker_test;  // NOLINT

constexpr int kId = 0;
constexpr int kKey = 1;
constexpr int kText = 2;
constexpr int kValue = 3;
constexpr int kTime = 4;

TestTable RandomRows(int64_t count, uint64_t distinct, int64_t jitter, Rng& rng) {
  const ArrayPtr times = Int64s(count, [&](int64_t row) -> std::optional<int64_t> {
    if (rng.Below(50) == 0) return std::nullopt;
    return 10 * row - static_cast<int64_t>(rng.Below(static_cast<uint64_t>(jitter) + 1));
  });
  const TypePtr type = arrow::timestamp(arrow::TimeUnit::MICRO);
  const ArrayPtr ids = Int64s(count, [](int64_t row) { return row; });
  const ArrayPtr keys = Int64s(count, [&](int64_t) -> std::optional<int64_t> {
    if (rng.Below(12) == 0) return std::nullopt;
    return static_cast<int64_t>(rng.Below(distinct));
  });
  const ArrayPtr texts = Texts(count, [&](int64_t) -> std::optional<std::string> {
    if (rng.Below(9) == 0) return std::nullopt;
    return std::string(rng.Below(30), 'x') + std::to_string(rng.Below(9));
  });
  const ArrayPtr values = Int64s(count, [&](int64_t) -> std::optional<int64_t> {
    if (rng.Below(7) == 0) return std::nullopt;
    return static_cast<int64_t>(rng.Below(20));
  });
  return {arrow::schema({arrow::field("id", arrow::int64()), arrow::field("k", arrow::int64()),
                         arrow::field("s", arrow::utf8()), arrow::field("v", arrow::int64()),
                         arrow::field("at", type)}),
          Batch({ids, keys, texts, values, times->View(type).ValueOrDie()}, count)};
}

ExpressionPtr ColumnAt(const TestTable& table, int column) {
  const auto& field = table.schema->field(column);
  return Expression::Column(column, field->name(), field->type());
}

FramedCall CallOf(const char* name, size_t overload, std::vector<ExpressionPtr> args,
                  const TypePtr& type, WindowFrame frame) {
  const FunctionDef* function = FindFunction(Dialect::kSql, name);
  FramedCall framed;
  framed.call = {function, &function->overloads[overload], std::move(args), type, name, false};
  framed.frame = std::move(frame);
  return framed;
}

/// ROWS BETWEEN `rows` − 1 PRECEDING AND CURRENT ROW.
WindowFrame LastRows(int64_t rows) {
  WindowFrame frame;
  frame.unit = FrameUnit::kRows;
  frame.start = {FrameBound::Kind::kPreceding, rows - 1, nullptr};
  return frame;
}

struct BufferCase {
  RowBufferTerms terms;
  bool ranks = false;  // else: the number of rows and their first text
};

std::vector<FramedCall> CallsOf(const TestTable& table, const BufferCase& made) {
  if (made.ranks) return {CallOf("rank", 0, {}, arrow::int64(), WindowFrame())};
  const WindowFrame frame = LastRows(made.terms.rows);
  return {CallOf("count", 0, {}, arrow::int64(), frame),
          CallOf("first_value", 0, {ColumnAt(table, kText)}, arrow::utf8(), frame)};
}

/// All rows of each partition, in the order in which they were taken.
class BufferModel {
 public:
  BufferModel(const TestTable& table, const BufferCase& made)
      : case_(made), cells_(CellsOf(table.batch)), times_(TimesOf(table)) {}

  void Push(int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (case_.terms.time < 0) {
        Take(row);
      } else if (!TimeOf(row).has_value()) {
        ++null_times;
      } else if (*TimeOf(row) < watermark_) {
        ++late;
      } else {
        waiting_.push_back(row);
      }
    }
  }
  void Advance(int64_t micros) {
    watermark_ = std::max(watermark_, micros);
    TakeBefore(watermark_);
  }
  void Finish() { TakeBefore(std::nullopt); }
  Cells rows() const { return SortedRows(given_); }

  int64_t late = 0;
  int64_t null_times = 0;

 private:
  static std::vector<std::optional<int64_t>> TimesOf(const TestTable& table) {
    const auto& column = static_cast<const arrow::TimestampArray&>(*table.batch.column(kTime));
    std::vector<std::optional<int64_t>> times;
    for (int64_t row = 0; row < column.length(); ++row) {
      times.push_back(column.IsNull(row) ? std::nullopt : std::optional(column.Value(row)));
    }
    return times;
  }
  std::optional<int64_t> TimeOf(int64_t row) const { return times_[static_cast<size_t>(row)]; }
  const std::vector<std::string>& CellsAt(int64_t row) const {
    return cells_[static_cast<size_t>(row)];
  }

  void TakeBefore(std::optional<int64_t> bound) {
    std::vector<int64_t> ready;
    std::vector<int64_t> rest;
    for (const int64_t row : waiting_) {
      (!bound.has_value() || *TimeOf(row) < *bound ? ready : rest).push_back(row);
    }
    waiting_ = std::move(rest);
    std::stable_sort(ready.begin(), ready.end(),
                     [&](int64_t a, int64_t b) { return *TimeOf(a) < *TimeOf(b); });
    for (const int64_t row : ready) Take(row);
  }

  void Take(int64_t row) {
    const std::string key = case_.terms.partition_by.empty() ? "" : CellsAt(row)[kKey];
    std::vector<int64_t>& rows = taken_[key];
    const auto& expire = case_.terms.expire_micros;
    if (expire.has_value() && TimeOf(row).has_value()) {
      std::optional<int64_t>& last = last_[key];
      if (last.has_value() && *TimeOf(row) - *last > *expire) rows.clear();
      last = std::max(last.value_or(*TimeOf(row)), *TimeOf(row));
    }
    rows.push_back(row);
    const auto limit = static_cast<size_t>(case_.terms.rows);
    const size_t first = rows.size() > limit ? rows.size() - limit : 0;
    if (case_.terms.only_full && rows.size() - first < limit) return;
    std::vector<std::string> cells = CellsAt(row);
    if (case_.ranks) {
      cells.push_back(std::to_string(RankOf(rows, first)));
    } else {
      cells.push_back(std::to_string(rows.size() - first));
      cells.push_back(CellsAt(rows[first])[kText]);
    }
    given_.push_back(std::move(cells));
  }

  /// By the value, nulls last.
  int64_t RankOf(const std::vector<int64_t>& rows, size_t first) const {
    const auto value = [&](int64_t row) {
      const std::string& cell = CellsAt(row)[kValue];
      return cell == "NULL" ? int64_t{1000} : std::stoll(cell);
    };
    int64_t rank = 1;
    for (size_t i = first; i < rows.size(); ++i)
      rank += value(rows[i]) < value(rows.back()) ? 1 : 0;
    return rank;
  }

  const BufferCase case_;
  const Cells cells_;
  const std::vector<std::optional<int64_t>> times_;
  std::map<std::string, std::vector<int64_t>> taken_;
  std::map<std::string, std::optional<int64_t>> last_;
  std::vector<int64_t> waiting_;
  int64_t watermark_ = INT64_MIN;
  Cells given_;
};

void Append(const std::vector<Batch>& batches, Cells* cells) {
  for (const Batch& batch : batches) {
    const Cells more = CellsOf(batch);
    cells->insert(cells->end(), more.begin(), more.end());
  }
}

void Run(const BufferCase& made, int lanes, uint64_t seed) {
  Rng rng(seed);
  const int64_t jitter = 200;
  const TestTable table = RandomRows(600, 1 + rng.Below(20), jitter, rng);
  const RowBufferSpec spec(table.schema, made.terms, CallsOf(table, made));
  World world(
      {.lanes = lanes, .batch_rows = 1 + static_cast<int64_t>(rng.Below(50)), .seed = seed});
  auto drive = std::make_unique<StreamDrive>(world, spec, made.terms.partition_by);
  ASSERT_OK(drive->Open());
  BufferModel model(table, made);
  Cells given;
  for (int64_t begin = 0; begin < table.count();) {
    const int64_t end = std::min(table.count(), begin + 1 + static_cast<int64_t>(rng.Below(60)));
    ASSERT_OK(drive->Push(table.batch.Slice(begin, end - begin)));
    model.Push(begin, end);
    if (rng.Below(3) == 0) {
      // Some rows are late.
      const int64_t watermark = 10 * end - jitter + static_cast<int64_t>(rng.Below(60));
      ASSERT_OK(drive->Advance(watermark));
      model.Advance(watermark);
    }
    begin = end;
    if (rng.Below(6) > 0) continue;
    const auto vfs = MakeMemoryVfs();
    ASSERT_OK(drive->Save(*vfs));
    Append(drive->TakeOutputs(), &given);
    drive = std::make_unique<StreamDrive>(world, spec, made.terms.partition_by);
    ASSERT_OK(drive->Open());
    ASSERT_OK(drive->Load(*vfs));
  }
  ASSERT_OK(drive->Finish());
  model.Finish();
  Append(drive->TakeOutputs(), &given);
  EXPECT_EQ(SortedRows(given), model.rows());
  EXPECT_EQ(world.metrics.late_rows, model.late);
  EXPECT_EQ(world.metrics.null_time_rows, model.null_times);
}

void RunSome(const BufferCase& made) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    const bool has_keys = !made.terms.partition_by.empty();
    Run(made, has_keys ? 1 + static_cast<int>(seed % 3) : 1, seed);
    if (testing::Test::HasFailure()) return;
  }
}

BufferCase LastOf(int64_t rows) {
  BufferCase made;
  made.terms.partition_by = {kKey};
  made.terms.rows = rows;
  made.terms.comes_in_order = true;
  return made;
}

BufferCase ByTime(int64_t rows) {
  BufferCase made = LastOf(rows);
  made.terms.time = kTime;
  made.terms.clock = kTime;
  made.terms.order = {{kTime, false, NullPlacement::kLast}};
  return made;
}

BufferCase Ranked(int64_t rows) {
  BufferCase made = LastOf(rows);
  made.terms.comes_in_order = false;
  made.terms.order = {{kValue, false, NullPlacement::kLast}};
  made.ranks = true;
  return made;
}

TEST(RowBuffer, LastRows) {
  for (const int64_t rows : {1, 2, 7, 100}) RunSome(LastOf(rows));
}

TEST(RowBuffer, LastRowsOfAll) {
  BufferCase made = LastOf(5);
  made.terms.partition_by.clear();
  RunSome(made);
}

TEST(RowBuffer, ByTime) {
  for (const int64_t rows : {1, 4, 60}) RunSome(ByTime(rows));
}

TEST(RowBuffer, RanksWithinTheBuffer) {
  for (const int64_t rows : {1, 3, 20}) RunSome(Ranked(rows));
}

TEST(RowBuffer, OnlyFullOnes) {
  for (BufferCase made : {LastOf(4), ByTime(4), Ranked(4)}) {
    made.terms.only_full = true;
    RunSome(made);
  }
}

TEST(RowBuffer, Expires) {
  for (BufferCase made : {ByTime(6), LastOf(6)}) {
    made.terms.clock = kTime;
    made.terms.expire_micros = 150;
    RunSome(made);
  }
}

TEST(RowBuffer, PassesWatermarksOnBehindTheirRows) {
  Rng rng(1);
  const TestTable table = RandomRows(100, 3, 50, rng);
  const BufferCase made = ByTime(3);
  World world({});
  StreamDrive drive(world, RowBufferSpec(table.schema, made.terms, CallsOf(table, made)), {kKey});
  ASSERT_OK(drive.Open());
  ASSERT_OK(drive.Push(table.batch));
  EXPECT_TRUE(drive.TakeOutputs().empty());
  ASSERT_OK(drive.Advance(500));
  EXPECT_FALSE(drive.TakeOutputs().empty());
  ASSERT_EQ(drive.watermarks().size(), 1);
  EXPECT_EQ(drive.watermarks().front().micros, 500);
  ASSERT_OK(drive.Finish());
}

TEST(RowBuffer, RefusesWhatDoesNotFitTheBudget) {
  Rng rng(1);
  const TestTable table = RandomRows(5000, 10, 50, rng);
  const BufferCase made = LastOf(5);
  World world({.budget_bytes = 20'000});
  StreamDrive drive(world, RowBufferSpec(table.schema, made.terms, CallsOf(table, made)), {kKey});
  ASSERT_OK(drive.Open());
  EXPECT_EQ(KindOf(drive.Push(table.batch)), ErrorKind::kMemoryLimit);
}

}  // namespace
}  // namespace headrace
