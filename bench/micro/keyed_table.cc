// KeyedTable: millions of keys that are looked up, one by one and in batches, and of rows that are
// written, in a second of one core; and bytes a row. `build/bench/keyed_table_micro [keys …]`.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "fmt/format.h"
#include "headrace/base/rng.h"
#include "headrace/connect/memory/keyed_table.h"
#include "headrace/memory/spill_space.h"

namespace headrace {
namespace {

constexpr int64_t kBatchRows = 16384;
constexpr int64_t kProbes = int64_t{1} << 21;
constexpr int64_t kSingleProbes = 2048;  // then again: a record's key has just been made
constexpr int64_t kSingleRounds = 128;
constexpr int kRepeats = 3;

void Check(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", status.ToString());
  std::abort();
}

ArrayPtr Integers(const std::vector<uint64_t>& keys) {
  arrow::Int64Builder builder;
  for (const uint64_t key : keys) Check(builder.Append(static_cast<int64_t>(key * 1000)));
  return builder.Finish().ValueOrDie();
}

ArrayPtr Texts(const std::vector<uint64_t>& keys) {
  arrow::StringBuilder builder;
  for (const uint64_t key : keys) Check(builder.Append(fmt::format("id{:08}", key)));
  return builder.Finish().ValueOrDie();
}

using MakeKeys = ArrayPtr (*)(const std::vector<uint64_t>&);

SchemaPtr SchemaOf(const TypePtr& key) {
  return arrow::schema({arrow::field("k", key), arrow::field("tier", arrow::utf8()),
                        arrow::field("score", arrow::int64()),
                        arrow::field("price", arrow::float64())});
}

// Every key below `count` once, in a random order; then as many again, if asked.
std::vector<std::shared_ptr<arrow::RecordBatch>> RowBatches(uint64_t count, MakeKeys make,
                                                            uint64_t seed) {
  std::vector<uint64_t> keys(count);
  for (uint64_t i = 0; i < count; ++i) keys[i] = i;
  Rng rng(seed);
  for (uint64_t i = count; i > 1; --i) std::swap(keys[i - 1], keys[rng.Below(i)]);
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (size_t begin = 0; begin < keys.size(); begin += kBatchRows) {
    const size_t end = std::min(keys.size(), begin + kBatchRows);
    const std::vector<uint64_t> part(keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                     keys.begin() + static_cast<std::ptrdiff_t>(end));
    arrow::StringBuilder tier;
    arrow::Int64Builder score;
    arrow::DoubleBuilder price;
    for (const uint64_t key : part) {
      Check(tier.Append(key % 3 == 0 ? "gold" : "silver"));
      Check(score.Append(static_cast<int64_t>(key ^ seed)));
      Check(price.Append(static_cast<double>(key)));
    }
    const ArrayPtr array = make(part);
    batches.push_back(
        arrow::RecordBatch::Make(SchemaOf(array->type()), array->length(),
                                 {array, *tier.Finish(), *score.Finish(), *price.Finish()}));
  }
  return batches;
}

double CpuMicros() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// Millions a second of processor time, the best of some runs.
double BestRate(int64_t count, const std::function<void()>& run) {
  double best = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double begin = CpuMicros();
    run();
    best = std::max(best, static_cast<double>(count) / (CpuMicros() - begin));
  }
  return best;
}

void Probe(LookupReader& reader, const std::vector<ArrayPtr>& keys, bool gather) {
  const std::vector<int> columns = {1, 2, 3};
  LookupMatches matches;
  for (const ArrayPtr& key : keys) {
    Check(reader.Probe(std::span(&key, 1), &matches));
    if (static_cast<int64_t>(matches.row_ids.size()) != key->length()) std::abort();
    if (!gather) continue;
    Check(reader.Gather(matches.row_ids, columns, arrow::default_memory_pool()).status());
  }
}

std::vector<ArrayPtr> RandomKeys(int64_t count, int64_t batch, uint64_t keys, MakeKeys make) {
  Rng rng(11);
  std::vector<ArrayPtr> batches;
  for (int64_t done = 0; done < count; done += batch) {
    std::vector<uint64_t> part(static_cast<size_t>(batch));
    for (uint64_t& key : part) key = rng.Below(keys);
    batches.push_back(make(part));
  }
  return batches;
}

// Where a table goes that has an eighth of the memory it would take.
struct SmallMemory {
  explicit SmallMemory(int64_t bytes) : budget(MemoryBudget::MakeRoot("bench", bytes)) {}
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<SpillSpace> disk = SpillSpace::Make("", int64_t{1} << 40).ValueOrDie();
};

void Run(const char* name, uint64_t keys, MakeKeys make, bool second_index,
         SmallMemory* memory = nullptr) {
  const auto first = RowBatches(keys, make, 1);
  const auto second = RowBatches(keys, make, 2);
  const auto count = static_cast<int64_t>(keys);
  KeyedTableOptions options;
  if (memory != nullptr) {
    options.budget = memory->budget;
    options.spill = memory->disk;
  }
  std::shared_ptr<KeyedTable> table;
  const double loads = BestRate(count, [&] {
    table.reset();
    table = KeyedTable::Make("t", first[0]->schema(), {0}, options).ValueOrDie();
    if (second_index) Check(table->OpenReader(std::vector<int>{2}).status());
    for (const auto& batch : first) Check(table->Upsert(*batch));
  });
  int64_t raw = 0;
  for (const auto& batch : first) raw += Batch::FromRecordBatch(*batch).num_bytes();
  const double bytes = static_cast<double>(table->bytes()) / static_cast<double>(keys);
  auto reader = table->OpenReader(std::vector<int>{0}).ValueOrDie();
  const auto batches = RandomKeys(kProbes, kBatchRows, keys, make);
  const auto singles = RandomKeys(kSingleProbes, 1, keys, make);
  const double batched = BestRate(kProbes, [&] { Probe(*reader, batches, false); });
  const double gathered = BestRate(kProbes, [&] { Probe(*reader, batches, true); });
  const double single = BestRate(kSingleProbes * kSingleRounds, [&] {
    for (int64_t i = 0; i < kSingleRounds; ++i) Probe(*reader, singles, false);
  });
  reader.reset();  // it holds what it saw
  const double upserts = BestRate(count, [&] {
    for (const auto& batch : second) Check(table->Upsert(*batch));
  });
  const double after = static_cast<double>(table->bytes()) / static_cast<double>(keys);
  fmt::print(
      "| {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", name,
      keys, batched, gathered, single, loads, upserts,
      static_cast<double>(raw) / static_cast<double>(keys), bytes, after);
}

int Main(int argc, char** argv) {
  std::vector<uint64_t> sizes = {5'000, 50'000, 1'000'000};
  if (argc > 1) sizes.clear();
  for (int i = 1; i < argc; ++i) sizes.push_back(static_cast<uint64_t>(std::atoll(argv[i])));
  fmt::print(
      "| key | rows | batched M/s | with 3 columns | single M/s | inserts M/s | updates M/s | raw "
      "bytes/row | bytes/row | after updates |\n");
  fmt::print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  for (const uint64_t keys : sizes) {
    Run("int64", keys, Integers, false);
    Run("text", keys, Texts, false);
    Run("int64, 2 indexes", keys, Integers, true);
    SmallMemory memory(std::max<int64_t>(static_cast<int64_t>(keys) * 6, 2 << 20));
    Run("int64, 1/8 in memory", keys, Integers, false, &memory);
  }
  return 0;
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) { return headrace::Main(argc, argv); }
