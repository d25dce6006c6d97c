// Orderings: prefix test and the text shown by EXPLAIN.
#include "headrace/types/ordering.h"

#include <algorithm>

namespace headrace {

bool Satisfies(const Ordering& have, const Ordering& want) {
  return want.size() <= have.size() && std::equal(want.begin(), want.end(), have.begin());
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
