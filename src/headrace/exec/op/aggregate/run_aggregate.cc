// Long runs are added as slices, short ones by a pointer per row.
#include "headrace/exec/op/aggregate/run_aggregate.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "headrace/base/check.h"

namespace headrace {
namespace {

// From so many rows a run on, slicing the arguments costs less than a pointer per row.
constexpr int64_t kRowsPerSliceMin = 32;

}  // namespace

RunAggregate::RunAggregate(AggregateTermsPtr terms, std::shared_ptr<MemoryBudget> budget,
                           arrow::MemoryPool* pool)
    : terms_(std::move(terms)),
      contexts_(terms_->ContextsOf(pool)),
      blocks_(std::max<size_t>(terms_->row_size(), 1), terms_->row_align()),
      reservation_(std::move(budget), Backing::kOwn) {}

RunAggregate::~RunAggregate() {
  if (has_open_) terms_->Destroy(slots_.front());
}

int64_t RunAggregate::TryReserve(const Batch& rows, int64_t runs) {
  int64_t bytes = blocks_.BytesFor(std::max(runs + 1, blocks_.capacity()));
  bytes += static_cast<int64_t>(sizeof(std::byte*)) * rows.num_rows();
  if (has_open_) bytes += terms_->ExtraBytesOf(slots_.front());
  for (const AggregateCall& call : terms_->calls()) {
    for (const int column : call.columns) {
      if (column < 0 || call.kernel->bytes == nullptr) continue;
      bytes += Batch({rows.column(column)}, rows.num_rows()).num_bytes();
    }
  }
  const int64_t more = bytes - reservation_.bytes();
  return more <= 0 || reservation_.TryResize(bytes) ? 0 : more;
}

Result<std::vector<ArrayPtr>> RunAggregate::Add(const Batch& rows, const RunBegins& begins,
                                                bool goes_on) {
  HEADRACE_CHECK(!goes_on || has_open_, "no run is open that could go on");
  const size_t first = has_open_ && !goes_on ? 1 : 0;  // the slot of the first run of the rows
  const size_t runs = begins.size() - 1;
  while (slots_.size() < first + runs) {
    blocks_.MakeRoomFor(static_cast<uint32_t>(slots_.size()));
    slots_.push_back(blocks_[static_cast<uint32_t>(slots_.size())]);
  }
  for (size_t i = has_open_ ? 1 : 0; i < first + runs; ++i) terms_->Init(slots_[i]);
  has_open_ = true;
  ARROW_RETURN_NOT_OK(AddRows(rows, begins, std::span(slots_).subspan(first, runs)));
  num_rows_ += rows.num_rows();
  return Finish(first + runs - 1);
}

Result<std::vector<ArrayPtr>> RunAggregate::End() {
  HEADRACE_CHECK(has_open_, "no run is open that could end");
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> results, Open());
  terms_->Destroy(slots_.front());
  has_open_ = false;
  ++ended_;
  return results;
}

Result<std::vector<ArrayPtr>> RunAggregate::Open() {
  return FinishStates(*terms_, std::span(slots_).first(1), contexts_);
}

Status RunAggregate::AddRows(const Batch& rows, const RunBegins& begins,
                             std::span<std::byte* const> states) {
  ARROW_ASSIGN_OR_RAISE(const auto arguments,
                        terms_->ArgumentsOf(rows, contexts_.empty() ? nullptr : contexts_[0].pool));
  if (rows.num_rows() >= kRowsPerSliceMin * static_cast<int64_t>(states.size())) {
    for (size_t i = 0; i < states.size(); ++i) {
      ARROW_RETURN_NOT_OK(AddRun(arguments, begins[i], begins[i + 1], states[i]));
    }
    return Status::OK();
  }
  row_states_.clear();
  for (size_t i = 0; i < states.size(); ++i) {
    row_states_.insert(row_states_.end(), static_cast<size_t>(begins[i + 1] - begins[i]),
                       states[i]);
  }
  for (size_t i = 0; i < contexts_.size(); ++i) {
    const AggregateCall& call = terms_->calls()[i];
    ARROW_RETURN_NOT_OK(call.kernel->add(contexts_[i], row_states_.data(), call.offset,
                                         {arguments[i], rows.num_rows(), {0, num_rows_}}));
  }
  return Status::OK();
}

Status RunAggregate::AddRun(const std::vector<std::vector<Argument>>& arguments, int64_t begin,
                            int64_t end, std::byte* state) {
  for (size_t i = 0; i < contexts_.size(); ++i) {
    const AggregateCall& call = terms_->calls()[i];
    const std::vector<Argument> slice = SliceArguments(arguments[i], begin, end);
    ARROW_RETURN_NOT_OK(call.kernel->add_all(contexts_[i], state + call.offset,
                                             {slice, end - begin, {0, num_rows_ + begin}}));
  }
  return Status::OK();
}

// The first `count` states end; the one behind them stays open.
Result<std::vector<ArrayPtr>> RunAggregate::Finish(size_t count) {
  const auto states = std::span(slots_).first(count);
  ARROW_ASSIGN_OR_RAISE(std::vector<ArrayPtr> results, FinishStates(*terms_, states, contexts_));
  for (std::byte* state : states) terms_->Destroy(state);
  std::swap(slots_[0], slots_[count]);
  ended_ += static_cast<int64_t>(count);
  const int64_t extra = terms_->has_extra() ? terms_->ExtraBytesOf(slots_.front()) : 0;
  reservation_.TryResize(blocks_.bytes() + extra);  // refused: the next rows ask again
  return results;
}

}  // namespace headrace
