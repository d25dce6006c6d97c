// Rows of a variable are chained backwards, so the last ones are found without a search.
#include "headrace/exec/op/match/match_path.h"

#include <algorithm>

namespace headrace {
namespace {

/// The greatest of the rows of `variables`.
int64_t LastOf(const std::vector<int64_t>& rows, uint64_t variables) {
  int64_t found = -1;
  for (size_t i = 0; i < rows.size(); ++i) {
    if ((variables >> i & 1) != 0) found = std::max(found, rows[i]);
  }
  return found;
}

}  // namespace

void MatchPath::Push(int32_t step, int variable) {
  const auto place = static_cast<size_t>(variable);
  const int64_t row = size();
  rows_.push_back({step, variable, last_[place]});
  if (last_[place] < 0) first_[place] = row;
  last_[place] = row;
}

void MatchPath::Truncate(int64_t size) {
  while (static_cast<int64_t>(rows_.size()) > size) {
    const Row& row = rows_.back();
    const auto place = static_cast<size_t>(row.variable);
    last_[place] = row.before;
    if (row.before < 0) first_[place] = -1;
    rows_.pop_back();
  }
}

void MatchPath::Clear() {
  rows_.clear();
  std::fill(first_.begin(), first_.end(), -1);
  std::fill(last_.begin(), last_.end(), -1);
}

int64_t MatchPath::Last(uint64_t variables, int64_t skip) const {
  if (skip == 0) return LastOf(last_, variables);
  std::vector<int64_t> next = last_;
  while (true) {
    const int64_t found = LastOf(next, variables);
    if (found < 0 || skip-- == 0) return found;
    const Row& row = rows_[static_cast<size_t>(found)];
    next[static_cast<size_t>(row.variable)] = row.before;
  }
}

int64_t MatchPath::First(uint64_t variables, int64_t skip) const {
  int64_t row = -1;
  for (size_t i = 0; i < first_.size(); ++i) {
    if ((variables >> i & 1) == 0 || first_[i] < 0) continue;
    row = row < 0 ? first_[i] : std::min(row, first_[i]);
  }
  for (; row >= 0 && row < size(); ++row) {
    const bool counts = (variables >> variable(row) & 1) != 0;
    if (counts && skip-- == 0) return row;
  }
  return -1;
}

}  // namespace headrace
