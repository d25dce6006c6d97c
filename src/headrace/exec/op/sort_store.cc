// Runs go to disk by merging all that is in memory, a block at a time, so that memory is freed as
// it goes and no step is long.
#include "headrace/exec/op/sort_store.h"

#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"

namespace headrace {
namespace {

constexpr int64_t kBlockBytesMin = int64_t{16} << 10;
constexpr int64_t kBlockBytesMax = int64_t{256} << 10;
constexpr int64_t kBlocksPerBudget = 256;
// Freeing less at a time would not be worth the calls.
constexpr int64_t kReclaimBlocksMin = 4;
// A part that a lane puts in order at a time.
constexpr int64_t kPartBytesMin = int64_t{64} << 10;
constexpr int64_t kPartBytesMax = int64_t{2} << 20;
constexpr int64_t kPartsPerBudget = 256;
constexpr int64_t kSortPartsMax = 1024;

// The positions at the ends of keys, as two columns.
Result<std::vector<ArrayPtr>> PositionColumns(const SortKeys& keys, arrow::MemoryPool* pool) {
  arrow::Int64Builder splits(pool);
  arrow::Int64Builder rows(pool);
  ARROW_RETURN_NOT_OK(splits.Reserve(keys.num_rows));
  ARROW_RETURN_NOT_OK(rows.Reserve(keys.num_rows));
  for (int64_t i = 0; i < keys.num_rows; ++i) {
    const RowPosition position = SortKeyEncoder::PositionOf(keys[i]);
    splits.UnsafeAppend(position.split);
    rows.UnsafeAppend(position.row);
  }
  std::vector<ArrayPtr> columns(2);
  ARROW_RETURN_NOT_OK(splits.Finish(&columns[0]));
  ARROW_RETURN_NOT_OK(rows.Finish(&columns[1]));
  return columns;
}

}  // namespace

int64_t SortBlockBytes(const MemoryBudget& budget) {
  return std::clamp(budget.limit_bytes() / kBlocksPerBudget, kBlockBytesMin, kBlockBytesMax);
}

Result<std::unique_ptr<RunWriter>> RunWriter::Make(const OperatorContext& context,
                                                   const SortTerms& terms, SortMerger merger) {
  std::unique_ptr<RunWriter> writer(
      new RunWriter(terms, std::move(merger), SortBlockBytes(*context.budget), context.pool));
  ARROW_ASSIGN_OR_RAISE(writer->run_.file, SpillFile::Make(context, "sort"));
  return writer;
}

RunWriter::RunWriter(const SortTerms& terms, SortMerger merger, int64_t block_bytes,
                     arrow::MemoryPool* pool)
    : schema_(SpilledRunSchema(*terms.schema)),
      merger_(std::move(merger)),
      block_bytes_(block_bytes),
      pool_(pool) {}

Status RunWriter::WriteBlock(const SortedBlock& block) {
  std::vector<ArrayPtr> columns = block.columns;
  ARROW_ASSIGN_OR_RAISE(auto positions, PositionColumns(block.keys, pool_));
  columns.insert(columns.end(), positions.begin(), positions.end());
  const auto batch = arrow::RecordBatch::Make(schema_, block.num_rows, std::move(columns));
  ARROW_RETURN_NOT_OK(run_.file->Write(0, *batch));
  run_.block_bytes_max = std::max(run_.block_bytes_max, block.bytes);
  run_.num_rows += block.num_rows;
  return Status::OK();
}

Result<bool> RunWriter::Step() {
  ARROW_ASSIGN_OR_RAISE(const SortedBlock block, merger_.Next(kBatchRowsMax, block_bytes_));
  if (block.num_rows > 0) {
    ARROW_RETURN_NOT_OK(WriteBlock(block));
    return true;
  }
  ARROW_RETURN_NOT_OK(run_.file->Seal());
  return false;
}

void SortStore::Absorb(SortStore&& other) {
  std::move(other.memory_.begin(), other.memory_.end(), std::back_inserter(memory_));
  std::move(other.spilled_.begin(), other.spilled_.end(), std::back_inserter(spilled_));
  std::move(other.writers_.begin(), other.writers_.end(), std::back_inserter(writers_));
  other.memory_.clear();  // `other` may still be asked for memory: it has nothing
  other.spilled_.clear();
  other.writers_.clear();
}

int64_t SortStore::memory_bytes() const {
  int64_t bytes = 0;
  for (const MemoryRun& run : memory_) {
    for (const SortedBlockPtr& block : run.blocks) bytes += block->bytes;
  }
  return bytes;
}

Result<int64_t> SortStore::Reclaim(int64_t bytes, const OperatorContext& context) {
  const int64_t wanted = std::max(bytes, kReclaimBlocksMin * SortBlockBytes(*context.budget));
  int64_t freed = 0;
  while (freed < wanted && (is_writing() || has_memory())) {
    if (!is_writing()) {
      SortMerger merger(terms_.schema, terms_.encoder, context.pool);
      for (MemoryRun& run : TakeMemory()) ARROW_RETURN_NOT_OK(merger.Add(std::move(run)));
      ARROW_ASSIGN_OR_RAISE(auto writer, RunWriter::Make(context, terms_, std::move(merger)));
      writers_.push_back(std::move(writer));
    }
    const int64_t before = writers_.back()->released_bytes();
    ARROW_ASSIGN_OR_RAISE(const bool more, writers_.back()->Step());
    freed += writers_.back()->released_bytes() - before;
    if (more) continue;
    spilled_.push_back(writers_.back()->TakeRun());
    writers_.pop_back();
  }
  return freed;
}

Status SortStore::WriteStep() {
  ARROW_ASSIGN_OR_RAISE(const bool more, writers_.back()->Step());
  if (more) return Status::OK();
  spilled_.push_back(writers_.back()->TakeRun());
  writers_.pop_back();
  return Status::OK();
}

const std::vector<SpilledRun>& SortStore::OrderedSpilled() {
  std::stable_sort(spilled_.begin(), spilled_.end(), [](const auto& left, const auto& right) {
    return left.num_rows < right.num_rows;
  });
  return spilled_;
}

Result<std::unique_ptr<RunWriter>> SortStore::MergeShortest(size_t count, Reservation buffers,
                                                            const OperatorContext& context) {
  OrderedSpilled();
  SortMerger merger(terms_.schema, terms_.encoder, context.pool);
  for (size_t i = 0; i < count; ++i) {
    const int64_t bytes = spilled_[i].merge_bytes();
    ARROW_RETURN_NOT_OK(merger.Add(std::move(spilled_[i]), buffers.Split(bytes)));
  }
  spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<std::ptrdiff_t>(count));
  return RunWriter::Make(context, terms_, std::move(merger));
}

Status SortGlobal::Absorb(SortStore&& store, const OperatorContext& context) {
  std::lock_guard lock(mutex_);
  if (!store_.has_value()) store_.emplace(store.terms());
  store_->Absorb(std::move(store));
  context_ = context;
  return Status::OK();
}

Status SortGlobal::Seal(const OperatorContext& context) {
  std::lock_guard lock(mutex_);
  if (!store_.has_value()) {
    ARROW_ASSIGN_OR_RAISE(SortKeyEncoder encoder, SortKeyEncoder::Make(*schema_, keys_));
    store_.emplace(SortTerms{schema_, std::move(encoder)});
  }
  if (store_->has_spilled() || store_->is_writing()) return Status::OK();
  const int64_t part_bytes =
      std::clamp(context.budget->limit_bytes() / kPartsPerBudget, kPartBytesMin, kPartBytesMax);
  const int64_t parts = std::min(store_->memory_bytes() / part_bytes, kSortPartsMax);
  if (parts < 2) return Status::OK();
  parts_.emplace(store_->TakeMemory(), parts);
  num_parts_ = parts_->num_parts();
  store_part_ = num_parts_;
  return Status::OK();
}

Result<SortGlobal::Part> SortGlobal::Take(int64_t part) {
  std::lock_guard lock(mutex_);
  Part taken;
  if (part < store_part_) {
    taken.slices = parts_->Take(part);
  } else if (part == store_part_) {
    taken.store = std::exchange(store_, std::nullopt);
  }
  return taken;
}

// Parts that nobody has begun become one that is read from disk.
Result<int64_t> SortGlobal::Reclaim(int64_t bytes) {
  std::lock_guard lock(mutex_);
  if (!store_.has_value()) return 0;
  if (parts_.has_value() && parts_->first_whole() < store_part_) {
    store_part_ = parts_->first_whole();
    for (MemoryRun& run : parts_->TakeWhole()) {
      if (!run.blocks.empty()) store_->AddMemory(std::move(run));
    }
  }
  return store_->Reclaim(bytes, *context_);
}

}  // namespace headrace
