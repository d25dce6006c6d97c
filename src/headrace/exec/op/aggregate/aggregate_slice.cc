// Adding and removing the rows of a slice.
#include "headrace/exec/op/aggregate/aggregate_slice.h"

#include <algorithm>

#include "arrow/array.h"

namespace headrace {
namespace {

constexpr int64_t kRowsMin = 8;
constexpr int64_t kRowsMax = 4096;
constexpr int64_t kSlicesPerBudget = 64;

}  // namespace

AggregateSlicer::AggregateSlicer(const AggregateTerms& terms, const MemoryBudget& budget)
    : rows_max_(std::clamp(budget.limit_bytes() / kSlicesPerBudget /
                               (static_cast<int64_t>(terms.row_size()) + kKeyBytes),
                           kRowsMin, kRowsMax)),
      rows_(rows_max_) {}

void AggregateSlicer::Refused() { rows_ = std::max(rows_ / 2, kRowsMin); }

void AggregateSlicer::Granted() { rows_ = std::min(rows_ * 2, rows_max_); }

AggregateSlice::AggregateSlice(const AggregateTerms& terms,
                               const std::vector<std::vector<Argument>>& arguments, int64_t begin,
                               int64_t end)
    : terms_(terms), length_(end - begin) {
  for (const auto& of_call : arguments) {
    arguments_.push_back(SliceArguments(of_call, begin, end));
  }
}

int64_t AggregateSlice::extra_bytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < arguments_.size(); ++i) {
    if (terms_.calls()[i].kernel->bytes == nullptr) continue;
    for (const Argument& argument : arguments_[i]) {
      bytes += Batch({argument.array}, argument.array->length()).num_bytes();
    }
  }
  return bytes;
}

Status AggregateSlice::Add(std::span<KernelContext> contexts, const std::vector<std::byte*>& states,
                           RowPosition first, const RowPosition* positions) const {
  for (size_t i = 0; i < contexts.size(); ++i) {
    const AggregateCall& call = terms_.calls()[i];
    ARROW_RETURN_NOT_OK(call.kernel->add(contexts[i], states.data(), call.offset,
                                         {arguments_[i], length_, first, positions}));
  }
  for (size_t row = 0; terms_.fields().first && row < states.size(); ++row) {
    RowPosition& earliest = terms_.FirstOf(states[row]);
    const RowPosition behind = {first.split, first.row + static_cast<int64_t>(row)};
    earliest = std::min(earliest, positions == nullptr ? behind : positions[row]);
  }
  for (size_t row = 0; terms_.fields().rows && row < states.size(); ++row) {
    ++terms_.RowsOf(states[row]);
  }
  return Status::OK();
}

Status AggregateSlice::Remove(std::span<KernelContext> contexts,
                              const std::vector<std::byte*>& states, RowPosition first) const {
  for (size_t i = 0; i < contexts.size(); ++i) {
    const AggregateCall& call = terms_.calls()[i];
    ARROW_RETURN_NOT_OK(call.kernel->remove(contexts[i], states.data(), call.offset,
                                            {arguments_[i], length_, first}));
  }
  for (size_t row = 0; terms_.fields().rows && row < states.size(); ++row) {
    --terms_.RowsOf(states[row]);
  }
  return Status::OK();
}

}  // namespace headrace
