// MATCH_RECOGNIZE as front ends give it to the builder: names not yet bound.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/expression/bind.h"
#include "headrace/plan/match_recognize.h"

namespace headrace {

struct NamedUnboundExpression {
  std::string name;
  UnboundPtr expression;
};

/// In MEASURES and DEFINE: variable.column, FIRST, LAST, PREV, NEXT, RUNNING and FINAL as calls of
/// these names, CLASSIFIER(), MATCH_NUMBER(), aggregates.
struct MatchClause {
  std::vector<UnboundPtr> partition_by;  // columns
  std::vector<UnboundSortKey> order_by;  // columns; none: rows as they come
  std::vector<NamedUnboundExpression> measures;
  MatchRows rows = MatchRows::kOne;
  MatchSkip::Kind skip = MatchSkip::Kind::kPastLastRow;
  std::string skip_variable;
  std::string pattern;
  int64_t pattern_begin = 0;  // in the query
  std::vector<std::pair<std::string, std::vector<std::string>>> subsets;
  std::vector<NamedUnboundExpression> definitions;
  int64_t rows_max = 0;                // of a match; 0: any number
  std::optional<int64_t> span_micros;  // of the first key of the order, or of the rows' own
  std::optional<int64_t> span_units;   // the same, in its units
  TextSpan span;
};

/// Rows of `input`, whose columns expressions call by `scope`, with the columns of MATCH_RECOGNIZE:
/// PARTITION BY, measures; or, with all rows, PARTITION BY, ORDER BY, measures, other columns.
/// Errors carry spans.
Result<PlanPtr> PlanMatchRecognize(PlanPtr input, const Scope& scope, const MatchClause& clause);

}  // namespace headrace
