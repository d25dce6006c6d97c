// Cutting goes from the fronts of the runs, so a block is free when the last part in it is.
#include "headrace/exec/op/sort_parts.h"

#include <algorithm>
#include <utility>

namespace headrace {
namespace {

constexpr int64_t kSamplesPerPart = 16;

int64_t RowsOf(const std::vector<MemoryRun>& runs) {
  int64_t rows = 0;
  for (const MemoryRun& run : runs) {
    for (const SortedBlockPtr& block : run.blocks) rows += block->num_rows;
  }
  return rows;
}

// The first row of [begin, num_rows) whose key is not below `key`.
int64_t LowerBound(const SortedBlock& block, int64_t begin, std::string_view key) {
  int64_t end = block.num_rows;
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (block.keys[middle] < key) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

}  // namespace

SortParts::SortParts(std::vector<MemoryRun> runs, int64_t num_parts) : runs_(std::move(runs)) {
  Sample(num_parts);
}

void SortParts::Sample(int64_t num_parts) {
  const int64_t step = std::max<int64_t>(1, RowsOf(runs_) / (num_parts * kSamplesPerPart));
  std::vector<std::string_view> samples;
  int64_t skip = step / 2;
  for (const MemoryRun& run : runs_) {
    for (const SortedBlockPtr& block : run.blocks) {
      for (; skip < block->num_rows; skip += step) samples.push_back(block->keys[skip]);
      skip -= block->num_rows;
    }
  }
  std::sort(samples.begin(), samples.end());
  const auto parts = static_cast<size_t>(num_parts);
  for (size_t part = 1; part < parts && !samples.empty(); ++part) {
    splitters_.emplace_back(samples[part * samples.size() / parts]);
  }
}

void SortParts::CutNext() {
  std::vector<BlockSlice> slices;
  const bool is_last = next_cut_ == num_parts() - 1;
  for (MemoryRun& run : runs_) {
    while (!run.blocks.empty()) {
      const SortedBlockPtr& block = run.blocks.front();
      const int64_t end =
          is_last ? block->num_rows
                  : LowerBound(*block, run.first_row, splitters_[static_cast<size_t>(next_cut_)]);
      if (end > run.first_row) slices.push_back({block, run.first_row, end});
      run.first_row = end;
      if (end < block->num_rows) break;
      run.blocks.pop_front();
      run.first_row = 0;
    }
  }
  cut_.emplace(next_cut_++, std::move(slices));
}

std::vector<BlockSlice> SortParts::Take(int64_t part) {
  while (next_cut_ <= part) CutNext();
  auto node = cut_.extract(part);
  return node.empty() ? std::vector<BlockSlice>() : std::move(node.mapped());
}

}  // namespace headrace
