// Orderings: what a plan knows of the order of rows, and what a sort is asked to make.
#pragma once

#include <string>
#include <vector>

namespace headrace {

enum class NullPlacement { kFirst, kLast };

/// One key: a column of the schema it is used with, a direction and a place for nulls.
/// −0 = 0, NaN = NaN; NaN sorts above +inf (below it when descending), whatever the placement.
struct SortKey {
  int column = 0;
  bool descending = false;
  NullPlacement nulls = NullPlacement::kLast;
  bool operator==(const SortKey&) const = default;
};

/// Lexicographic; empty: no order is known. Sorts are stable.
using Ordering = std::vector<SortKey>;

/// Whether rows ordered by `have` are ordered by `want`: `want` is a prefix of `have`.
bool Satisfies(const Ordering& have, const Ordering& want);

/// Whether the rows of each group of equal columns `by` come in the order `want`, where all rows
/// are ordered by `have`.
bool SatisfiesWithin(const Ordering& have, const std::vector<int>& by, const Ordering& want);

/// The same, and each group stands together: `have` begins with the columns `by` in any order.
bool SatisfiesByGroup(const Ordering& have, const std::vector<int>& by, const Ordering& want);

/// "a ASC NULLS LAST, b DESC NULLS FIRST" with names taken from `column_names`.
std::string ToString(const Ordering& ordering, const std::vector<std::string>& column_names);

}  // namespace headrace
