// Orderings: prefix test and the text shown by EXPLAIN.
#include "headrace/types/ordering.h"

#include <algorithm>
#include <iterator>

namespace headrace {
namespace {

/// Without keys that are equal for all rows of a group.
Ordering WithinGroups(const Ordering& order, const std::vector<int>& by) {
  Ordering within;
  std::copy_if(order.begin(), order.end(), std::back_inserter(within), [&](const SortKey& key) {
    return std::find(by.begin(), by.end(), key.column) == by.end();
  });
  return within;
}

bool StandTogether(const Ordering& have, std::vector<int> by) {
  std::sort(by.begin(), by.end());
  by.erase(std::unique(by.begin(), by.end()), by.end());
  const size_t leading = std::min(have.size(), by.size());
  return std::all_of(by.begin(), by.end(), [&](int column) {
    return std::any_of(have.begin(), have.begin() + static_cast<int64_t>(leading),
                       [&](const SortKey& key) { return key.column == column; });
  });
}

}  // namespace

bool Satisfies(const Ordering& have, const Ordering& want) {
  return want.size() <= have.size() && std::equal(want.begin(), want.end(), have.begin());
}

bool SatisfiesWithin(const Ordering& have, const std::vector<int>& by, const Ordering& want) {
  return Satisfies(WithinGroups(have, by), WithinGroups(want, by));
}

bool SatisfiesByGroup(const Ordering& have, const std::vector<int>& by, const Ordering& want) {
  return StandTogether(have, by) && SatisfiesWithin(have, by, want);
}

std::string ToString(const Ordering& ordering, const std::vector<std::string>& column_names) {
  std::string text;
  for (const SortKey& key : ordering) {
    if (!text.empty()) text += ", ";
    const auto column = static_cast<size_t>(key.column);
    text += column < column_names.size() ? column_names[column] : "#" + std::to_string(key.column);
    text += key.descending ? " DESC" : " ASC";
    text += key.nulls == NullPlacement::kFirst ? " NULLS FIRST" : " NULLS LAST";
  }
  return text;
}

}  // namespace headrace
