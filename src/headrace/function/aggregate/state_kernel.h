// AggregateKernel made of a typed state and a visitor of rows.
//
// A State has Merge(const State&), Save(std::string*) and Load(StateBytesReader&); Bytes() when it
// owns memory. A Visitor calls `visit(into, value…)`: see each family.
#pragma once

#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "arrow/array/builder_primitive.h"
#include "headrace/function/aggregate/accumulate.h"
#include "headrace/function/state_bytes.h"

namespace headrace {

/// Calls `visit(row)` for every row of which no argument is null.
template <typename Visit>
void ForEachComplete(const AggregateRows& rows, Visit&& visit) {
  std::vector<Validity> valid;
  for (const Argument& arg : rows.args) {
    Validity one(arg);
    if (!one.all_valid()) valid.push_back(one);
  }
  for (int64_t row = 0; row < rows.length; ++row) {
    bool complete = true;
    for (const Validity& one : valid) complete = complete && one[row];
    if (complete) visit(row);
  }
}

namespace state_kernel {

template <typename State, typename Visitor>
Status AddGroups(KernelContext& ctx, std::byte* const* groups, size_t offset,
                 const AggregateRows& rows) {
  return Visitor::Add(ctx, rows,
                      [&](int64_t row) -> State& { return StateAt<State>(groups[row], offset); });
}

template <typename State, typename Visitor>
Status AddAll(KernelContext& ctx, std::byte* state, const AggregateRows& rows) {
  return Visitor::Add(ctx, rows, [&](int64_t) -> State& { return StateAt<State>(state); });
}

template <typename State, typename Visitor>
Status RemoveGroups(KernelContext& ctx, std::byte* const* groups, size_t offset,
                    const AggregateRows& rows) {
  return Visitor::Remove(
      ctx, rows, [&](int64_t row) -> State& { return StateAt<State>(groups[row], offset); });
}

template <typename State>
Status Merge(KernelContext& ctx, std::byte* into, const std::byte* from) {
  if constexpr (requires(State& state) { state.Merge(ctx, state); }) {
    return StateAt<State>(into).Merge(ctx, StateAt<State>(from));
  } else {
    StateAt<State>(into).Merge(StateAt<State>(from));
    return Status::OK();
  }
}

template <typename State>
Status Save(const std::byte* state, std::string* out) {
  StateAt<State>(state).Save(out);
  return Status::OK();
}

template <typename State>
Status Load(std::byte* state, std::string_view bytes) {
  StateBytesReader reader(State::kOwner, bytes);
  State loaded;
  ARROW_RETURN_NOT_OK(loaded.Load(reader));
  ARROW_RETURN_NOT_OK(reader.Finish());
  StateAt<State>(state) = std::move(loaded);
  return Status::OK();
}

template <typename State>
int64_t Bytes(const std::byte* state) {
  return StateAt<State>(state).Bytes();
}

}  // namespace state_kernel

template <typename State, typename Visitor>
constexpr AggregateKernel StateKernel(decltype(AggregateKernel::finish) finish) {
  AggregateKernel kernel = {
      .size = sizeof(State),
      .align = alignof(State),
      .init = InitState<State>,
      .add = state_kernel::AddGroups<State, Visitor>,
      .add_all = state_kernel::AddAll<State, Visitor>,
      .merge = state_kernel::Merge<State>,
      .finish = finish,
      .save = state_kernel::Save<State>,
      .load = state_kernel::Load<State>,
  };
  if constexpr (!std::is_trivially_destructible_v<State>) kernel.destroy = DestroyState<State>;
  if constexpr (requires(const State& state) { state.Bytes(); }) {
    kernel.bytes = state_kernel::Bytes<State>;
  }
  if constexpr (requires { Visitor::kRemoves; }) {
    kernel.remove = state_kernel::RemoveGroups<State, Visitor>;
  }
  return kernel;
}

/// Finish of states with `count` and `not_finite`: `kResult(state)`, a double or none, is null for
/// fewer than `kLeast` values, and NaN when infinities or NaN were among them.
template <typename State, int kLeast, auto kResult>
Status FinishFloat64(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                     arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::DoubleBuilder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = StateAt<State>(groups[i], offset);
    std::optional<double> value;
    if (state.count >= kLeast) {
      if (state.not_finite > 0) {
        value = std::numeric_limits<double>::quiet_NaN();
      } else {
        value = kResult(state);
      }
    }
    if (value.has_value()) {
      builder.UnsafeAppend(*value);
    } else {
      builder.UnsafeAppendNull();
    }
  }
  return Status::OK();
}

/// Finish of states that count: the member `kCount`.
template <typename State, int64_t State::* kCount>
Status FinishInt64(KernelContext&, std::byte* const* groups, size_t offset, int64_t count,
                   arrow::ArrayBuilder* out) {
  auto& builder = static_cast<arrow::Int64Builder&>(*out);
  ARROW_RETURN_NOT_OK(builder.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    builder.UnsafeAppend(StateAt<State>(groups[i], offset).*kCount);
  }
  return Status::OK();
}

}  // namespace headrace
