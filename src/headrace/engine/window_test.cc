// Windows through whole sessions, against their definition: random frames of every unit, nulls,
// peers, exclusions, ranking and picking functions.
#include <gtest/gtest.h>
#include <array>

#include <algorithm>
#include <optional>

#include "arrow/api.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"

namespace headrace {
namespace {

using Cell = std::optional<int64_t>;
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;
using Kind = FrameBound::Kind;

constexpr size_t kG = 0;  // partition
constexpr size_t kO = 1;  // order
constexpr size_t kV = 2;  // value

PlanPtr ScanOf(const Rows& rows) {
  const SchemaPtr schema =
      arrow::schema({arrow::field("g", arrow::int64()), arrow::field("o", arrow::int64()),
                     arrow::field("v", arrow::int64())});
  arrow::ArrayVector columns;
  for (size_t column = 0; column < 3; ++column) {
    arrow::Int64Builder builder;
    for (const Row& row : rows) {
      EXPECT_OK(row[column].has_value() ? builder.Append(*row[column]) : builder.AppendNull());
    }
    columns.push_back(builder.Finish().ValueOrDie());
  }
  const auto count = static_cast<int64_t>(rows.size());
  return PlanScan(MemoryTable::Make(schema, {arrow::RecordBatch::Make(schema, count, columns)}, {})
                      .ValueOrDie())
      .ValueOrDie();
}

struct Bound {
  Kind kind;
  int64_t offset = 0;
};

struct WindowCase {
  std::string function;
  std::vector<int64_t> constants;  // arguments after v
  bool has_order = true;
  bool descending = false;
  NullPlacement nulls = NullPlacement::kLast;
  FrameUnit unit = FrameUnit::kRange;
  Bound start{Kind::kUnboundedPreceding};
  Bound end{Kind::kCurrentRow};
  FrameExclusion exclusion = FrameExclusion::kNoOthers;
  bool ignore_nulls = false;

  bool TakesValue() const {
    for (const char* name : {"row_number", "rank", "dense_rank", "ntile", "count_all"}) {
      if (function == name) return false;
    }
    return true;
  }

  /// An aggregate, or the last value, over the last rows.
  bool Rolls() const {
    constexpr std::array kAggregates = {"sum", "min", "max", "count", "count_all"};
    const bool is_call =
        (function == "last_value" && ignore_nulls) ||
        std::find(kAggregates.begin(), kAggregates.end(), function) != kAggregates.end();
    return is_call && unit == FrameUnit::kRows && end.kind == Kind::kCurrentRow &&
           exclusion == FrameExclusion::kNoOthers;
  }

  UnboundPtr Call() const {
    const auto literal = [](int64_t value) { return Unbound::Literal(arrow::MakeScalar(value)); };
    std::vector<UnboundPtr> args;
    if (TakesValue()) args.push_back(Unbound::Column({"v"}));
    if (function == "count_all") args.push_back(Unbound::Star());
    for (int64_t constant : constants) args.push_back(literal(constant));
    auto window = std::make_shared<UnboundWindow>();
    window->partition_by = {Unbound::Column({"g"})};
    if (has_order) window->order_by.push_back({Unbound::Column({"o"}), descending, nulls});
    UnboundFrame frame;
    frame.unit = unit;
    frame.start = {start.kind, literal(start.offset)};
    frame.end = {end.kind, literal(end.offset)};
    frame.exclusion = exclusion;
    window->frame = frame;
    const std::string name = function == "count_all" ? "count" : function;
    auto call = std::make_shared<Unbound>(*Unbound::Call(name, args));
    call->window = window;
    call->ignore_nulls = ignore_nulls;
    return call;
  }
};

/// One sorted partition, by the definition of frames.
class Partition {
 public:
  Partition(const WindowCase& window, Rows rows) : window_(window), rows_(std::move(rows)) {
    int64_t group = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (i > 0 && window.has_order && rows_[i][kO] != rows_[i - 1][kO]) ++group;
      group_.push_back(group);
    }
  }

  Cell Value(size_t i) const {
    const auto at = static_cast<int64_t>(i);
    const auto size = static_cast<int64_t>(rows_.size());
    const std::string& name = window_.function;
    if (name == "row_number") return at + 1;
    if (name == "rank") {
      return std::find(group_.begin(), group_.end(), group_[i]) - group_.begin() + 1;
    }
    if (name == "dense_rank") return group_[i] + 1;
    if (name == "ntile") return Ntile(at, size);
    if (name == "lag") return Away(at, -1);
    if (name == "lead") return Away(at, +1);
    return OfFrame(Frame(i));
  }

 private:
  Cell Ntile(int64_t at, int64_t size) const {
    const int64_t buckets = window_.constants[0];
    int64_t begin = 0;
    for (int64_t bucket = 0; bucket < buckets; ++bucket) {
      begin += size / buckets + (bucket < size % buckets ? 1 : 0);
      if (at < begin) return bucket + 1;
    }
    return std::nullopt;
  }

  Cell Away(int64_t at, int64_t direction) const {
    int64_t left = window_.constants[0];
    int64_t row = at;
    while (left > 0) {
      row += direction;
      if (row < 0 || row >= static_cast<int64_t>(rows_.size())) {
        return window_.constants.size() > 1 ? Cell(window_.constants[1]) : Cell();
      }
      if (window_.ignore_nulls && !rows_[static_cast<size_t>(row)][kV].has_value()) continue;
      --left;
    }
    return rows_[static_cast<size_t>(row)][kV];
  }

  /// Distance of row j behind row i in the unit of the frame; null: not comparable.
  bool AtLeast(size_t i, size_t j, const Bound& bound, bool is_start) const {
    const int64_t sign = is_start ? 1 : -1;
    const int64_t shift = bound.kind == Kind::kPreceding ? -bound.offset : bound.offset;
    if (bound.kind == Kind::kUnboundedPreceding || bound.kind == Kind::kUnboundedFollowing) {
      return true;
    }
    const int64_t by_group = group_[j] - group_[i];
    if (bound.kind == Kind::kCurrentRow && window_.unit != FrameUnit::kRows) {
      return sign * by_group >= 0;
    }
    const auto by_row = static_cast<int64_t>(j) - static_cast<int64_t>(i);
    if (bound.kind == Kind::kCurrentRow) return sign * by_row >= 0;
    if (window_.unit == FrameUnit::kRows) return sign * (by_row - shift) >= 0;
    if (window_.unit == FrameUnit::kGroups) return sign * (by_group - shift) >= 0;
    if (!rows_[i][kO].has_value()) return sign * by_group >= 0;
    if (!rows_[j][kO].has_value()) return (window_.nulls == NullPlacement::kLast) == is_start;
    const int64_t by_value = (*rows_[j][kO] - *rows_[i][kO]) * (window_.descending ? -1 : 1);
    return sign * (by_value - shift) >= 0;
  }

  std::vector<size_t> Frame(size_t i) const {
    std::vector<size_t> frame;
    for (size_t j = 0; j < rows_.size(); ++j) {
      if (!AtLeast(i, j, window_.start, true) || !AtLeast(i, j, window_.end, false)) continue;
      const bool is_peer = group_[i] == group_[j];
      const FrameExclusion exclusion = window_.exclusion;
      if (exclusion == FrameExclusion::kCurrentRow && i == j) continue;
      if (exclusion == FrameExclusion::kGroup && is_peer) continue;
      if (exclusion == FrameExclusion::kTies && is_peer && i != j) continue;
      frame.push_back(j);
    }
    return frame;
  }

  Cell OfFrame(const std::vector<size_t>& frame) const {
    const std::string& name = window_.function;
    if (name == "count_all") return static_cast<int64_t>(frame.size());
    std::vector<Cell> values;
    std::vector<int64_t> known;
    for (size_t row : frame) {
      const Cell value = rows_[row][kV];
      if (value.has_value()) known.push_back(*value);
      if (value.has_value() || !window_.ignore_nulls) values.push_back(value);
    }
    if (name == "count") return static_cast<int64_t>(known.size());
    if (name == "first_value") return values.empty() ? Cell() : values.front();
    if (name == "last_value") return values.empty() ? Cell() : values.back();
    if (name == "nth_value") {
      const auto n = static_cast<size_t>(window_.constants[0]);
      return values.size() < n ? Cell() : values[n - 1];
    }
    if (known.empty()) return std::nullopt;
    if (name == "min") return *std::min_element(known.begin(), known.end());
    if (name == "max") return *std::max_element(known.begin(), known.end());
    int64_t sum = 0;
    for (int64_t value : known) sum += value;
    return sum;
  }

  const WindowCase& window_;
  const Rows rows_;
  std::vector<int64_t> group_;
};

bool Before(const Cell& a, const Cell& b, bool descending, NullPlacement nulls) {
  if (a.has_value() != b.has_value()) return a.has_value() == (nulls == NullPlacement::kLast);
  if (!a.has_value()) return false;
  return descending ? *b < *a : *a < *b;
}

Rows Expected(const WindowCase& window, Rows rows) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    if (a[kG] != b[kG]) return Before(a[kG], b[kG], false, NullPlacement::kLast);
    return window.has_order && Before(a[kO], b[kO], window.descending, window.nulls);
  });
  Rows result;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    while (end < rows.size() && rows[end][kG] == rows[begin][kG]) ++end;
    const Partition partition(window, {rows.begin() + static_cast<int64_t>(begin),
                                       rows.begin() + static_cast<int64_t>(end)});
    for (size_t i = begin; i < end; ++i) {
      result.push_back(rows[i]);
      result.back().push_back(partition.Value(i - begin));
    }
    begin = end;
  }
  return result;
}

Cell CellOf(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return std::nullopt;
  const ScalarPtr number = scalar.CastTo(arrow::int64()).ValueOrDie();
  return static_cast<const arrow::Int64Scalar&>(*number).value;
}

Result<Rows> RowsOf(const WindowCase& window, const Rows& rows, const Settings& settings) {
  const PlanPtr scan = ScanOf(rows);
  std::vector<NamedExpression> outputs;
  for (const char* name : {"g", "o", "v"}) {
    outputs.push_back(
        {Bind(*Unbound::Column({name}), Scope(*scan->schema()), Dialect::kSql).ValueOrDie(), name});
  }
  ARROW_ASSIGN_OR_RAISE(ExpressionPtr call,
                        Bind(*window.Call(), Scope(*scan->schema()), Dialect::kSql));
  outputs.push_back({std::move(call), "w"});
  ARROW_ASSIGN_OR_RAISE(const PlanPtr plan, PlanProject(scan, outputs));
  ARROW_ASSIGN_OR_RAISE(auto session, Session::Make(settings));
  ARROW_ASSIGN_OR_RAISE(Cursor cursor, session->Run(plan));
  Rows result;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, cursor.Next());
    if (batch == nullptr) return result;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      Row cells;
      for (const auto& column : batch->columns()) {
        ARROW_ASSIGN_OR_RAISE(const auto cell, column->GetScalar(row));
        cells.push_back(CellOf(*cell));
      }
      result.push_back(std::move(cells));
    }
  }
}

Bound RandomBound(Rng& rng) {
  return {static_cast<Kind>(rng.Below(5)), static_cast<int64_t>(rng.Below(4))};
}

WindowCase RandomCase(Rng& rng) {
  constexpr const char* kFrameless[] = {"row_number", "rank", "dense_rank", "ntile", "lag", "lead"};
  constexpr const char* kPicks[] = {"first_value", "last_value", "nth_value"};
  constexpr const char* kAggregates[] = {"sum", "min", "max", "count", "count_all"};
  WindowCase window;
  const auto family = rng.Below(4);
  if (family == 0) window.function = kFrameless[rng.Below(std::size(kFrameless))];
  if (family == 1) window.function = kPicks[rng.Below(std::size(kPicks))];
  if (family >= 2) window.function = kAggregates[rng.Below(std::size(kAggregates))];
  const std::string& name = window.function;
  if (name == "ntile" || name == "nth_value") window.constants = {1 + int64_t(rng.Below(4))};
  if (name == "lag" || name == "lead") window.constants = {int64_t(rng.Below(4))};
  if ((name == "lag" || name == "lead") && rng.Below(2) == 0) window.constants.push_back(-7);
  if (family == 1 || name == "lead" || (name == "lag" && window.constants.size() > 1)) {
    window.ignore_nulls = rng.Below(2) == 0;
  }
  window.has_order = rng.Below(5) != 0;
  window.descending = rng.Below(2) == 0;
  window.nulls = rng.Below(2) == 0 ? NullPlacement::kFirst : NullPlacement::kLast;
  window.unit = static_cast<FrameUnit>(window.has_order ? rng.Below(3) : 0);
  do {
    window.start = RandomBound(rng);
    window.end = RandomBound(rng);
  } while (window.start.kind > window.end.kind || window.start.kind == Kind::kUnboundedFollowing ||
           window.end.kind == Kind::kUnboundedPreceding);
  if (family >= 2 && rng.Below(3) == 0) {
    window.exclusion = static_cast<FrameExclusion>(1 + rng.Below(3));
  }
  return window;
}

TEST(WindowTest, RandomFramesAgreeWithTheirDefinition) {
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    Rng rng(seed);
    Rows rows;
    const auto cell = [&](uint64_t below) -> Cell {
      if (rng.Below(8) == 0) return std::nullopt;
      return static_cast<int64_t>(rng.Below(below));
    };
    for (uint64_t count = rng.Below(80); count > 0; --count) {
      rows.push_back({cell(4), cell(9), cell(100)});
    }
    const WindowCase window = RandomCase(rng);
    Settings settings;
    settings.threads = 1 + static_cast<int>(rng.Below(3));
    settings.batch_rows = std::vector<int64_t>{1, 7, 4096}[rng.Below(3)];
    settings.memory_limit = int64_t{1} << 30;
    SCOPED_TRACE(fmt::format("seed {} {} order {} desc {} unit {} start {} {} end {} {} excl {}",
                             seed, window.function, window.has_order, window.descending,
                             static_cast<int>(window.unit), static_cast<int>(window.start.kind),
                             window.start.offset, static_cast<int>(window.end.kind),
                             window.end.offset, static_cast<int>(window.exclusion)));
    ASSERT_OK_AND_ASSIGN(const Rows result, RowsOf(window, rows, settings));
    const bool streams = window.function == "row_number" || window.Rolls() ||
                         (window.function == "lag" && window.constants.size() == 1);
    Rows expected = Expected(window, rows);
    Rows got = result;
    if (streams) {  // rows come in another order
      std::sort(expected.begin(), expected.end());
      std::sort(got.begin(), got.end());
    }
    ASSERT_EQ(got, expected);
  }
}

TEST(WindowTest, LongPartitionsMoveFramesInSteps) {
  Rows rows;
  for (int64_t i = 0; i < 30'000; ++i) rows.push_back({0, i, i % 1000});
  WindowCase window;
  window.function = "max";
  window.unit = FrameUnit::kRows;
  window.start = {Kind::kPreceding, 500};
  Settings settings;
  settings.threads = 2;
  settings.memory_limit = int64_t{1} << 30;
  ASSERT_OK_AND_ASSIGN(const Rows result, RowsOf(window, rows, settings));
  ASSERT_EQ(result.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    int64_t most = 0;
    for (size_t j = i < 500 ? 0 : i - 500; j <= i; ++j) most = std::max(most, *rows[j][kV]);
    ASSERT_EQ(result[i][3], Cell(most)) << i;
  }
}

TEST(WindowTest, BadFramesAreErrors) {
  Settings settings;
  settings.memory_limit = int64_t{1} << 30;
  WindowCase window;
  window.function = "sum";
  window.unit = FrameUnit::kRows;
  window.start = {Kind::kFollowing, 1};
  window.end = {Kind::kPreceding, 1};
  EXPECT_ERROR(RowsOf(window, {}, settings), kInvalidArgument, "begin before it ends");
  window.start = {Kind::kPreceding, -1};
  window.end = {Kind::kCurrentRow};
  EXPECT_ERROR(RowsOf(window, {}, settings), kInvalidArgument, "from 0, got -1");
  window.unit = FrameUnit::kRange;
  window.has_order = false;
  EXPECT_ERROR(RowsOf(window, {}, settings), kInvalidArgument, "one key in ORDER BY");
}

}  // namespace
}  // namespace headrace
