// GroupTable beside boost::unordered_flat_map: nanoseconds a row for numbering keys, with what it
// takes to encode and hash them. `build/bench/group_table_micro [rows]`.
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "arrow/array.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/type.h"
#include "fmt/format.h"
#include "headrace/base/rng.h"
#include "headrace/exec/key/group_table.h"

namespace headrace {
namespace {

constexpr int64_t kBatchRows = 16384;
constexpr int kRepeats = 3;

using Batches = std::vector<ArrayPtr>;

template <typename Builder, typename KeyOf>
Batches MakeBatches(int64_t rows, uint64_t keys, const KeyOf& key_of) {
  Rng rng(7);
  Batches batches;
  while (rows > 0) {
    Builder builder;
    for (int64_t i = 0; i < std::min(rows, kBatchRows); ++i) {
      if (!builder.Append(key_of(rng.Below(keys))).ok()) std::abort();
    }
    batches.push_back(builder.Finish().ValueOrDie());
    rows -= batches.back()->length();
  }
  return batches;
}

// Finds all, then makes the groups that are missing, as the hash aggregate does.
uint64_t NumberByGroupTable(const Batches& batches) {
  const TypePtr type = batches[0]->type();
  const KeyEncoder encoder = KeyEncoder::Make({{0, "k", type}}).ValueOrDie();
  GroupTable table(encoder.is_fixed());
  EncodedKeys keys;
  std::vector<uint32_t> rows(kBatchRows);
  std::vector<uint32_t> groups(kBatchRows);
  for (uint32_t row = 0; row < kBatchRows; ++row) rows[row] = row;
  uint64_t sum = 0;
  for (const ArrayPtr& batch : batches) {
    const int64_t count = batch->length();
    if (!encoder.EncodeColumns({batch}, count, arrow::default_memory_pool(), &keys).ok()) {
      std::abort();
    }
    const int64_t missing = table.Find(keys, rows.data(), count, groups.data());
    for (size_t i = 0; missing > 0 && i < static_cast<size_t>(count); ++i) {
      if (groups[i] == GroupTable::kNoGroup) table.FindOrInsert(keys, &rows[i], 1, &groups[i]);
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) sum += groups[i];
  }
  return sum;
}

uint64_t NumberIntegersByMap(const Batches& batches) {
  boost::unordered_flat_map<int64_t, uint32_t> map;
  uint64_t sum = 0;
  for (const ArrayPtr& batch : batches) {
    const int64_t* values = static_cast<const arrow::Int64Array&>(*batch).raw_values();
    for (int64_t i = 0; i < batch->length(); ++i) {
      sum += map.try_emplace(values[i], static_cast<uint32_t>(map.size())).first->second;
    }
  }
  return sum;
}

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return boost::hash<std::string_view>()(text); }
};

uint64_t NumberTextsByMap(const Batches& batches) {
  boost::unordered_flat_map<std::string, uint32_t, TextHash, std::equal_to<>> map;
  uint64_t sum = 0;
  for (const ArrayPtr& batch : batches) {
    const auto& texts = static_cast<const arrow::StringArray&>(*batch);
    for (int64_t i = 0; i < batch->length(); ++i) {
      const std::string_view text = texts.GetView(i);
      auto found = map.find(text);
      if (found == map.end()) {
        found = map.emplace(std::string(text), static_cast<uint32_t>(map.size())).first;
      }
      sum += found->second;
    }
  }
  return sum;
}

double BestNanos(int64_t rows, const std::function<uint64_t()>& run, uint64_t* sum) {
  double best = std::numeric_limits<double>::max();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    *sum = run();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / static_cast<double>(rows));
  }
  return best;
}

// Both number keys in the order of their first rows, so their sums are equal.
bool Compare(const char* name, uint64_t keys, int64_t rows, const Batches& batches,
             uint64_t (*by_map)(const Batches&)) {
  uint64_t sum = 0;
  uint64_t map_sum = 0;
  const double ours = BestNanos(rows, [&] { return NumberByGroupTable(batches); }, &sum);
  const double theirs = BestNanos(rows, [&] { return by_map(batches); }, &map_sum);
  fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.2f} |\n", name, keys, ours, theirs, theirs / ours);
  return sum == map_sum;
}

int Run(int64_t rows) {
  fmt::print("| keys | distinct | group table ns | unordered_flat_map ns | ratio |\n");
  fmt::print("|---|---:|---:|---:|---:|\n");
  bool agree = true;
  for (const uint64_t keys : {100, 10'000, 100'000, 1'000'000, 10'000'000}) {
    const Batches integers = MakeBatches<arrow::Int64Builder>(
        rows, keys, [](uint64_t key) { return static_cast<int64_t>(key * 1000); });
    agree = Compare("int64", keys, rows, integers, NumberIntegersByMap) && agree;
    const Batches texts = MakeBatches<arrow::StringBuilder>(
        rows, keys, [](uint64_t key) { return fmt::format("id{:010}", key); });
    agree = Compare("text", keys, rows, texts, NumberTextsByMap) && agree;
  }
  if (!agree) fmt::print(stderr, "the numbers of keys differ\n");
  return agree ? 0 : 1;
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  return headrace::Run(argc > 1 ? std::atoll(argv[1]) : int64_t{5'000'000});
}
