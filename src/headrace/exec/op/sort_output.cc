// Output side of the sort: brings the runs down to what one merge can read, then merges them.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "headrace/exec/op/sort.h"
#include "headrace/exec/op/sort_store.h"

namespace headrace {
namespace {

class SortOutput final : public Operator {
 public:
  explicit SortOutput(std::shared_ptr<GlobalState> global)
      : global_(std::static_pointer_cast<SortGlobal>(std::move(global))) {}

  // Spilled rows must be whole before they are read: first runs that are being written, then merges
  // that make fewer runs of many, then the merge that gives rows.
  Result<Flow> Push(int, Batch&, Out& out) override {
    if (!store_.has_value()) ARROW_RETURN_NOT_OK(Start());
    if (store_->is_writing()) {
      ARROW_RETURN_NOT_OK(store_->WriteStep());
      return Flow::MoreOutput();
    }
    if (pass_ != nullptr) return PassStep();
    if (store_->has_memory() || store_->has_spilled()) return AddRuns();
    ARROW_ASSIGN_OR_RAISE(SortedBlock block,
                          merger_->Next(context().batch_rows, context().batch_bytes));
    if (block.num_rows == 0) return Flow::NeedInput();
    out.Emit(Batch(std::move(block.columns), block.num_rows));
    return Flow::MoreOutput();
  }

  Result<int64_t> Reclaim(int64_t bytes) override {
    if (!store_.has_value()) return 0;
    for (MemoryRun& run : merger_->TakeMemory()) store_->AddMemory(std::move(run));
    return store_->Reclaim(bytes, context());
  }

 private:
  Status Start() {
    ARROW_ASSIGN_OR_RAISE(SortStore store, global_->Take());
    merger_.emplace(store.terms().schema, store.terms().encoder, context().pool);
    store_.emplace(std::move(store));
    return Status::OK();
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
    if (buffers.TryResize(BufferBytes(count))) {
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

  const std::shared_ptr<SortGlobal> global_;
  std::optional<SortStore> store_;
  std::optional<SortMerger> merger_;
  std::unique_ptr<RunWriter> pass_;
};

}  // namespace

std::unique_ptr<Operator> SortOutputSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<SortOutput>(std::move(global));
}

}  // namespace headrace
