// What windows over a stream give is what they give over a table of the same rows, through whole
// sessions: any kind of window, lanes, batches, schedules, splits.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "arrow/api.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/connect/memory/memory_table.h"
#include "headrace/engine/session.h"
#include "headrace/expression/bind.h"
#include "headrace/plan/builder.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStreamJitterMicros = 4 * kSecond;

std::shared_ptr<arrow::RecordBatch> RandomBatch(int64_t count, Rng& rng) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
  arrow::TimestampBuilder times(type, arrow::default_memory_pool());
  arrow::Int64Builder keys;
  arrow::Int64Builder values;
  for (int64_t row = 0; row < count; ++row) {
    const auto late = static_cast<int64_t>(rng.Below(kStreamJitterMicros));
    EXPECT_OK(rng.Below(50) == 0 ? times.AppendNull() : times.Append(row * 20'000 - late));
    EXPECT_OK(keys.Append(static_cast<int64_t>(rng.Below(7))));
    EXPECT_OK(values.Append(static_cast<int64_t>(rng.Below(100))));
  }
  const auto schema = arrow::schema({arrow::field("at", type), arrow::field("k", arrow::int64()),
                                     arrow::field("v", arrow::int64())});
  return arrow::RecordBatch::Make(
      schema, count,
      {times.Finish().ValueOrDie(), keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
}

PlanPtr Windows(SourcePtr source, std::optional<EventTime> event_time, StreamWindowSpec window,
                bool has_key, EmitPolicy emit) {
  const PlanPtr scan = PlanScan(std::move(source), event_time).ValueOrDie();
  const Scope scope(*scan->schema());
  const auto bind = [&](const UnboundPtr& unbound) {
    return Bind(*unbound, scope, Dialect::kSql).ValueOrDie();
  };
  window.time = bind(Unbound::Column({"at"}));
  std::vector<NamedExpression> groups;
  if (has_key) groups.push_back({bind(Unbound::Column({"k"})), "k"});
  return PlanWindowAggregate(scan, window, groups,
                             {{bind(Unbound::Call("count", {Unbound::Star()})), "n"},
                              {bind(Unbound::Call("sum", {Unbound::Column({"v"})})), "total"}},
                             nullptr, emit)
      .ValueOrDie();
}

using Cells = std::map<std::vector<std::string>, int>;

/// Rows and how many there are of each, changes put together.
Cells RowsOf(const Settings& settings, const PlanPtr& plan) {
  Cells cells;
  auto session = Session::Make(settings).ValueOrDie();
  Cursor cursor = session->Run(plan).ValueOrDie();
  while (true) {
    const auto batch = cursor.Next();
    EXPECT_OK(batch.status());
    if (!batch.ok() || *batch == nullptr) break;
    const int width = plan->schema()->num_fields();
    const auto change = (*batch)->GetColumnByName(kChangeColumn);
    for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      std::vector<std::string> texts;
      for (int column = 0; column < width; ++column) {
        texts.push_back(FormatValue(*(*batch)->column(column), row));
      }
      const int by =
          change == nullptr ? 1 : static_cast<const arrow::Int8Array&>(*change).Value(row);
      if ((cells[texts] += by) == 0) cells.erase(texts);
    }
  }
  return cells;
}

StreamWindowSpec RandomWindow(Rng& rng) {
  StreamWindowSpec window;
  const WindowKind kinds[] = {WindowKind::kTumbling, WindowKind::kSliding, WindowKind::kCumulate,
                              WindowKind::kSession};
  window.kind = kinds[rng.Below(4)];
  window.size_micros = (1 + static_cast<int64_t>(rng.Below(6))) * kSecond;
  if (window.kind == WindowKind::kSession) window.size_micros /= 20;
  window.advance_micros = window.size_micros;
  if (window.kind == WindowKind::kSliding) window.advance_micros = kSecond;
  if (window.kind == WindowKind::kCumulate) window.size_micros *= 3;
  if (rng.Below(2) == 0) window.lateness_micros = kSecond;
  const bool updates = window.lateness_micros > 0 && rng.Below(2) == 0;
  if (updates) window.late = LatePolicy::kUpdate;
  return window;
}

TEST(StreamWindowTest, AStreamGivesWhatATableGives) {
  size_t rows_seen = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const auto rows = RandomBatch(1500, rng);
    const StreamWindowSpec window = RandomWindow(rng);
    const bool has_key = rng.Below(4) != 0;
    const EmitPolicy emit = rng.Below(2) == 0 ? EmitPolicy::kChanges : EmitPolicy::kAtEnd;
    Settings settings;
    settings.threads = 1 + static_cast<int>(rng.Below(4));
    settings.batch_rows = 1 + static_cast<int64_t>(rng.Below(300));
    settings.memory_limit = int64_t{1} << 30;
    settings.deterministic = rng.Below(3) != 0;
    settings.seed = seed;
    MemoryTableOptions stream;
    stream.boundedness = Boundedness::kUnbounded;
    stream.rows_per_split = rng.Below(2) == 0 ? 1500 : 400;
    stream.pending_before_batches = rng.Below(2) == 0;
    const Cells of_table =
        RowsOf(settings, Windows(MemoryTable::Make(rows->schema(), {rows}).ValueOrDie(),
                                 std::nullopt, window, has_key, EmitPolicy::kAtEnd));
    const Cells of_stream =
        RowsOf(settings, Windows(MemoryTable::Make(rows->schema(), {rows}, stream).ValueOrDie(),
                                 EventTime{.column = 0, .delay_micros = kStreamJitterMicros},
                                 window, has_key, emit));
    ASSERT_EQ(of_stream, of_table);
    rows_seen += of_table.size();
  }
  EXPECT_GT(rows_seen, 3000U);
}

}  // namespace
}  // namespace headrace
