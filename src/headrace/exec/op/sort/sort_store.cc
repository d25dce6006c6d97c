// Runs go to disk by merging all that is in memory, a block at a time, so that memory is freed as
// it goes and no step is long.
#include "headrace/exec/op/sort/sort_store.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "headrace/base/check.h"

namespace headrace {
namespace {

constexpr int64_t kBlockBytesMin = int64_t{16} << 10;
constexpr int64_t kBlockBytesMax = int64_t{256} << 10;
constexpr int64_t kBlocksPerBudget = 256;
// Freeing less at a time would not be worth the calls.
constexpr int64_t kReclaimBlocksMin = 4;

}  // namespace

int64_t SortBlockBytes(const MemoryBudget& budget) {
  return std::clamp(budget.limit_bytes() / kBlocksPerBudget, kBlockBytesMin, kBlockBytesMax);
}

Result<std::unique_ptr<RunWriter>> RunWriter::Make(const OperatorContext& context,
                                                   const SortTerms& terms, SortMerger merger) {
  ARROW_ASSIGN_OR_RAISE(auto run, SpilledRun::Make(context, terms));
  return std::unique_ptr<RunWriter>(
      new RunWriter(std::move(run), std::move(merger), SortBlockBytes(*context.budget)));
}

Result<bool> RunWriter::Step() {
  ARROW_ASSIGN_OR_RAISE(const MergedRows rows, merger_.Next(kBatchRowsMax, block_bytes_));
  if (rows.num_rows > 0) {
    ARROW_RETURN_NOT_OK(run_->Write(rows.columns, rows.num_rows, rows.bytes, rows.first_key));
    return true;
  }
  ARROW_RETURN_NOT_OK(run_->Seal());
  return false;
}

Status RunWriter::WriteAll() {
  bool more = true;
  while (more) {
    ARROW_ASSIGN_OR_RAISE(more, Step());
  }
  return Status::OK();
}

Result<std::vector<MemoryRun>> RunWriter::Stop() {
  ARROW_RETURN_NOT_OK(run_->Seal());
  return merger_.TakeMemory();
}

Result<std::unique_ptr<RunWriter>> SpillRuns(std::vector<MemoryRun> runs, const SortTerms& terms,
                                             const OperatorContext& context) {
  SortMerger merger(terms, SortMerger::Places::kGiven, context.pool);
  for (MemoryRun& run : runs) ARROW_RETURN_NOT_OK(merger.Add(std::move(run)));
  return RunWriter::Make(context, terms, std::move(merger));
}

void SortStore::Absorb(SortStore&& other) {
  HEADRACE_CHECK(other.writer_ == nullptr, "a run that is not whole was handed over");
  std::move(other.memory_.begin(), other.memory_.end(), std::back_inserter(memory_));
  std::move(other.spilled_.begin(), other.spilled_.end(), std::back_inserter(spilled_));
  other.memory_.clear();  // `other` may still be asked for memory: it has nothing
  other.spilled_.clear();
}

int64_t SortStore::bytes() const {
  int64_t bytes = 0;
  for (const MemoryRun& run : memory_) {
    for (const BlockSlice& slice : run) bytes += slice.block->bytes;
  }
  for (const SpilledRunPtr& run : spilled_) bytes += run->bytes();
  return bytes;
}

int64_t SortStore::block_bytes_max() const {
  int64_t bytes = 0;
  for (const SpilledRunPtr& run : spilled_) bytes = std::max(bytes, run->block_bytes_max());
  return bytes;
}

Result<int64_t> SortStore::Reclaim(int64_t bytes, const OperatorContext& context) {
  const int64_t wanted = std::max(bytes, kReclaimBlocksMin * SortBlockBytes(*context.budget));
  int64_t freed = 0;
  while (freed < wanted && (writer_ != nullptr || !memory_.empty())) {
    if (writer_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(writer_, SpillRuns(TakeMemory(), terms_, context));
    }
    const int64_t before = writer_->released_bytes();
    ARROW_ASSIGN_OR_RAISE(const bool more, writer_->Step());
    freed += writer_->released_bytes() - before;
    if (more) continue;
    spilled_.push_back(writer_->TakeRun());
    writer_.reset();
  }
  return freed;
}

int64_t SortStore::DropAbove(std::string_view bound) {
  const std::string end = std::string(bound) + '\0';  // the next key that there can be
  int64_t freed = 0;
  for (MemoryRun& run : memory_) {
    while (!run.empty()) {
      BlockSlice& last = run.back();
      const int64_t bytes = last.bytes();
      if (last.last_key() <= bound) break;
      last.CutTo({"", end});
      if (last.num_rows() > 0) break;
      freed += bytes;
      run.pop_back();
    }
  }
  std::erase_if(memory_, [](const MemoryRun& run) { return run.empty(); });
  return freed;
}

Status SortStore::StopWriting() {
  if (writer_ == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(std::vector<MemoryRun> left, writer_->Stop());
  std::move(left.begin(), left.end(), std::back_inserter(memory_));
  spilled_.push_back(writer_->TakeRun());
  writer_.reset();
  return Status::OK();
}

}  // namespace headrace
