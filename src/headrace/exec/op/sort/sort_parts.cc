// Cutting goes from the fronts of the runs in memory, so a block is free when the last part in it
// is; what is wanted back goes from their backs, where it is needed last.
#include "headrace/exec/op/sort/sort_parts.h"

#include <algorithm>
#include <utility>

namespace headrace {
namespace {

// A key that stands for as many rows.
using KeySample = std::pair<std::string_view, int64_t>;

void AddSamples(const MemoryRun& run, std::vector<KeySample>* samples) {
  for (const BlockSlice& slice : run) samples->emplace_back(slice.first_key(), slice.num_rows());
}

void AddSamples(const SpilledRun& run, std::vector<KeySample>* samples) {
  for (size_t block = 0; block < run.num_blocks(); ++block) {
    samples->emplace_back(run.first_keys()[block], run.rows_of(block));
  }
}

}  // namespace

SortParts::SortParts(std::vector<MemoryRun> memory, std::vector<SpilledRunPtr> spilled,
                     int64_t num_parts, const WholeBytes& whole)
    : memory_(std::move(memory)), spilled_(std::move(spilled)) {
  if (num_parts > 1) Sample(num_parts, whole);
  end_cut_ = this->num_parts();
}

// A group begins where a value of its keys does; within one, where there are many rows of it.
void SortParts::Split(std::string_view key, const WholeBytes& whole) {
  const std::string_view start = whole == nullptr ? key : key.substr(0, whole(key));
  const std::string_view last = splitters_.empty() ? std::string_view() : splitters_.back();
  if (last < start) groups_.push_back(num_parts());
  splitters_.emplace_back(last < start ? start : key);
}

PartRange SortParts::PartsOf(int64_t group) const {
  const auto index = static_cast<size_t>(group);
  return {groups_[index], index + 1 < groups_.size() ? groups_[index + 1] : num_parts()};
}

void SortParts::Sample(int64_t num_parts, const WholeBytes& whole) {
  std::vector<KeySample> samples;
  for (const MemoryRun& run : memory_) AddSamples(run, &samples);
  for (const SpilledRunPtr& run : spilled_) AddSamples(*run, &samples);
  if (!spilled_.empty()) {
    for (auto& sample : samples) sample.first = KeyStarts::StartOf(sample.first);
  }
  std::sort(samples.begin(), samples.end());
  int64_t rows = 0;
  for (const auto& sample : samples) rows += sample.second;
  int64_t seen = 0;
  int64_t part = 1;
  for (const auto& [key, weight] : samples) {
    const bool is_new = splitters_.empty() ? !key.empty() : splitters_.back() < key;
    if (seen >= part * (rows / num_parts) && is_new && part < num_parts) {
      Split(key, whole);
      part = seen / std::max<int64_t>(1, rows / num_parts) + 1;
    }
    seen += weight;
  }
}

KeyRange SortParts::RangeOf(int64_t part) const {
  KeyRange range;
  if (part > 0) range.begin = splitters_[static_cast<size_t>(part - 1)];
  if (part < num_parts() - 1) range.end = splitters_[static_cast<size_t>(part)];
  return range;
}

void SortParts::CutNext() {
  std::vector<MemoryRun> cut;
  const std::string_view end = RangeOf(next_cut_).end;
  for (MemoryRun& run : memory_) {
    if (run.empty() || (!end.empty() && run.front().first_key() >= end)) continue;
    MemoryRun slices;
    while (!run.empty()) {
      BlockSlice& front = run.front();
      const int64_t row =
          end.empty() ? front.end : LowerBound(*front.block, front.begin, front.end, end);
      if (row > front.begin) slices.push_back({front.block, front.begin, row});
      front.begin = row;
      if (row < front.end) break;
      run.pop_front();
    }
    if (!slices.empty()) cut.push_back(std::move(slices));
  }
  cut_.emplace(next_cut_++, std::move(cut));
}

SortPart SortParts::Take(int64_t part) {
  while (next_cut_ <= part) CutNext();
  SortPart taken;
  if (auto node = cut_.extract(part); !node.empty()) taken.memory = std::move(node.mapped());
  for (const SpilledRunPtr& run : spilled_) {
    SpilledRange range{run, RangeOf(part), num_parts() > 1 ? &splitters_ : nullptr};
    const auto [first, last] = run->BlocksOf(range.range);
    if (first < last) taken.spilled.push_back(std::move(range));
  }
  return taken;
}

bool SortParts::has_memory() const {
  return std::any_of(memory_.begin(), memory_.end(), [](const auto& run) { return !run.empty(); });
}

// Moves the rows from `begin` on to the front of `tail`; gives their bytes.
int64_t SortParts::CutTail(MemoryRun& run, std::string_view begin, MemoryRun* tail) {
  int64_t bytes = 0;
  while (!run.empty()) {
    BlockSlice& back = run.back();
    const int64_t row =
        begin.empty() ? back.begin : LowerBound(*back.block, back.begin, back.end, begin);
    if (row == back.end) break;
    tail->push_front({back.block, row, back.end});
    bytes += tail->front().bytes();
    back.end = row;
    if (back.num_rows() > 0) break;
    run.pop_back();
  }
  return bytes;
}

std::vector<MemoryRun> SortParts::CutBack(int64_t bytes) {
  std::vector<MemoryRun> tails(memory_.size());
  int64_t cut = 0;
  while (cut < bytes && end_cut_ > next_cut_) {
    const std::string_view begin = RangeOf(--end_cut_).begin;
    for (size_t i = 0; i < memory_.size(); ++i) cut += CutTail(memory_[i], begin, &tails[i]);
  }
  std::erase_if(tails, [](const MemoryRun& run) { return run.empty(); });
  return tails;
}

}  // namespace headrace
