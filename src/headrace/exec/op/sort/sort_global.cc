// The window is the memory for blocks of spilled runs, reserved once for all lanes: each lane holds
// of every run the block it reads and the one before it, leaves one behind for its neighbour, and
// has the bytes of the next one read.
#include "headrace/exec/op/sort/sort_global.h"

#include <algorithm>

namespace headrace {
namespace {

// Rows that a lane puts in order at a time: lanes may run ahead by what a channel holds.
constexpr int64_t kPartBytesMin = int64_t{64} << 10;
constexpr int64_t kPartBytesMax = int64_t{2} << 20;
constexpr int64_t kPartsPerBudget = 256;
constexpr int64_t kSortPartsMax = 16384;
constexpr int64_t kBlocksPerLane = 4;
constexpr int64_t kBlocksAlone = 2;
// The window may take this part of the limit: two sorts may be read side by side, and what follows
// them wants some too.
constexpr int64_t kWindowFraction = 4;
// This part of it is left free by a merge of more runs than these.
constexpr int64_t kRoomFraction = 4;
constexpr size_t kRunsInAnyRoom = 4;

int64_t PartsOf(int64_t bytes, const MemoryBudget& budget) {
  const int64_t part_bytes =
      std::clamp(budget.limit_bytes() / kPartsPerBudget, kPartBytesMin, kPartBytesMax);
  return std::clamp<int64_t>(bytes / part_bytes, 1, kSortPartsMax);
}

}  // namespace

Status SortGlobal::Absorb(SortStore&& store, const OperatorContext& context) {
  std::lock_guard lock(mutex_);
  if (!store_.has_value()) store_.emplace(store.terms());
  ARROW_RETURN_NOT_OK(store.StopWriting());
  store_->Absorb(std::move(store));
  context_ = context;
  return Status::OK();
}

Status SortGlobal::Seal(const OperatorContext& context) {
  std::lock_guard lock(mutex_);
  if (!store_.has_value()) {
    ARROW_ASSIGN_OR_RAISE(SortKeyEncoder encoder, SortKeyEncoder::Make(*schema_, keys_));
    store_.emplace(SortTerms{schema_, std::make_shared<SortKeyEncoder>(std::move(encoder))});
  }
  ARROW_RETURN_NOT_OK(store_->StopWriting());
  terms_ = store_->terms();
  int64_t parts = PartsOf(store_->bytes(), *context.budget);
  const int64_t least_window = 2 * kBlocksPerLane * context.lanes * store_->block_bytes_max();
  if (least_window > context.budget->limit_bytes() / kWindowFraction) parts = 1;
  const auto whole_bytes = [this](std::string_view key) {
    return terms_->encoder->BytesOfKeys(key, whole_keys_);
  };
  parts_.emplace(store_->TakeMemory(), store_->TakeSpilled(), parts,
                 whole_keys_ == 0 ? SortParts::WholeBytes() : whole_bytes);
  num_parts_ = parts_->num_parts();
  num_groups_ = parts_->num_groups();
  store_.reset();
  return Status::OK();
}

Result<int64_t> SortGlobal::Reclaim(int64_t bytes) {
  std::lock_guard lock(mutex_);
  if (store_.has_value()) return store_->Reclaim(bytes, *context_);
  if (!parts_.has_value()) return 0;
  std::vector<MemoryRun> tails = parts_->CutBack(bytes);
  if (tails.empty()) return 0;
  ARROW_ASSIGN_OR_RAISE(auto writer, SpillRuns(std::move(tails), *terms_, *context_));
  ARROW_RETURN_NOT_OK(writer->WriteAll());
  parts_->spilled().push_back(writer->TakeRun());
  return std::max<int64_t>(1, writer->released_bytes());
}

// -- Before parts are read

void SortGlobal::OrderRuns() {
  std::stable_sort(
      parts_->spilled().begin(), parts_->spilled().end(),
      [](const auto& left, const auto& right) { return left->num_rows() < right->num_rows(); });
}

// What a merge of the shortest runs by one lane reads into.
int64_t SortGlobal::BufferBytes(size_t runs) const {
  int64_t bytes = 0;
  for (size_t i = 0; i < runs; ++i) bytes += kBlocksAlone * parts_->spilled()[i]->block_bytes_max();
  return bytes;
}

// With room for one run more: rows in memory may be spilled later.
int64_t SortGlobal::WindowBytes(const OperatorContext& context, size_t runs) const {
  int64_t bytes = 0;
  int64_t most = 0;
  for (size_t i = 0; i < runs; ++i) {
    const int64_t block = parts_->spilled()[i]->block_bytes_max();
    bytes += block;
    most = std::max(most, block);
  }
  if (parts_->has_memory()) bytes += most;
  return bytes * (num_parts_ > 1 ? kBlocksPerLane * context.lanes : kBlocksAlone);
}

size_t SortGlobal::RunsInWindow(const OperatorContext& context) const {
  const int64_t bytes_max = context.budget->limit_bytes() / kWindowFraction;
  size_t runs = std::min<size_t>(parts_->spilled().size(), kMergeFanInMax);
  while (runs > 2 && WindowBytes(context, runs) > bytes_max) --runs;
  return runs;
}

// A window for many runs leaves room for the operators behind the sort, which cannot take it.
bool SortGlobal::ReserveWindow(const OperatorContext& context) {
  const size_t runs = parts_->spilled().size();
  const int64_t bytes = WindowBytes(context, runs);
  if (runs > kRunsInAnyRoom) {
    Reservation room(context.budget);
    if (!room.TryResize(bytes + context.budget->limit_bytes() / kRoomFraction)) return false;
  }
  window_ = Reservation(context.budget);
  return window_.TryResize(bytes);
}

Result<Flow> SortGlobal::SetReady() {
  is_ready_ = true;
  for (const Waker& waker : waiting_) waker.Wake();
  waiting_.clear();
  return Flow::NeedInput();
}

Result<Flow> SortGlobal::SpillForWindow(const OperatorContext& context, SortPass* pass) {
  const int64_t wanted = num_parts_ == 1 ? INT64_MAX
                                         : WindowBytes(context, parts_->spilled().size()) +
                                               context.budget->limit_bytes() / kRoomFraction;
  ARROW_ASSIGN_OR_RAISE(pass->writer, SpillRuns(parts_->CutBack(wanted), *terms_, context));
  ++passes_;
  return Flow::MoreOutput();
}

// Merges the shortest runs, at most `runs_max`, and fewer when there is no memory for so many.
Result<Flow> SortGlobal::MergeSome(const OperatorContext& context, size_t runs_max,
                                   SortPass* pass) {
  std::vector<SpilledRunPtr>& spilled = parts_->spilled();
  pass->buffers = Reservation(context.budget);
  for (size_t count = std::min(runs_max, spilled.size()); count >= 2; --count) {
    if (!pass->buffers.TryResize(BufferBytes(count))) continue;
    SortMerger merger(*terms_, SortMerger::Places::kGiven, context.pool);
    for (size_t i = 0; i < count; ++i) ARROW_RETURN_NOT_OK(merger.Add(SpilledRange{spilled[i]}));
    spilled.erase(spilled.begin(), spilled.begin() + static_cast<std::ptrdiff_t>(count));
    Count(context.metrics, &OperatorMetrics::passes);
    ARROW_ASSIGN_OR_RAISE(pass->writer, RunWriter::Make(context, *terms_, std::move(merger)));
    ++passes_;
    return Flow::MoreOutput();
  }
  if (passes_ == 0) {
    return Flow::NeedMemory(WindowBytes(context, std::min<size_t>(2, spilled.size())));
  }
  waiting_.push_back(context.waker);
  return Flow::Blocked();
}

Result<Flow> SortGlobal::Prepare(const OperatorContext& context, SortPass* pass) {
  std::lock_guard lock(mutex_);
  if (is_ready_) return Flow::NeedInput();
  OrderRuns();
  const size_t runs = parts_->spilled().size();
  if (runs == 0 && passes_ == 0) return SetReady();
  const bool spills_all = num_parts_ == 1 && parts_->has_memory();
  if (spills_all) return SpillForWindow(context, pass);
  const size_t fan_in = RunsInWindow(context);
  const size_t excess = runs + static_cast<size_t>(passes_) - std::min(runs, fan_in);
  if (passes_ == 0 && runs <= fan_in) {
    if (ReserveWindow(context)) return SetReady();
    if (parts_->has_memory()) return SpillForWindow(context, pass);
    return MergeSome(context, runs > 2 ? runs / 2 : 2, pass);
  }
  if (runs > fan_in) {
    const auto lanes_free = static_cast<size_t>(std::max(1, context.lanes - passes_));
    const size_t share = (excess + lanes_free - 1) / lanes_free;
    return MergeSome(context, std::min<size_t>(share + 1, kMergeFanInMax), pass);
  }
  waiting_.push_back(context.waker);
  return Flow::Blocked();
}

void SortGlobal::EndPass(SortPass pass) {
  std::lock_guard lock(mutex_);
  parts_->spilled().push_back(pass.writer->TakeRun());
  --passes_;
  for (const Waker& waker : waiting_) waker.Wake();
  waiting_.clear();
}

// -- While parts are read

PartRange SortGlobal::PartsOfGroup(int64_t group) {
  std::lock_guard lock(mutex_);
  return parts_->PartsOf(group);
}

SortPart SortGlobal::Take(int64_t part) {
  std::lock_guard lock(mutex_);
  return parts_->Take(part);
}

void SortGlobal::EndGroup() {
  std::lock_guard lock(mutex_);
  if (++groups_ended_ < num_groups_) return;
  parts_.reset();
  window_.Clear();
}

}  // namespace headrace
