// Division of a batch into rows that are added, taken back and late; interleaving of updates.
#include "headrace/exec/op/stream_rows.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "headrace/exec/op/aggregate_slice.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

using GroupRef = KeyedGroups::GroupRef;

template <typename Builder, typename Value>
Result<ArrayPtr> ArrayOf(const std::vector<Value>& values, arrow::MemoryPool* pool) {
  Builder builder(pool);
  ARROW_RETURN_NOT_OK(builder.AppendValues(values));
  return builder.Finish();
}

Result<ArrayPtr> Take(const ArrayPtr& values, const ArrayPtr& rows, arrow::MemoryPool* pool) {
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  return arrow::compute::Take(*values, *rows, arrow::compute::TakeOptions::NoBoundsCheck(),
                              &context);
}

// Leaves the rows of `batch` that are not late, and their deadlines.
Result<Batch> WithoutLateRows(const Batch& batch, const StreamWindow& window,
                              std::vector<int64_t>* deadlines, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(ArrayPtr starts, Decode(batch.column(window.column()), pool));
  *deadlines = window.DeadlinesOf(*starts);
  std::vector<uint32_t> kept;
  for (size_t row = 0; row < deadlines->size(); ++row) {
    if (!window.IsClosed((*deadlines)[row])) kept.push_back(static_cast<uint32_t>(row));
  }
  if (kept.size() == deadlines->size()) return batch;
  std::erase_if(*deadlines, [&](int64_t deadline) { return window.IsClosed(deadline); });
  ARROW_ASSIGN_OR_RAISE(ArrayPtr rows, ArrayOf<arrow::UInt32Builder>(kept, pool));
  return batch.Take(*rows, pool);
}

// The arguments and states of some rows, as a slice.
Result<std::vector<std::vector<Argument>>> TakeArguments(
    const std::vector<std::vector<Argument>>& arguments, const std::vector<uint32_t>& rows,
    arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(ArrayPtr indices, ArrayOf<arrow::UInt32Builder>(rows, pool));
  std::vector<std::vector<Argument>> taken = arguments;
  for (std::vector<Argument>& of_call : taken) {
    for (Argument& argument : of_call) {
      if (argument.is_constant) continue;
      ARROW_ASSIGN_OR_RAISE(argument.array, Take(argument.array, indices, pool));
    }
  }
  return taken;
}

Result<Batch> RowsOf(const KeyedGroups& groups, std::span<const GroupRef> refs,
                     arrow::MemoryPool* pool, std::span<KernelContext> contexts) {
  ARROW_ASSIGN_OR_RAISE(auto columns, groups.Results(refs, pool, contexts));
  return Batch(std::move(columns), static_cast<int64_t>(refs.size()));
}

}  // namespace

Result<StreamRows> StreamRows::Make(const Batch& batch, const AggregateTerms& terms,
                                    const StreamWindow* window, arrow::MemoryPool* pool) {
  StreamRows rows;
  ARROW_ASSIGN_OR_RAISE(Batch kept, batch.Compact(pool));
  rows.first = kept.PositionOf(0);
  if (window != nullptr) {
    ARROW_ASSIGN_OR_RAISE(kept, WithoutLateRows(kept, *window, &rows.deadlines, pool));
    rows.late_rows = batch.num_rows() - kept.num_rows();
  }
  ARROW_RETURN_NOT_OK(terms.encoder().Encode(kept, pool, &rows.keys));
  ARROW_ASSIGN_OR_RAISE(rows.arguments, terms.ArgumentsOf(kept, pool));
  const auto* changes =
      kept.change() == nullptr ? nullptr : kept.change()->data()->GetValues<int8_t>(1);
  for (uint32_t row = 0; row < kept.num_rows(); ++row) {
    const bool is_added = changes == nullptr || changes[row] > 0;
    (is_added ? rows.added : rows.removed).push_back(row);
  }
  return rows;
}

Status StreamRows::AddAndRemove(const AggregateTerms& terms, const std::vector<std::byte*>& states,
                                std::span<KernelContext> contexts, arrow::MemoryPool* pool) const {
  if (removed.empty()) {
    return AggregateSlice(terms, arguments, 0, keys.num_rows).Add(contexts, states, first);
  }
  for (const std::vector<uint32_t>* some : {&added, &removed}) {
    if (some->empty()) continue;
    ARROW_ASSIGN_OR_RAISE(auto taken, TakeArguments(arguments, *some, pool));
    std::vector<std::byte*> their_states;
    for (uint32_t row : *some) their_states.push_back(states[row]);
    const AggregateSlice slice(terms, taken, 0, static_cast<int64_t>(some->size()));
    ARROW_RETURN_NOT_OK(some == &added ? slice.Add(contexts, their_states, first)
                                       : slice.Remove(contexts, their_states, first));
  }
  return Status::OK();
}

Status GroupUpdates::KeepOld(const KeyedGroups& groups, std::vector<GroupRef> refs,
                             arrow::MemoryPool* pool, std::span<KernelContext> contexts) {
  old_refs_ = std::move(refs);
  return RowsOf(groups, old_refs_, pool, contexts).Value(&old_rows_);
}

Result<Batch> GroupUpdates::WithNew(const KeyedGroups& groups, const std::vector<GroupRef>& refs,
                                    arrow::MemoryPool* pool,
                                    std::span<KernelContext> contexts) const {
  ARROW_ASSIGN_OR_RAISE(Batch all, RowsOf(groups, refs, pool, contexts));
  if (!old_refs_.empty()) {
    ARROW_ASSIGN_OR_RAISE(all, ConcatenateBatches({old_rows_, all}, pool));
  }
  std::vector<uint32_t> order;
  std::vector<int8_t> changes;
  size_t old_row = 0;
  size_t new_row = 0;
  while (order.size() < old_refs_.size() + refs.size()) {
    const bool is_old = old_row < old_refs_.size() &&
                        (new_row == refs.size() || old_refs_[old_row] <= refs[new_row]);
    order.push_back(static_cast<uint32_t>(is_old ? old_row++ : old_refs_.size() + new_row++));
    changes.push_back(is_old ? -1 : 1);
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr indices, ArrayOf<arrow::UInt32Builder>(order, pool));
  ARROW_ASSIGN_OR_RAISE(all, all.Take(*indices, pool));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr change, ArrayOf<arrow::Int8Builder>(changes, pool));
  all.set_change(std::move(change));
  return all;
}

}  // namespace headrace
