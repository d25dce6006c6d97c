// A slot holds the states of a run; of a partition the slot and the value of its open run are kept
// side by side.
#include "headrace/exec/op/aggregate/open_runs.h"

#include <algorithm>

#include "headrace/base/limits.h"

namespace headrace {
namespace {

// Partitions, then states, are fetched so many rows before they are read.
constexpr size_t kRunsAhead = 16;
constexpr size_t kStatesAhead = 8;
// States are asked what they own when they may own so much more, or twice as much.
constexpr int64_t kExtraBytesMin = int64_t{1} << 20;
constexpr int64_t kExtraBytesPerSlot = 64;

}  // namespace

OpenRuns::OpenRuns(AggregateTermsPtr terms, arrow::MemoryPool* pool)
    : terms_(std::move(terms)),
      contexts_(terms_->ContextsOf(pool)),
      blocks_(std::max<size_t>(terms_->row_size(), 1), terms_->row_align()) {}

OpenRuns::~OpenRuns() {
  EndAll();
  for (auto i = static_cast<size_t>(next_ended_); i < ended_.size(); ++i) {
    terms_->Destroy(StateOf(ended_[i].run));
  }
}

Status OpenRuns::Add(const Batch& rows, const std::vector<uint32_t>& partitions,
                     int64_t num_partitions, const EncodedKeys& run) {
  if (static_cast<size_t>(num_partitions) > runs_.size()) {
    runs_.resize(static_cast<size_t>(num_partitions));
  }
  FindStates(partitions, run);
  arrow::MemoryPool* const pool = contexts_.empty() ? nullptr : contexts_[0].pool;
  ARROW_ASSIGN_OR_RAISE(const auto arguments, terms_->ArgumentsOf(rows, pool));
  for (size_t i = 0; i < contexts_.size(); ++i) {
    const AggregateCall& call = terms_->calls()[i];
    ARROW_RETURN_NOT_OK(call.kernel->add(contexts_[i], state_of_row_.data(), call.offset,
                                         {arguments[i], rows.num_rows(), {0, num_rows_}}));
  }
  num_rows_ += rows.num_rows();
  CountExtra(rows);
  return Status::OK();
}

void OpenRuns::FindStates(const std::vector<uint32_t>& partitions, const EncodedKeys& run) {
  const size_t rows = partitions.size();
  state_of_row_.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    if (row + kRunsAhead < rows) __builtin_prefetch(&runs_[partitions[row + kRunsAhead]]);
    if (row + kStatesAhead < rows) {
      const Run& ahead = runs_[partitions[row + kStatesAhead]];
      if (ahead.slot != kNoSlot) __builtin_prefetch(StateOf(ahead));
    }
    Run& open = runs_[partitions[row]];
    const bool goes_on =
        open.value == run.values[row] && open.null == run.nulls[row] && open.slot != kNoSlot;
    if (!goes_on) {
      if (open.slot != kNoSlot) ended_.push_back({partitions[row], open});
      open = {run.values[row], NewSlot(), run.nulls[row]};
    }
    state_of_row_[row] = StateOf(open);
  }
}

uint32_t OpenRuns::NewSlot() {
  uint32_t slot = num_slots_;
  if (free_.empty()) {
    blocks_.MakeRoomFor(num_slots_++);
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  terms_->Init(blocks_[slot]);
  return slot;
}

void OpenRuns::EndAll() {
  for (size_t partition = 0; partition < runs_.size(); ++partition) {
    if (runs_[partition].slot == kNoSlot) continue;
    ended_.push_back({static_cast<uint32_t>(partition), runs_[partition]});
    runs_[partition] = Run();
  }
}

Result<OpenRuns::Ended> OpenRuns::TakeEnded(int64_t count) {
  const int64_t end = next_ended_ + std::min(count, num_ended());
  Ended taken;
  taken.run.is_fixed = true;
  std::vector<std::byte*> states;
  for (int64_t i = next_ended_; i < end; ++i) {
    const EndedRun& ended = ended_[static_cast<size_t>(i)];
    taken.partitions.push_back(ended.partition);
    taken.run.values.push_back(ended.run.value);
    taken.run.nulls.push_back(ended.run.null);
    states.push_back(StateOf(ended.run));
  }
  taken.run.num_rows = end - next_ended_;
  ARROW_ASSIGN_OR_RAISE(taken.results, FinishStates(*terms_, states, contexts_));
  for (int64_t i = next_ended_; i < end; ++i) {
    const Run& run = ended_[static_cast<size_t>(i)].run;
    if (terms_->has_destroy()) terms_->Destroy(StateOf(run));
    free_.push_back(run.slot);
  }
  next_ended_ = end;
  if (next_ended_ >= num_ended()) {
    ended_.erase(ended_.begin(), ended_.begin() + next_ended_);
    next_ended_ = 0;
  }
  return taken;
}

int64_t OpenRuns::bytes() const {
  const size_t lists = runs_.capacity() * sizeof(Run) + ended_.capacity() * sizeof(EndedRun) +
                       free_.capacity() * sizeof(uint32_t);
  return blocks_.bytes() + static_cast<int64_t>(lists) + extra_bytes_;
}

// Of each list: twice what it will have, as vectors grow.
int64_t OpenRuns::BytesToAdd(const Batch& rows, int64_t num_partitions) const {
  const int64_t slots = int64_t{num_slots_} - static_cast<int64_t>(free_.size()) + rows.num_rows();
  const auto partitions = std::max(static_cast<int64_t>(runs_.capacity()), 2 * num_partitions);
  const auto ended = std::max(static_cast<int64_t>(ended_.capacity()),
                              2 * (static_cast<int64_t>(ended_.size()) + rows.num_rows()));
  const int64_t lists =
      partitions * static_cast<int64_t>(sizeof(Run)) +
      ended * static_cast<int64_t>(sizeof(EndedRun)) +
      2 * std::max(slots, int64_t{num_slots_}) * static_cast<int64_t>(sizeof(uint32_t));
  return blocks_.BytesFor(std::max(slots, blocks_.capacity())) + lists + extra_bytes_ +
         ExtraBytesToAdd(rows);
}

int64_t OpenRuns::ExtraBytesToAdd(const Batch& rows) const {
  int64_t bytes = 0;
  for (const AggregateCall& call : terms_->calls()) {
    for (const int column : call.columns) {
      if (column < 0 || call.kernel->bytes == nullptr) continue;
      bytes += Batch({rows.column(column)}, rows.num_rows()).num_bytes();
    }
  }
  return bytes;
}

void OpenRuns::CountExtra(const Batch& rows) {
  if (!terms_->has_extra()) return;
  extra_bytes_ += ExtraBytesToAdd(rows);
  if (extra_bytes_ < 2 * counted_bytes_ + kExtraBytesMin + kExtraBytesPerSlot * num_slots_) return;
  extra_bytes_ = 0;
  for (const Run& run : runs_) {
    if (run.slot != kNoSlot) extra_bytes_ += terms_->ExtraBytesOf(StateOf(run));
  }
  for (auto i = static_cast<size_t>(next_ended_); i < ended_.size(); ++i) {
    extra_bytes_ += terms_->ExtraBytesOf(StateOf(ended_[i].run));
  }
  counted_bytes_ = extra_bytes_;
}

}  // namespace headrace
