// AggregateSlice: some rows of a batch with the arguments of every call, to be added to states.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "headrace/exec/op/aggregate/aggregate_terms.h"
#include "headrace/memory/budget.h"

namespace headrace {

/// How many rows are looked up at a time: so few that the memory for all of them being new groups
/// is a small part of the budget.
class AggregateSlicer {
 public:
  AggregateSlicer(const AggregateTerms& terms, const MemoryBudget& budget);
  int64_t rows() const { return rows_; }
  void Refused();
  void Granted();

 private:
  int64_t rows_max_;
  int64_t rows_;
};

/// Rows [begin, end) of a batch. Cheap.
class AggregateSlice {
 public:
  AggregateSlice(const AggregateTerms& terms, const std::vector<std::vector<Argument>>& arguments,
                 int64_t begin, int64_t end);
  /// Memory that states may come to own by it, by estimate.
  int64_t extra_bytes() const;
  /// `states` holds the state row of every row; `first` is the position of the first, if not each
  /// has one in `positions`.
  Status Add(std::span<KernelContext> contexts, const std::vector<std::byte*>& states,
             RowPosition first, const RowPosition* positions = nullptr) const;
  Status Remove(std::span<KernelContext> contexts, const std::vector<std::byte*>& states,
                RowPosition first) const;

 private:
  const AggregateTerms& terms_;
  std::vector<std::vector<Argument>> arguments_;
  int64_t length_;
};

}  // namespace headrace
