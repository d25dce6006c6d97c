// Output side of the sort: lanes bring the runs down to what can be read together, then put parts
// in order: rows in memory by sorting them anew, with rows on disk by merging.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "headrace/exec/op/sort/sort.h"
#include "headrace/exec/op/sort/sort_global.h"

namespace headrace {
namespace {

// Slices of fewer rows are better gathered into batches.
constexpr int64_t kSliceRowsMany = 1024;

class SortOutput final : public Operator {
 public:
  SortOutput(const SortOutputSpec& spec, std::shared_ptr<GlobalState> global)
      : schema_(spec.schema), global_(std::static_pointer_cast<SortGlobal>(std::move(global))) {}

  Result<Flow> Push(int, Batch& group, Out& out) override {
    if (pass_.writer != nullptr) return PassStep();
    if (!is_started_) {
      ARROW_ASSIGN_OR_RAISE(const Flow flow, global_->Prepare(context(), &pass_));
      if (flow.kind != Flow::Kind::kNeedInput) return flow;
      if (parts_.empty()) parts_ = global_->PartsOfGroup(group.ordinal().split);
      ARROW_RETURN_NOT_OK(Start(parts_.begin++));
    }
    ARROW_ASSIGN_OR_RAISE(const Flow flow, EmitSome(out));
    if (flow.kind != Flow::Kind::kNeedInput) return flow;
    is_started_ = false;
    if (!parts_.empty()) return Flow::MoreOutput();
    global_->EndGroup();
    return flow;
  }

  Result<int64_t> Reclaim(int64_t bytes) override { return global_->Reclaim(bytes); }

 private:
  Result<Flow> EmitSome(Out& out) {
    if (merger_.has_value()) return MergeStep(out);
    return row_store_.has_value() ? EmitRows(out) : EmitSlice(out);
  }

  Result<Flow> PassStep() {
    ARROW_ASSIGN_OR_RAISE(const bool more, pass_.writer->Step());
    if (!more) global_->EndPass(std::exchange(pass_, SortPass()));
    return Flow::MoreOutput();
  }

  Status Start(int64_t part) {
    SortPart taken = global_->Take(part);
    is_started_ = true;
    if (taken.spilled.empty()) {
      for (const MemoryRun& run : taken.memory) {
        slices_.insert(slices_.end(), run.begin(), run.end());
      }
      SortSlices();
      return Status::OK();
    }
    merger_.emplace(global_->terms(), SortMerger::Places::kLeftOut, context().pool);
    for (MemoryRun& run : taken.memory) ARROW_RETURN_NOT_OK(merger_->Add(std::move(run)));
    for (SpilledRange& range : taken.spilled) ARROW_RETURN_NOT_OK(merger_->Add(std::move(range)));
    return Status::OK();
  }

  // Slices that do not overlap are in order when they are themselves; else their rows are sorted.
  void SortSlices() {
    std::sort(slices_.begin(), slices_.end(), [](const BlockSlice& left, const BlockSlice& right) {
      return left.first_key() < right.first_key();
    });
    const auto overlaps = [](const BlockSlice& left, const BlockSlice& right) {
      return left.last_key() >= right.first_key();
    };
    next_slice_ = 0;
    if (std::adjacent_find(slices_.begin(), slices_.end(), overlaps) == slices_.end() &&
        RowsPerSlice() >= kSliceRowsMany) {
      return;
    }
    SortRowsOfSlices();
  }

  int64_t RowsPerSlice() const {
    int64_t rows = 0;
    for (const BlockSlice& slice : slices_) rows += slice.num_rows();
    return rows / std::max<int64_t>(1, static_cast<int64_t>(slices_.size()));
  }

  void SortRowsOfSlices() {
    row_store_.emplace(*schema_);
    std::vector<KeySlice> keys;
    for (const BlockSlice& slice : slices_) {
      const SortedBlock& block = *slice.block;
      const int32_t chunk = row_store_->Add(Batch(block.columns, block.num_rows));
      keys.push_back({&block.keys(), chunk, slice.begin, slice.end});
    }
    refs_.clear();
    SortRows(keys, &refs_);
    next_row_ = 0;
  }

  // Rows of one slice, without copying them.
  Result<Flow> EmitSlice(Out& out) {
    if (next_slice_ == slices_.size()) {
      slices_.clear();
      return Flow::NeedInput();
    }
    BlockSlice& slice = slices_[next_slice_];
    const int64_t rows = std::min(slice.num_rows(), context().batch_rows);
    out.Emit(Batch(slice.block->columns, slice.block->num_rows).Slice(slice.begin, rows));
    slice.begin += rows;
    if (slice.num_rows() == 0) slices_[next_slice_++].block.reset();
    return Flow::MoreOutput();
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

  Result<Flow> MergeStep(Out& out) {
    ARROW_ASSIGN_OR_RAISE(MergedRows rows,
                          merger_->Next(context().batch_rows, context().batch_bytes));
    if (rows.num_rows == 0) {
      merger_.reset();
      return Flow::NeedInput();
    }
    out.Emit(Batch(std::move(rows.columns), rows.num_rows));
    return Flow::MoreOutput();
  }

  const SchemaPtr schema_;
  const std::shared_ptr<SortGlobal> global_;
  SortPass pass_;
  PartRange parts_;          // of the group in work, not started
  bool is_started_ = false;  // with the part that is being read

  // A part in memory; the slices hold the reservations.
  std::vector<BlockSlice> slices_;
  size_t next_slice_ = 0;
  std::optional<RowStore> row_store_;  // of rows that are given one by one
  std::vector<RowRef> refs_;           // in order
  size_t next_row_ = 0;

  // A part with rows on disk.
  std::optional<SortMerger> merger_;
};

}  // namespace

std::unique_ptr<Operator> SortOutputSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<SortOutput>(*this, std::move(global));
}

}  // namespace headrace
