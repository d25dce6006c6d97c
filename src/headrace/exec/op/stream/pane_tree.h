// PaneTree: groups of runs of panes, merged once and used by all windows that overlap there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "headrace/exec/op/aggregate/group_store.h"

namespace headrace {

/// A run of 2^n panes that begins at a multiple of 2^n is a node, made of two of half its length,
/// so a window of n panes is made of 2 log2 n nodes at most. A node holds no more groups than its
/// panes together. One thread.
class PaneTree {
 public:
  using Panes = std::map<int64_t, std::unique_ptr<GroupStore>>;  // by start

  PaneTree(const Panes& panes, int64_t pane_ticks, AggregateTermsPtr terms,
           std::shared_ptr<MemoryBudget> budget)
      : panes_(panes),
        pane_ticks_(pane_ticks),
        terms_(std::move(terms)),
        budget_(std::move(budget)) {}

  /// Merge the groups of `from`, in this order, into `into`; null: what the window is given from.
  struct Merge {
    GroupStore* into = nullptr;
    std::vector<GroupStore*> from;
  };
  /// What makes the groups of panes [start, end), to be done in this order; the last one is the
  /// window's. Windows come in the order of their starts. REQUIRES: the merges are all done before
  /// the next Plan, or Clear is called.
  std::vector<Merge> Plan(int64_t start, int64_t end);
  /// Before the groups of a pane change, or it goes.
  void Change(int64_t pane);
  void Clear() { nodes_.clear(); }
  bool empty() const { return nodes_.empty(); }
  int64_t bytes() const;

 private:
  using Place = std::pair<uint64_t, int>;  // number of the first pane, level

  uint64_t NumberOf(int64_t pane) const;
  GroupStore* StoreOf(uint64_t first, int level);

  const Panes& panes_;
  const int64_t pane_ticks_;
  const AggregateTermsPtr terms_;
  const std::shared_ptr<MemoryBudget> budget_;
  std::map<Place, std::unique_ptr<GroupStore>> nodes_;
  std::vector<Merge> plan_;
};

}  // namespace headrace
