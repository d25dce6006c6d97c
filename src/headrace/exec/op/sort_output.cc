// Output side of the sort: lanes bring the runs down to what can be read together, then put parts
// in order: rows in memory by sorting them anew, with rows on disk by merging.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "headrace/exec/op/sort.h"
#include "headrace/exec/op/sort_global.h"

namespace headrace {
namespace {

class SortOutput final : public Operator {
 public:
  SortOutput(const SortOutputSpec& spec, std::shared_ptr<GlobalState> global)
      : schema_(spec.schema), global_(std::static_pointer_cast<SortGlobal>(std::move(global))) {}

  Result<Flow> Push(int, Batch& part, Out& out) override {
    if (pass_.writer != nullptr) return PassStep();
    if (!is_started_) {
      ARROW_ASSIGN_OR_RAISE(const Flow flow, global_->Prepare(context(), &pass_));
      if (flow.kind != Flow::Kind::kNeedInput) return flow;
      ARROW_RETURN_NOT_OK(Start(part.ordinal().split));
    }
    ARROW_ASSIGN_OR_RAISE(Flow flow, merger_.has_value() ? MergeStep(out) : EmitRows(out));
    if (flow.kind == Flow::Kind::kNeedInput) {
      is_started_ = false;
      global_->EndPart();
    }
    return flow;
  }

  Result<int64_t> Reclaim(int64_t bytes) override { return global_->Reclaim(bytes); }

 private:
  Result<Flow> PassStep() {
    ARROW_ASSIGN_OR_RAISE(const bool more, pass_.writer->Step());
    if (!more) global_->EndPass(std::exchange(pass_, SortPass()));
    return Flow::MoreOutput();
  }

  Status Start(int64_t part) {
    SortPart taken = global_->Take(part);
    is_started_ = true;
    if (taken.spilled.empty()) {
      runs_ = std::move(taken.memory);
      SortSlices();
      return Status::OK();
    }
    merger_.emplace(global_->terms(), SortMerger::Positions::kLeftOut, context().pool);
    for (MemoryRun& run : taken.memory) ARROW_RETURN_NOT_OK(merger_->Add(std::move(run)));
    for (SpilledRange& range : taken.spilled) ARROW_RETURN_NOT_OK(merger_->Add(std::move(range)));
    return Status::OK();
  }

  void SortSlices() {
    row_store_.emplace(*schema_);
    std::vector<KeyedRow> rows;
    for (const MemoryRun& run : runs_) {
      for (const BlockSlice& slice : run) {
        const SortedBlock& block = *slice.block;
        const int32_t chunk = row_store_->Add(Batch(block.columns, block.num_rows));
        for (int64_t row = slice.begin; row < slice.end; ++row) {
          rows.push_back({{chunk, static_cast<int32_t>(row)}, block.keys[row]});
        }
      }
    }
    SortRows(&rows);
    refs_.clear();
    for (const KeyedRow& row : rows) refs_.push_back(row.row);
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
      runs_.clear();
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
  bool is_started_ = false;  // with the part that is being read

  // A part in memory; the slices hold the reservations.
  std::vector<MemoryRun> runs_;
  std::optional<RowStore> row_store_;
  std::vector<RowRef> refs_;  // in order
  size_t next_row_ = 0;

  // A part with rows on disk.
  std::optional<SortMerger> merger_;
};

}  // namespace

std::unique_ptr<Operator> SortOutputSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<SortOutput>(*this, std::move(global));
}

}  // namespace headrace
