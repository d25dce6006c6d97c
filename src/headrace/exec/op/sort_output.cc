// Output side of the sort: puts the rows of a part in order when they are in memory; else it brings
// the runs down to what one merge can read, and merges them.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "headrace/exec/op/sort.h"
#include "headrace/exec/op/sort_store.h"

namespace headrace {
namespace {

// This part of the limit is left free by a merge of more runs than these.
constexpr int64_t kRoomFraction = 4;
constexpr size_t kRunsInAnyRoom = 4;

class SortOutput final : public Operator {
 public:
  SortOutput(const SortOutputSpec& spec, std::shared_ptr<GlobalState> global)
      : schema_(spec.schema), global_(std::static_pointer_cast<SortGlobal>(std::move(global))) {}

  Result<Flow> Push(int, Batch& part, Out& out) override {
    if (!is_started_) ARROW_RETURN_NOT_OK(Start(part.ordinal().split));
    ARROW_ASSIGN_OR_RAISE(Flow flow, store_.has_value() ? MergeStep(out) : EmitRows(out));
    if (flow.kind == Flow::Kind::kNeedInput) is_started_ = false;
    return flow;
  }

  Result<int64_t> Reclaim(int64_t bytes) override {
    if (!store_.has_value()) return 0;
    for (MemoryRun& run : merger_->TakeMemory()) store_->AddMemory(std::move(run));
    return store_->Reclaim(bytes, context());
  }

 private:
  Status Start(int64_t part) {
    ARROW_ASSIGN_OR_RAISE(SortGlobal::Part taken, global_->Take(part));
    is_started_ = true;
    if (!taken.store.has_value()) {
      slices_ = std::move(taken.slices);
      SortSlices();
      return Status::OK();
    }
    merger_.emplace(taken.store->terms().schema, taken.store->terms().encoder, context().pool);
    store_.emplace(*std::move(taken.store));
    return Status::OK();
  }

  void SortSlices() {
    row_store_.emplace(*schema_);
    for (const BlockSlice& slice : slices_) {
      const SortedBlock& block = *slice.block;
      const int32_t chunk = row_store_->Add(Batch(block.columns, block.num_rows));
      for (int64_t row = slice.begin; row < slice.end; ++row) {
        rows_.push_back({{chunk, static_cast<int32_t>(row)}, block.keys[row]});
      }
    }
    SortRows(&rows_);
    refs_.clear();
    for (const KeyedRow& row : rows_) refs_.push_back(row.row);
    rows_.clear();
    next_row_ = 0;
  }

  Result<Flow> EmitRows(Out& out) {
    size_t end = next_row_;
    const size_t rows_max = next_row_ + static_cast<size_t>(context().batch_rows);
    for (int64_t bytes = 0; end < std::min(rows_max, refs_.size()); ++end) {
      bytes += row_store_->BytesOf(refs_[end]);
      if (bytes > context().batch_bytes && end > next_row_) break;
    }
    if (end == next_row_) {
      row_store_.reset();
      slices_.clear();
      return Flow::NeedInput();
    }
    const auto refs = std::span(refs_).subspan(next_row_, end - next_row_);
    ARROW_ASSIGN_OR_RAISE(auto columns, row_store_->Gather(refs, context().pool));
    next_row_ = end;
    out.Emit(Batch(std::move(columns), static_cast<int64_t>(refs.size())));
    return Flow::MoreOutput();
  }

  // Spilled rows must be whole before they are read: first runs that are being written, then merges
  // that make fewer runs of many, then the merge that gives rows.
  Result<Flow> MergeStep(Out& out) {
    if (store_->is_writing()) {
      ARROW_RETURN_NOT_OK(store_->WriteStep());
      return Flow::MoreOutput();
    }
    if (pass_ != nullptr) return PassStep();
    if (store_->has_memory() || store_->has_spilled()) return AddRuns();
    ARROW_ASSIGN_OR_RAISE(SortedBlock block,
                          merger_->Next(context().batch_rows, context().batch_bytes));
    if (block.num_rows == 0) {
      store_.reset();
      return Flow::NeedInput();
    }
    out.Emit(Batch(std::move(block.columns), block.num_rows));
    return Flow::MoreOutput();
  }

  Result<Flow> PassStep() {
    ARROW_ASSIGN_OR_RAISE(const bool more, pass_->Step());
    if (!more) {
      store_->AddSpilled(pass_->TakeRun());
      pass_.reset();
    }
    return Flow::MoreOutput();
  }

  // Adds all runs of the store to the merger when their buffers can be had, else makes them fewer.
  Result<Flow> AddRuns() {
    const std::vector<SpilledRun>& runs = store_->OrderedSpilled();
    size_t count = runs.size();
    if (count > kMergeFanInMax)
      count = std::min<size_t>(kMergeFanInMax, count - kMergeFanInMax + 1);
    Reservation buffers(context().budget);
    if (HasRoomFor(count) && buffers.TryResize(BufferBytes(count))) {
      if (count == runs.size()) return MergeAll(std::move(buffers));
      return StartPass(count, std::move(buffers));
    }
    if (store_->has_memory()) {
      ARROW_RETURN_NOT_OK(store_->Reclaim(0, context()).status());
      return Flow::MoreOutput();
    }
    for (count /= 2; count >= 2; count /= 2) {
      if (buffers.TryResize(BufferBytes(count))) return StartPass(count, std::move(buffers));
    }
    return Flow::NeedMemory(BufferBytes(std::min<size_t>(2, runs.size())));
  }

  // A merge of many runs leaves room for the operators behind it, which cannot take its buffers.
  bool HasRoomFor(size_t runs) {
    if (runs <= kRunsInAnyRoom) return true;
    Reservation room(context().budget);
    return room.TryResize(BufferBytes(runs) + context().budget->limit_bytes() / kRoomFraction);
  }

  int64_t BufferBytes(size_t count) {
    const std::vector<SpilledRun>& runs = store_->OrderedSpilled();
    int64_t bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += runs[i].merge_bytes();
    return bytes;
  }

  Result<Flow> MergeAll(Reservation buffers) {
    for (MemoryRun& run : store_->TakeMemory()) {
      ARROW_RETURN_NOT_OK(merger_->Add(std::move(run)));
    }
    for (SpilledRun& run : store_->TakeSpilled()) {
      const int64_t bytes = run.merge_bytes();
      ARROW_RETURN_NOT_OK(merger_->Add(std::move(run), buffers.Split(bytes)));
    }
    return Flow::MoreOutput();
  }

  Result<Flow> StartPass(size_t count, Reservation buffers) {
    ARROW_ASSIGN_OR_RAISE(pass_, store_->MergeShortest(count, std::move(buffers), context()));
    return Flow::MoreOutput();
  }

  const SchemaPtr schema_;
  const std::shared_ptr<SortGlobal> global_;
  bool is_started_ = false;  // with the part that is being read

  // A part in memory; the slices hold the reservations.
  std::vector<BlockSlice> slices_;
  std::optional<RowStore> row_store_;
  std::vector<KeyedRow> rows_;
  std::vector<RowRef> refs_;  // in order
  size_t next_row_ = 0;

  // A part that may be on disk.
  std::optional<SortStore> store_;
  std::optional<SortMerger> merger_;
  std::unique_ptr<RunWriter> pass_;
};

}  // namespace

std::unique_ptr<Operator> SortOutputSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<SortOutput>(*this, std::move(global));
}

}  // namespace headrace
