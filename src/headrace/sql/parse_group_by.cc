// GROUP BY: expressions, and the sets of groups that GROUPING SETS, ROLLUP and CUBE stand for.
#include "headrace/sql/parser.h"

namespace headrace::sql {
namespace {

constexpr size_t kGroupingSetsMax = 256;

/// Each set of one with each of the other.
std::vector<std::vector<size_t>> Product(const std::vector<std::vector<size_t>>& left,
                                         const std::vector<std::vector<size_t>>& right) {
  std::vector<std::vector<size_t>> sets;
  for (const std::vector<size_t>& first : left) {
    for (const std::vector<size_t>& second : right) {
      sets.push_back(first);
      sets.back().insert(sets.back().end(), second.begin(), second.end());
    }
  }
  return sets;
}

}  // namespace

/// GROUP BY ALL | element, …
Status Parser::ParseGroupBy(Select* select) {
  Take();
  ARROW_RETURN_NOT_OK(ExpectWord("BY"));
  select->group_by_all = AcceptWord("ALL");
  if (select->group_by_all) return Status::OK();
  const Token first = Peek();
  GroupingSets sets = {{}};
  do {
    ARROW_ASSIGN_OR_RAISE(const GroupingSets element, ParseGroupingElement(select));
    if (sets.size() * element.size() > kGroupingSetsMax) {
      return Unsupported(first,
                         fmt::format("GROUP BY takes at most {} grouping sets", kGroupingSetsMax));
    }
    sets = Product(sets, element);
  } while (AcceptSymbol(","));
  const bool is_window_alone =
      sets.size() == 1 && select->group_by.empty() && select->time_window != nullptr;
  const bool is_plain = sets.size() == 1 && (is_window_alone || !sets.front().empty());
  if (!is_plain) select->grouping_sets = std::move(sets);
  return Status::OK();
}

/// expression | (expression, …) | () | ROLLUP (…) | CUBE (…) | GROUPING SETS (…) | TUMBLE (…) …
Result<Parser::GroupingSets> Parser::ParseGroupingElement(Select* select) {
  if (Peek().IsWord("ROLLUP") && PeekNext().IsSymbol("(")) return ParseRollup(select);
  if (Peek().IsWord("CUBE") && PeekNext().IsSymbol("(")) return ParseCube(select);
  if (Peek().IsWord("GROUPING") && PeekNext().IsWord("SETS")) return ParseGroupingSets(select);
  if (StartsGroupWindow()) {
    ARROW_RETURN_NOT_OK(ParseGroupWindow(select));
    return GroupingSets{{}};
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<size_t> set, ParseGroupingSet(select));
  return GroupingSets{std::move(set)};
}

/// GROUPING SETS (element, …): the sets of all of them.
Result<Parser::GroupingSets> Parser::ParseGroupingSets(Select* select) {
  const Nesting nesting(*this);
  ARROW_RETURN_NOT_OK(CheckNesting());
  Take();
  Take();
  ARROW_RETURN_NOT_OK(ExpectSymbol("("));
  GroupingSets sets;
  do {
    ARROW_ASSIGN_OR_RAISE(const GroupingSets element, ParseGroupingElement(select));
    sets.insert(sets.end(), element.begin(), element.end());
    if (sets.size() > kGroupingSetsMax) return Unexpected("fewer grouping sets");
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return sets;
}

/// ROLLUP (a, b): (a, b), (a), ().
Result<Parser::GroupingSets> Parser::ParseRollup(Select* select) {
  Take();
  Take();
  GroupingSets sets = {{}};
  do {
    ARROW_ASSIGN_OR_RAISE(const std::vector<size_t> group, ParseGroupingSet(select));
    sets.insert(sets.begin(), sets.front());
    sets.front().insert(sets.front().end(), group.begin(), group.end());
    if (sets.size() > kGroupingSetsMax) return Unexpected("fewer grouping sets");
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return sets;
}

/// CUBE (a, b): (a, b), (a), (b), ().
Result<Parser::GroupingSets> Parser::ParseCube(Select* select) {
  Take();
  Take();
  GroupingSets sets = {{}};
  do {
    ARROW_ASSIGN_OR_RAISE(const std::vector<size_t> group, ParseGroupingSet(select));
    if (2 * sets.size() > kGroupingSetsMax) return Unexpected("fewer grouping sets");
    sets = Product(sets, {group, {}});
  } while (AcceptSymbol(","));
  ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  return sets;
}

/// expression | (expression, …) | ()
Result<std::vector<size_t>> Parser::ParseGroupingSet(Select* select) {
  const Parser start = *this;
  const size_t known = select->group_by.size();
  std::vector<size_t> set;
  if (AcceptSymbol("(")) {
    if (AcceptSymbol(")")) return set;
    if (!StartsQuery()) {
      do {
        ARROW_ASSIGN_OR_RAISE(set.emplace_back(), ParseGroup(select));
      } while (AcceptSymbol(","));
      // (a + b) * 2 begins like a set.
      const bool is_set =
          AcceptSymbol(")") &&
          (Peek().IsSymbol(",") || Peek().IsSymbol(")") || Peek().IsSymbol(";") ||
           Peek().kind == Token::Kind::kEnd ||
           PeekIsOneOf({"HAVING", "WINDOW", "QUALIFY", "USING", "ORDER", "LIMIT", "OFFSET", "FETCH",
                        "UNION", "INTERSECT", "EXCEPT", "EMIT", "INTO", "WITH"}));
      if (is_set) return set;
    }
    Restore(start);
    select->group_by.resize(known);
    set.clear();
  }
  ARROW_ASSIGN_OR_RAISE(set.emplace_back(), ParseGroup(select));
  return set;
}

Result<size_t> Parser::ParseGroup(Select* select) {
  ARROW_ASSIGN_OR_RAISE(UnboundPtr group, ParseExpression());
  select->group_by.push_back(std::move(group));
  return select->group_by.size() - 1;
}

}  // namespace headrace::sql
