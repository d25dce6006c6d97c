// States of aggregates and ordered functions are typed objects in memory that the caller owns.
#pragma once

#include <cstddef>
#include <new>

namespace headrace {

/// The state of type State at `offset` in a group's block.
template <typename State>
State& StateAt(std::byte* block, size_t offset = 0) {
  return *std::launder(reinterpret_cast<State*>(block + offset));
}

template <typename State>
const State& StateAt(const std::byte* block) {
  return *std::launder(reinterpret_cast<const State*>(block));
}

template <typename State>
void InitState(std::byte* state) {
  new (state) State();
}

template <typename State>
void DestroyState(std::byte* state) {
  StateAt<State>(state).~State();
}

}  // namespace headrace
