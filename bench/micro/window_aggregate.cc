// Window aggregate on one lane: million rows a second of count and sum by an integer key, a
// watermark after every batch. `build/bench/window_aggregate_micro [rows] [keys]`.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "arrow/array/builder_primitive.h"
#include "arrow/compute/initialize.h"
#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "fmt/format.h"
#include "headrace/base/check.h"
#include "headrace/base/rng.h"
#include "headrace/exec/op/stream/window_aggregate.h"
#include "headrace/expression/bind.h"

namespace headrace {
namespace {

constexpr int64_t kBatchRows = 16384;
constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kRowsPerSecond = 100'000;  // of event time
constexpr int64_t kJitterMicros = kSecond;

const SchemaPtr& RowSchema() {
  static const auto* schema = new SchemaPtr(
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64()),
                     arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO))}));
  return *schema;
}

std::vector<Batch> MakeBatches(int64_t rows, uint64_t keys) {
  Rng rng(7);
  std::vector<Batch> batches;
  for (int64_t row = 0; row < rows;) {
    arrow::Int64Builder key;
    arrow::Int64Builder value;
    arrow::TimestampBuilder time(RowSchema()->field(2)->type(), arrow::default_memory_pool());
    const int64_t count = std::min(rows - row, kBatchRows);
    for (int64_t i = 0; i < count; ++i, ++row) {
      const auto late = static_cast<int64_t>(rng.Below(kJitterMicros));
      const bool is_ok = key.Append(static_cast<int64_t>(rng.Below(keys))).ok() &&
                         value.Append(static_cast<int64_t>(rng.Below(1000))).ok() &&
                         time.Append(row * (kSecond / kRowsPerSecond) - late).ok();
      HEADRACE_CHECK(is_ok, "a batch could not be made");
    }
    batches.emplace_back(
        std::vector<ArrayPtr>{key.Finish().ValueOrDie(), value.Finish().ValueOrDie(),
                              time.Finish().ValueOrDie()},
        count);
  }
  return batches;
}

FunctionCall CallOf(const std::string& function, std::vector<UnboundPtr> args) {
  const ExpressionPtr call =
      Bind(*Unbound::Call(function, std::move(args)), Scope(*RowSchema()), Dialect::kSql)
          .ValueOrDie();
  return {call->function, call->overload, call->args, call->type, function, false};
}

StreamWindowSpec WindowOf(WindowKind kind, int64_t size_micros, int64_t advance_micros) {
  StreamWindowSpec window;
  window.kind = kind;
  window.time = Expression::Column(2, "at", RowSchema()->field(2)->type());
  window.size_micros = size_micros;
  window.advance_micros = advance_micros;
  return window;
}

/// Feeds all batches; gives the rows that came out.
int64_t Drive(Operator& op, const std::vector<Batch>& batches) {
  int64_t rows_out = 0;
  const auto repeat = [&](const auto& step) {
    while (true) {
      Out out;
      const Flow flow = step(out).ValueOrDie();
      if (auto batch = out.TakeBatch()) rows_out += batch->num_rows();
      HEADRACE_CHECK(flow.kind != Flow::Kind::kNeedMemory, "memory is limited");
      if (flow.kind == Flow::Kind::kNeedInput) return;
    }
  };
  int64_t rows_in = 0;
  for (const Batch& batch : batches) {
    Batch pushed = batch;
    repeat([&](Out& out) { return op.Push(0, pushed, out); });
    rows_in += batch.num_rows();
    const int64_t watermark = rows_in * (kSecond / kRowsPerSecond) - kJitterMicros;
    repeat([&](Out& out) { return op.Advance(0, {watermark}, out); });
  }
  repeat([&](Out& out) { return op.Finish(0, out); });
  return rows_out;
}

void Measure(const std::string& name, const StreamWindowSpec& window, EmitPolicy emit,
             const std::vector<Batch>& batches, int64_t rows) {
  const WindowAggregateSpec spec(
      RowSchema(), window, {0},
      {CallOf("count", {Unbound::Star()}), CallOf("sum", {Unbound::Column({"v"})})}, emit,
      ChangeMode::kAppend);
  OperatorContext context;
  context.budget = MemoryBudget::MakeRoot("bench", int64_t{8} << 30);
  context.pool = arrow::default_memory_pool();
  const auto op = spec.Make(nullptr);
  HEADRACE_CHECK(op->Open(context).ok(), "the operator does not open");
  const auto start = std::chrono::steady_clock::now();
  const int64_t rows_out = Drive(*op, batches);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{:28} {:6.1f} M rows/s in, {:6.2f} M rows/s out, {:6.1f} MB at most\n", name,
             static_cast<double>(rows) / seconds.count() / 1e6,
             static_cast<double>(rows_out) / seconds.count() / 1e6,
             static_cast<double>(context.budget->peak_bytes()) / 1e6);
}

void MeasureAll(int64_t rows, uint64_t keys) {
  const std::vector<Batch> batches = MakeBatches(rows, keys);
  fmt::print("{} rows, {} keys, {} rows a second of event time\n", rows, keys, kRowsPerSecond);
  const auto measure = [&](const std::string& name, const StreamWindowSpec& window,
                           EmitPolicy emit = EmitPolicy::kAtEnd) {
    Measure(name, window, emit, batches, rows);
  };
  measure("tumbling 10 s", WindowOf(WindowKind::kTumbling, 10 * kSecond, 0));
  measure("tumbling 1 s", WindowOf(WindowKind::kTumbling, kSecond, 0));
  measure("tumbling 10 s, changes", WindowOf(WindowKind::kTumbling, 10 * kSecond, 0),
          EmitPolicy::kChanges);
  measure("sliding 10 s by 1 s", WindowOf(WindowKind::kSliding, 10 * kSecond, kSecond));
  measure("sliding 60 s by 1 s", WindowOf(WindowKind::kSliding, 60 * kSecond, kSecond));
  measure("sliding 10 s by 50 ms", WindowOf(WindowKind::kSliding, 10 * kSecond, 50'000));
  measure("cumulate 10 s by 1 s", WindowOf(WindowKind::kCumulate, 10 * kSecond, kSecond));
  measure("session, gap 20 ms", WindowOf(WindowKind::kSession, 20'000, 0));
  measure("session, gap 1 s", WindowOf(WindowKind::kSession, kSecond, 0));
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  if (!arrow::compute::Initialize().ok()) return 1;
  headrace::MeasureAll(argc > 1 ? std::atoll(argv[1]) : 10'000'000,
                       argc > 2 ? static_cast<uint64_t>(std::atoll(argv[2])) : 1000);
}
