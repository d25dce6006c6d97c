// Nodes are made when a window wants them, and go when a window starts behind their first pane.
#include "headrace/exec/op/stream/pane_tree.h"

#include <algorithm>
#include <bit>

namespace headrace {

// Rises with the pane; panes side by side have numbers side by side.
uint64_t PaneTree::NumberOf(int64_t pane) const {
  const int64_t number = pane / pane_ticks_ - (pane % pane_ticks_ < 0 ? 1 : 0);
  return static_cast<uint64_t>(number) ^ (uint64_t{1} << 63);
}

std::vector<PaneTree::Merge> PaneTree::Plan(int64_t start, int64_t end) {
  uint64_t first = NumberOf(start);
  nodes_.erase(nodes_.begin(), nodes_.lower_bound({first, 0}));
  plan_.clear();
  Merge window;
  for (uint64_t left = NumberOf(end) - first; left > 0;) {
    const int level = std::min(std::countr_zero(first), static_cast<int>(std::bit_width(left)) - 1);
    if (GroupStore* store = StoreOf(first, level); store != nullptr) window.from.push_back(store);
    first += uint64_t{1} << level;
    left -= uint64_t{1} << level;
  }
  plan_.push_back(std::move(window));
  return std::move(plan_);
}

// The groups of these panes; null when there are none.
GroupStore* PaneTree::StoreOf(uint64_t first, int level) {
  if (const auto node = nodes_.find({first, level}); node != nodes_.end()) {
    return node->second.get();
  }
  int64_t begin;
  const auto number = static_cast<int64_t>(first ^ (uint64_t{1} << 63));
  if (__builtin_mul_overflow(number, pane_ticks_, &begin)) begin = INT64_MIN;
  const auto pane = panes_.lower_bound(begin);
  const uint64_t end = first + (uint64_t{1} << level);
  if (pane == panes_.end() || NumberOf(pane->first) >= end) return nullptr;
  const auto next = std::next(pane);
  if (next == panes_.end() || NumberOf(next->first) >= end) return pane->second.get();
  const uint64_t half = uint64_t{1} << (level - 1);
  GroupStore* const left = StoreOf(first, level - 1);
  GroupStore* const right = StoreOf(first + half, level - 1);
  if (left == nullptr || right == nullptr) return left == nullptr ? right : left;
  auto& made = nodes_[{first, level}];
  made = std::make_unique<GroupStore>(terms_, budget_);
  plan_.push_back({made.get(), {left, right}});
  return made.get();
}

void PaneTree::Change(int64_t pane) {
  const uint64_t number = NumberOf(pane);
  for (int level = 1; !nodes_.empty() && level < 64; ++level) {
    nodes_.erase({number >> level << level, level});
  }
}

int64_t PaneTree::bytes() const {
  int64_t bytes = 0;
  for (const auto& [place, node] : nodes_) bytes += node->bytes();
  return bytes;
}

}  // namespace headrace
