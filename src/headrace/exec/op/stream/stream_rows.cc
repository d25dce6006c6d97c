// Division of a batch into rows that are added and taken back; interleaving of updates.
#include "headrace/exec/op/stream/stream_rows.h"

#include <algorithm>

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "headrace/exec/op/aggregate/aggregate_slice.h"
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

std::vector<uint64_t> NumbersOf(const std::vector<GroupRef>& refs) {
  std::vector<uint64_t> numbers;
  numbers.reserve(refs.size());
  for (const GroupRef& ref : refs) {
    numbers.push_back((static_cast<uint64_t>(ref.key_group) << 32) | ref.group);
  }
  return numbers;
}

Result<Batch> RowsOf(const KeyedGroups& groups, std::span<const GroupRef> refs,
                     arrow::MemoryPool* pool, std::span<KernelContext> contexts) {
  ARROW_ASSIGN_OR_RAISE(auto columns, groups.Results(refs, pool, contexts));
  return Batch(std::move(columns), static_cast<int64_t>(refs.size()));
}

}  // namespace

Result<StreamRows> StreamRows::Make(const Batch& batch, const AggregateTerms& terms,
                                    arrow::MemoryPool* pool) {
  StreamRows rows;
  rows.first = batch.PositionOf(0);
  ARROW_RETURN_NOT_OK(terms.encoder().Encode(batch, pool, &rows.keys));
  ARROW_ASSIGN_OR_RAISE(rows.arguments, terms.ArgumentsOf(batch, pool));
  const auto* changes =
      batch.change() == nullptr ? nullptr : batch.change()->data()->GetValues<int8_t>(1);
  for (uint32_t row = 0; row < batch.num_rows(); ++row) {
    const bool is_added = changes == nullptr || changes[row] > 0;
    (is_added ? rows.added : rows.removed).push_back(row);
  }
  return rows;
}

void StreamRows::LeaveOut(const std::vector<std::byte*>& states) {
  for (std::vector<uint32_t>* some : {&added, &removed}) {
    std::erase_if(*some, [&](uint32_t row) { return states[row] == nullptr; });
  }
}

Status StreamRows::AddAndRemove(const AggregateTerms& terms, const std::vector<std::byte*>& states,
                                std::span<KernelContext> contexts, arrow::MemoryPool* pool) const {
  if (added.size() == static_cast<size_t>(keys.num_rows)) {
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

Result<Batch> InterleaveUpdates(const Batch& old_rows, const std::vector<uint64_t>& old_numbers,
                                const Batch& new_rows, const std::vector<uint64_t>& new_numbers,
                                arrow::MemoryPool* pool) {
  struct Row {
    uint64_t number;
    int8_t change;
    uint32_t place;
  };
  std::vector<Row> rows;
  rows.reserve(old_numbers.size() + new_numbers.size());
  for (const uint64_t number : old_numbers) {
    rows.push_back({number, -1, static_cast<uint32_t>(rows.size())});
  }
  for (const uint64_t number : new_numbers) {
    rows.push_back({number, 1, static_cast<uint32_t>(rows.size())});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& left, const Row& right) {
    return std::pair(left.number, left.change) < std::pair(right.number, right.change);
  });
  std::vector<uint32_t> order;
  std::vector<int8_t> changes;
  for (const Row& row : rows) {
    order.push_back(row.place);
    changes.push_back(row.change);
  }
  Batch all = new_rows;
  if (old_rows.num_rows() > 0) {
    ARROW_ASSIGN_OR_RAISE(all, ConcatenateBatches({old_rows, new_rows}, pool));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr indices, ArrayOf<arrow::UInt32Builder>(order, pool));
  ARROW_ASSIGN_OR_RAISE(all, all.Take(*indices, pool));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr change, ArrayOf<arrow::Int8Builder>(changes, pool));
  all.set_change(std::move(change));
  return all;
}

Status GroupUpdates::KeepOld(const KeyedGroups& groups, std::vector<GroupRef> refs,
                             arrow::MemoryPool* pool, std::span<KernelContext> contexts) {
  old_refs_ = std::move(refs);
  return RowsOf(groups, old_refs_, pool, contexts).Value(&old_rows_);
}

Result<Batch> GroupUpdates::WithNew(const KeyedGroups& groups, const std::vector<GroupRef>& refs,
                                    arrow::MemoryPool* pool,
                                    std::span<KernelContext> contexts) const {
  ARROW_ASSIGN_OR_RAISE(const Batch new_rows, RowsOf(groups, refs, pool, contexts));
  return InterleaveUpdates(old_rows_, NumbersOf(old_refs_), new_rows, NumbersOf(refs), pool);
}

}  // namespace headrace
